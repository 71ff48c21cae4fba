"""What the hierarchical ConvNets share."""
import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from mmkd.layers import HierarchicalConvNet, LayerNorm2d, resolve_arch
from mmkd.layers.convnet import ConvNetBlock, StatisticsKept
from mmkd.utils import UserError


def net(depths=(1, 1, 1), channels=(4, 8, 12), **kwargs) -> HierarchicalConvNet:
    return HierarchicalConvNet(depths, channels, lambda stage, width, rate: nn.Identity(), **kwargs)


def test_layer_norm_is_over_channels():
    torch.manual_seed(0)
    norm = LayerNorm2d(6).double()
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    x = torch.randn(2, 6, 3, 5, dtype=torch.double)
    mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    want = (x - mean) / (var + 1e-6).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
    out = norm(x)
    torch.testing.assert_close(out, want)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_drop_path_rates_grow_linearly():
    rates = []
    HierarchicalConvNet((2, 3), (4, 8), lambda stage, width, rate: rates.append((stage, width, rate)) or nn.Identity(),
                        drop_path_rate=0.4)
    assert [rate[:2] for rate in rates] == [(0, 4)] * 2 + [(1, 8)] * 3
    assert [rate[2] for rate in rates] == pytest.approx([0, .1, .2, .3, .4])


@pytest.mark.parametrize(('out_indices', 'stages'), [(-1, (2,)), (0, (0,)), ([0, 2], (0, 2)), ((-1, 0, 1), (0, 1, 2))])
@pytest.mark.parametrize('gap', [True, False])
def test_outputs(out_indices, stages, gap):
    model = net(out_indices=out_indices, gap_before_final_norm=gap, in_channels=1)
    outs = model(torch.randn(2, 1, 32, 48))
    sizes = [(8, 12), (4, 6), (2, 3)]
    want = [(2, model.channels[stage], *(() if gap else sizes[stage])) for stage in stages]
    assert isinstance(outs, tuple) and [tuple(out.shape) for out in outs] == want
    assert [name for name, _ in model.named_children() if name.startswith('norm')] == [f'norm{i}' for i in stages]


def test_pooling_comes_before_the_norm():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 16, 16)
    pooled, maps = net(), net(gap_before_final_norm=False)
    maps.load_state_dict(pooled.state_dict())
    maps.norm2 = nn.Identity()
    torch.testing.assert_close(pooled(x)[0], pooled.norm2(maps(x)[0].mean((2, 3), keepdim=True)).flatten(1))


def test_initialisation():
    torch.manual_seed(0)
    model = net((1,), (512,))
    model.init_weights()
    weight = model.downsample_layers[0][0].weight
    assert weight.std().item() == pytest.approx(.02, rel=.05)
    assert not model.downsample_layers[0][0].bias.any()


@pytest.mark.parametrize('depths', [(2, 2, 9, 2), (3, 3, 14, 3), (3, 3, 27, 3), (3, 3, 6, 3)])
def test_layer_depth_is_that_of_convnext(depths):
    convnext = pytest.importorskip('mmpretrain.models').ConvNeXt
    theirs = convnext(dict(depths=depths, channels=(4, 4, 4, 4)), out_indices=(0, 1, 2, 3))
    mine = HierarchicalConvNet(depths, (4, 4, 4, 4), lambda stage, width, rate: nn.Linear(1, 1),
                               out_indices=(0, 1, 2, 3))
    names = [f'backbone.{name}' for name, _ in mine.named_parameters()] + ['head.fc.weight']
    for name in names:
        assert mine.get_layer_depth(name, 'backbone.') == theirs.get_layer_depth(name, 'backbone.'), name


@pytest.mark.parametrize('depths', [(2, 9, 2), (2, 2), (3,), (2, 2, 2, 12, 2)])
def test_layer_depth_of_any_number_of_stages(depths):
    model = HierarchicalConvNet(depths, (4,) * len(depths), lambda stage, width, rate: nn.Linear(1, 1))
    layers, counts = zip(*(model.get_layer_depth(name) for name, _ in model.named_parameters()))
    total, = set(counts)
    assert min(layers) == 0 and max(layers) == total - 1
    blocks = [model.get_layer_depth(f'stages.{stage}.{block}.weight')[0]
              for stage, depth in enumerate(depths) for block in range(depth)]
    assert blocks == sorted(blocks)


def test_layer_depth_of_one_stage_is_that_of_a_vit():
    model = HierarchicalConvNet((13,), (4,), lambda stage, width, rate: nn.Linear(1, 1))
    names = ['downsample_layers.0.0.weight', *(f'stages.0.{block}.weight' for block in range(13)), 'norm0.weight']
    assert [model.get_layer_depth(name) for name in names] == [(layer, 15) for layer in range(15)]


def test_images_smaller_than_the_stride():
    model = net()
    with pytest.raises(UserError, match=r'at least 16x16.*got \(1, 3, 15, 64\)'):
        model(torch.zeros(1, 3, 15, 64))
    model(torch.zeros(1, 3, 16, 17))


@pytest.mark.parametrize(('kwargs', 'words'), [
    (dict(out_indices=3), 'from -3 to 2, got .3,.'),
    (dict(out_indices=(0, -4)), 'from -3 to 2'),
    (dict(out_indices=()), 'from -3 to 2'),
    (dict(frozen_stages=4), 'at most 3, the number of stages, got 4'),
])
def test_stages_that_do_not_exist(kwargs, words):
    with pytest.raises(UserError, match=words):
        net(**kwargs)


@pytest.mark.parametrize(('arch', 'words'), [
    ('tini', 'Did you mean tiny'),
    (dict(depths=(1, 2)), 'Add channels'),
    (dict(), 'Add depths, channels'),
    (dict(depths=(1, 2), channels=(4, 8, 16)), 'equally long'),
    (dict(depths=(), channels=()), 'one depth'),
    (7, 'a name or a dict'),
])
def test_wrong_archs(arch, words):
    with pytest.raises(UserError, match=words):
        resolve_arch(arch, {'tiny': {}, 'base': {}}, 'Net')


class MMCVNorm(nn.Module):
    """A norm that heeds what mmcv's synchronised one does, which needs a GPU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.momentum, self.track_running_stats = .1, True
        self.register_buffer('running_mean', torch.zeros(channels))
        self.register_buffer('num_batches_tracked', torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training or not self.track_running_stats):
            return x - self.running_mean[:, None, None]
        self.num_batches_tracked += int(self.track_running_stats)
        mean = x.mean((0, 2, 3))
        self.running_mean.lerp_(mean.detach(), self.momentum)
        return x - mean[:, None, None]


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('norm', [
    nn.BatchNorm2d(3), nn.BatchNorm2d(3, momentum=None), nn.BatchNorm2d(3, track_running_stats=False),
    nn.SyncBatchNorm(3), nn.SyncBatchNorm(3, momentum=None), nn.InstanceNorm2d(3, track_running_stats=True),
    nn.InstanceNorm2d(3), MMCVNorm(3), FrozenBatchNorm2d(3)], ids=repr)
def test_norms_compute_the_same_without_counting(norm, training):
    torch.manual_seed(0)
    model = nn.Sequential(copy.deepcopy(norm), nn.Conv2d(3, 3, 1))
    model(torch.randn(4, 3, 5, 5))
    model.train(training)
    x, settings = torch.randn(4, 3, 5, 5) + 1, repr(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with StatisticsKept(model):
        kept = model(x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(kept, model(x)) and repr(model) == settings
    changed = any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert changed == (training and getattr(norm, 'track_running_stats', False))


@pytest.mark.parametrize('norm', [
    nn.BatchNorm2d(3), nn.SyncBatchNorm(3), nn.InstanceNorm2d(3, track_running_stats=True)], ids=repr)
def test_checkpointing_saves_the_same_tensors_twice(norm):
    """PyTorch refuses a block that saves fewer when it is computed again."""
    class Block(ConvNetBlock):
        def _forward(self, x: Tensor) -> Tensor:
            return self.norm(x)

    block, x = Block(with_cp=True), torch.randn(4, 3, 5, 5, requires_grad=True)
    block.norm = copy.deepcopy(norm)
    loss = block(x).square().sum()
    first, = torch.autograd.grad(loss, x, retain_graph=True)  # as when the losses' gradients are measured
    loss.backward()
    assert torch.equal(first, x.grad) and x.grad.isfinite().all()
    plain = copy.deepcopy(norm)
    plain(x)
    assert all(torch.equal(a, b) for a, b in zip(block.norm.state_dict().values(), plain.state_dict().values()))
