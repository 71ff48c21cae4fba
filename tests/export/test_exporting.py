import json

import numpy as np
import pytest
import torch
from torch import nn

from mmkd.export import formats
from mmkd.export.comparing import Difference, compare_outputs, worst
from mmkd.export.exporting import export
from mmkd.export.formats import check_packages, opset_of, read, run_torch, ways
from mmkd.export.network import ExportedNetwork
from mmkd.utils import UserError

from .models import FORM, classifier, smooth_pictures
from .test_network import SLAK

FACTS = dict(classes='["0", "1"]', mmkd_version='0')


class Stand(nn.Module):
    """A classifier's body that does what a test wants."""

    out_indices = None

    def __init__(self, compute) -> None:
        super().__init__()
        self.conv, self.compute = nn.Conv2d(3, 4, 3, padding=1), compute

    def forward(self, x):
        return self.compute(self.conv(x))


def network(compute=None, **backbone) -> ExportedNetwork:
    torch.manual_seed(0)
    return ExportedNetwork(Stand(compute) if compute else classifier(**backbone), FORM).eval()


@pytest.mark.parametrize('kind', ['onnx', 'torchscript', pytest.param('pt2', marks=pytest.mark.slow)])
@pytest.mark.parametrize('backbone', [{}, SLAK], ids=['convnest', 'slak'])
def test_each_format_at_other_batches_and_sizes(kind, backbone):
    net = network(**backbone)
    result = export(net, kind, smooth_pictures(4, (64, 64)), FACTS, 18)
    assert result.difference.relative < 1e-4 and result.difference.agreement == 1
    run = read(kind, result.content)
    shapes = [(1, 64, 64)] + ([(5, 64, 64)] if 'batch' in result.free else []) + (
        [(2, 96, 64), (1, 63, 101)] if 'size' in result.free else [])
    if kind != 'pt2' or hasattr(torch.export.Dim, 'AUTO'):
        assert result.free == ('batch', 'size')
    for count, height, width in shapes:
        pictures = smooth_pictures(count, (height, width))
        [got], [expected] = run(pictures.numpy()), run_torch(net, pictures)
        assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()


def test_an_onnx_model_tells_of_itself_and_has_plain_convolutions():
    import onnx
    result = export(network(**SLAK), 'onnx', smooth_pictures(2, (64, 64)), FACTS, 17)
    model = onnx.load_from_string(result.content)
    facts = {each.key: each.value for each in model.metadata_props}
    assert facts == FACTS | dict(opset='17', dynamic='batch size') and opset_of(model) == 17
    assert [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [
        'batch', 3, 'height', 'width']
    assert model.graph.input[0].name == 'images' and model.graph.output[0].name == 'logits'
    assert {node.domain for node in model.graph.node} == {''}
    kernels = {tuple(each.dims[2:]) for each in model.graph.initializer if len(each.dims) == 4 and each.dims[1] == 1}
    assert kernels == {(13, 5), (5, 13), (7, 5), (5, 7)}  # the small branches are in the first of each stage


def test_facts_in_pytorchs_formats():
    import io
    extra = {formats.ATTACHED: ''}
    result = export(network(), 'torchscript', smooth_pictures(2, (32, 32)), FACTS, 18)
    torch.jit.load(io.BytesIO(result.content), _extra_files=extra)
    assert json.loads(extra[formats.ATTACHED]) == FACTS | dict(dynamic='batch size')


def test_a_size_that_was_taken_for_a_constant_is_not_said_to_be_free():
    def computes(x):
        return x.mean((2, 3)) * float(x.shape[2])  # traced, it is the number that it was

    result = export(network(computes), 'torchscript', smooth_pictures(2, (32, 32)), {}, 18)
    assert result.free == ('batch', ) and 'differs from the model' in result.reasons[0]
    assert result.difference.relative < 1e-6


def test_a_batch_that_was_taken_for_a_constant_is_not_said_to_be_free():
    def computes(x):
        return x.mean((2, 3)) * float(x.shape[0])

    result = export(network(computes), 'torchscript', smooth_pictures(3, (32, 32)), {}, 18)
    assert result.free == () and result.checked == ((2, 3, 32, 32), )


def test_a_model_with_one_size():
    def computes(x):
        return x.flatten(1)[:, :4 * 32 * 32].unflatten(1, (4, 32, 32)).mean((2, 3)) if x.shape[2] == 32 else x.nothing

    result = export(network(computes), 'torchscript', smooth_pictures(2, (32, 32)), {}, 18)
    assert result.free == ('batch', ) and result.reasons == ('the model takes one size', )


def test_a_model_that_computes_something_else_is_refused():
    def computes(x):
        return x.mean((2, 3)) * (1.001 if torch.jit.is_tracing() else 1.)

    with pytest.raises(UserError, match='cannot be exported to torchscript: it differs from the model: largest'):
        export(network(computes), 'torchscript', smooth_pictures(2, (32, 32)), {}, 18)


def test_nan_is_refused():
    net = network()
    with torch.no_grad():
        net.network.head.fc.bias[0] = torch.nan
    with pytest.raises(UserError, match='finite outputs, got NaN'):
        export(net, 'torchscript', smooth_pictures(2, (32, 32)), {}, 18)


def test_differences():
    a, b = np.array([[1., 2.], [4., 3.]]), np.array([[1., 2.], [3., 4.]])
    found = compare_outputs([a], [b], logits=True)
    assert found == Difference(1, .25, .5, 2)
    assert worst([found, Difference(.5, .5, 1, 6)]) == Difference(1, .5, .875, 8)
    zero = np.zeros((1, 2))
    assert compare_outputs([zero], [zero], False).relative == 0
    assert compare_outputs([zero + 1], [zero], False).relative == 1
    with pytest.raises(UserError, match='got NaN'):
        compare_outputs([a * np.inf], [b], True)
    with pytest.raises(UserError, match='expects outputs'):
        compare_outputs([a[:1]], [b], True)


@pytest.mark.parametrize('opset', [8, 16, 99])
def test_an_opset_that_cannot_be_written(opset):
    with pytest.raises(UserError, match=f'got {opset}. The smallest that works is 17'):
        check_packages('onnx', opset)


@pytest.mark.parametrize('missing', ['onnx', 'onnxruntime'])
def test_a_package_that_is_missing(monkeypatch, missing):
    find = formats.importlib.util.find_spec
    monkeypatch.setattr(formats.importlib.util, 'find_spec', lambda name: None if name == missing else find(name))
    with pytest.raises(UserError, match=f'and {missing} is not installed. Install them with: pip'):
        check_packages('onnx', 18)
    check_packages('torchscript', 18)


def test_ways(monkeypatch):
    monkeypatch.setattr(formats, 'can_reason', lambda: True)
    assert ways('onnx', 17) == ['traced'] and ways('onnx', 18) == ['traced', 'torch.export']
    assert ways('onnx', 21) == ['torch.export'] == ways('pt2') and ways('torchscript') == ['traced']


@pytest.mark.slow
@pytest.mark.skipif(not formats.can_reason(), reason='needs onnxscript and PyTorch 2.6')
def test_a_high_opset_is_written_by_torch_export():
    result = export(network(), 'onnx', smooth_pictures(2, (32, 32)), {}, 21)
    assert result.free == ('batch', 'size') and result.difference.relative < 1e-4
