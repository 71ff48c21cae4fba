"""Grad-CAM beside its formula."""
import sys

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmkd.analysis.cam import cam_tap, grad_cam, upsampled
from mmkd.distillers.models import load_model_config, student_config
from mmkd.utils import UserError

pytest.importorskip('captum')


class Net(nn.Module):
    """A ReLU that changes the tapped map in place, a pooled map and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 5, 3, 2)
        self.act = nn.ReLU(inplace=True)
        self.fc = nn.Linear(5, 4)

    def forward(self, images):
        return self.fc(self.act(self.body(images)).mean((2, 3)))


def images(size: int = 9, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def by_formula(activation: torch.Tensor, logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Of a map (N, C, h, w)."""
    gradient, = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), activation)
    return (gradient.mean((2, 3), keepdim=True) * activation).sum(1).relu()


@pytest.mark.parametrize('target', [None, 2])
def test_of_a_convnet(target):
    torch.manual_seed(0)
    net, data = Net().eval(), images()
    found = grad_cam(net, data, 'body', None if target is None else torch.full((3, ), target))
    activation = net.body(data).detach().requires_grad_()
    logits = net.fc(activation.relu().mean((2, 3)))
    classes = logits.argmax(1) if target is None else torch.full((3, ), target)
    assert torch.allclose(found.maps, by_formula(activation, logits, classes), atol=1e-7) and found.maps.any()
    assert torch.equal(found.classes, classes) and torch.equal(found.predictions, logits.argmax(1))
    assert torch.allclose(found.scores, logits.softmax(1).gather(1, classes[:, None])[:, 0])
    # A map that is pooled and classified: the gradient is that of the classifier over the number of positions.
    closed = (net.fc.weight[classes][:, :, None, None] / 16 * (activation > 0)).mean((2, 3), keepdim=True) * activation
    assert torch.allclose(found.maps, closed.sum(1).relu(), atol=1e-7)


def test_the_model_is_left_as_it_is():
    net, data = Net().eval(), images()
    hooks = lambda: sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()) - 1  # noqa: E731
    grad_cam(net, data, 'body')
    assert hooks() == 0 and all(p.requires_grad and p.grad is None for p in net.parameters())  # but the reader's


def test_one_image_is_not_changed_by_the_others():
    net, data = Net().eval(), images()
    assert torch.allclose(grad_cam(net, data, 'body').maps[1:2], grad_cam(net, data[1:2], 'body').maps, atol=1e-7)


def test_of_a_transformer_with_a_class_token():
    timm = pytest.importorskip('timm')
    torch.manual_seed(0)
    model = timm.create_model('vit_tiny_patch16_224', img_size=(32, 48), depth=3, num_classes=7).eval()
    data = torch.randn(2, 3, 32, 48)
    assert cam_tap(model) == 'blocks.2@input'
    found = grad_cam(model, data)
    kept = []
    handle = model.blocks[1].register_forward_hook(lambda m, i, o: kept.append(o.detach().requires_grad_()) or kept[0])
    logits = model(data)
    handle.remove()
    gradient, = torch.autograd.grad(logits.gather(1, logits.argmax(1)[:, None]).sum(), kept[0])
    tokens, gradient = kept[0][:, 1:], gradient[:, 1:]
    expected = (gradient.mean(1, keepdim=True) * tokens).sum(2).relu().unflatten(1, (2, 3))
    assert torch.allclose(found.maps, expected, atol=1e-6) and found.maps.any()
    with pytest.raises(UserError, match='where every gradient is 0'):
        grad_cam(model, data, 'blocks.2')


@pytest.mark.parametrize('name', ['swin_tiny_patch4_window7_224', 'mixer_s32_224'])
def test_of_other_layouts(name):
    timm = pytest.importorskip('timm')
    options = dict(depths=(1, 1, 1, 1)) if 'swin' in name else {}
    model = timm.create_model(name, num_classes=5, **options).eval()
    nn.init.normal_(model.get_classifier().weight)  # zeros in timm's Mixers
    found = grad_cam(model, torch.randn(1, 3, 224, 224))
    assert found.maps.shape == (1, 7, 7)


def test_of_the_quick_starts_models():
    init_default_scope('mmpretrain')
    model = MODELS.build(student_config(load_model_config('quickstart/convnest-mini_digits-5shot.py')).model).eval()
    found = grad_cam(model, images(32))
    assert found.maps.shape == (3, 2, 2)  # the last stage


def test_maps_are_brought_to_the_images():
    maps = torch.tensor([[[0., 2.], [4., 8.]], [[0., 0.], [0., 0.]], [[1., 1.], [1., 1.]]])
    large = upsampled(maps, 8)
    assert large.shape == (3, 8, 8) and large[0].max() == 1 and not large[1].any() and (large[2] == 1).all()
    assert upsampled(maps, (4, 6)).shape == (3, 4, 6)


def test_what_a_user_can_mend(monkeypatch):
    net = Net().eval()
    with pytest.raises(UserError, match='a model of 4 classes expects classes from 0 to 3, got 9'):
        grad_cam(net, images(), 'body', torch.tensor([0, 9, 1]))
    with pytest.raises(UserError, match=r"got 'fc', which reads \(3, 4\)"):
        grad_cam(net, images(), 'fc')
    with pytest.raises(UserError, match='expects a tap without @all'):
        grad_cam(net, images(), 'body@all')
    with pytest.raises(UserError, match=r'expects classifiers with logits \(N, classes\)'):
        grad_cam(nn.Sequential(nn.Conv2d(3, 2, 1)).eval(), images(), '0')
    monkeypatch.setitem(sys.modules, 'captum.attr', None)
    with pytest.raises(UserError, match='pip install captum'):
        grad_cam(net, images(), 'body')
