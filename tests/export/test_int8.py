import numpy as np
import pytest
import torch

from mmkd.export.exporting import export
from mmkd.export.formats import onnx_session
from mmkd.export.network import ExportedNetwork
from mmkd.export.quantising import accuracies, images_a_second, quantise
from mmkd.utils import UserError

from .models import FORM, classifier, smooth_pictures
from .test_network import SLAK


@pytest.mark.parametrize('backbone', [{}, SLAK], ids=['convnest', 'slak'])
def test_convolutions_and_products_are_in_8_bits(backbone):
    import onnx
    network = ExportedNetwork(classifier(**backbone), FORM).eval()
    pictures = smooth_pictures(16, (64, 64))
    exported = export(network, 'onnx', pictures, dict(model='x'), 18)
    eight = quantise(exported.content, pictures)
    graph = onnx.load_from_string(eight).graph
    made = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type in ('Conv', 'MatMul', 'Gemm'):
            assert all(made[name].op_type == 'DequantizeLinear' for name in node.input[:2]), node.name
    assert {'LayerNormalization', 'Erf'} <= {node.op_type for node in graph.node}
    facts = {each.key: each.value for each in onnx.load_from_string(eight).metadata_props}
    assert facts['quantised'] == 'int8' and facts['model'] == 'x' and facts['calibration_pictures'] == '16'
    [got], [expected] = (onnx_session(each)(pictures.numpy()) for each in (eight, exported.content))
    error = np.abs(got - expected).max() / np.abs(expected).max()
    assert 0 < error < .1


def test_accuracies():
    class Constant(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3))  # the brightest channel is the class

    network = ExportedNetwork(Constant(), FORM, inside=False).eval()
    pictures = torch.zeros(4, 3, 8, 8)
    for index, channel in enumerate((0, 1, 2, 2)):
        pictures[index, channel] = 1
    content = export(network, 'onnx', pictures, {}, 18).content
    batches = [(pictures[:3], torch.tensor([0, 1, 1])), (pictures[3:], torch.tensor([2]))]
    assert accuracies([content], iter(batches)) == ([75.], 4)
    with pytest.raises(UserError, match='empty'):
        accuracies([content], iter([]))


def test_speeds_are_medians_in_turns():
    import time
    slow, quick = images_a_second([lambda x: time.sleep(.02), lambda x: time.sleep(.002)], np.zeros((4, 1)), .1)
    assert 100 < slow <= 200 and quick > 2 * slow


def test_the_range_of_a_convolution_is_that_after_its_relu():
    """Most of what comes out is far below 0; 256 steps over all of it would leave few for what goes on."""
    class Cut(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 4, 3)
            with torch.no_grad():
                self.first.weight.mul_(20)

        def forward(self, x):
            return self.second(self.first(x).clamp(0, 1)).mean((2, 3))

    pictures = smooth_pictures(16, (32, 32))
    exported = export(ExportedNetwork(Cut(), FORM).eval(), 'onnx', pictures, {}, 18)
    [got], [expected] = (onnx_session(each)(pictures.numpy())
                         for each in (quantise(exported.content, pictures), exported.content))
    assert np.abs(got - expected).max() < .02 * np.abs(expected).max()
