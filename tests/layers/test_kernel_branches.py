"""The large kernel is a sum of normalised convolutions, and folds into fewer."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmkd.layers import LargeKernel, LargeKernelConv2d
from mmkd.utils import UserError


def test_sums_three_normalised_branches():
    torch.manual_seed(0)
    layer = LargeKernel(4, 13, 5).double().eval()
    x = torch.randn(2, 4, 10, 9, dtype=torch.double)
    want = 0
    for branch, kernel in ((layer.vertical, (13, 5)), (layer.horizontal, (5, 13)), (layer.small, (5, 5))):
        for value in (branch.bn.running_mean, branch.bn.weight.data, branch.bn.bias.data):
            value.normal_()
        branch.bn.running_var.uniform_(0.5, 2)
        assert branch.conv.bias is None and branch.conv.weight.shape == (4, 1, *kernel)
        out = F.conv2d(x, branch.conv.weight, padding=(kernel[0] // 2, kernel[1] // 2), groups=4)
        mean, std = branch.bn.running_mean[:, None, None], (branch.bn.running_var + branch.bn.eps).sqrt()[:, None, None]
        want = want + (out - mean) / std * branch.bn.weight[:, None, None] + branch.bn.bias[:, None, None]
    torch.testing.assert_close(layer(x), want)


def test_norm_is_configurable():
    layer = LargeKernel(4, 7, 3, norm_cfg=dict(type='SyncBN', eps=1e-3))
    norms = [module for module in layer.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert len(norms) == 3 and norms[0].eps == 1e-3


def test_convolutions_are_ordinary_modules():
    conv = LargeKernelConv2d(4, (3, 7))
    assert isinstance(conv, nn.Conv2d) and conv.bias.shape == (4,)
    x = torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=(1, 3), groups=4))


FORMS = [dict(), dict(small_branch=False), dict(norm_cfg=None), dict(decomposed=False),
         dict(decomposed=False, small_kernel=None), dict(decomposed=False, small_kernel=None, norm_cfg=None)]


def random_layer(**kwargs) -> LargeKernel:
    """A layer in eval mode, with batch norms that do something."""
    layer = LargeKernel(4, 13, **kwargs).eval()
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.running_mean, module.weight.data, module.bias.data):
                value.normal_()
            module.running_var.uniform_(0.5, 2)
    return layer


def branches(layer: LargeKernel) -> dict[str, tuple[int, int]]:
    return {name: branch.conv.kernel_size for name, branch in layer.named_children()}


@pytest.mark.parametrize(('kwargs', 'shapes'), zip(FORMS, [
    dict(vertical=(13, 5), horizontal=(5, 13), small=(5, 5)), dict(vertical=(13, 5), horizontal=(5, 13)),
    dict(vertical=(13, 5), horizontal=(5, 13), small=(5, 5)), dict(large=(13, 13), small=(5, 5)),
    dict(large=(13, 13)), dict(large=(13, 13))]))
def test_branches(kwargs, shapes):
    layer = random_layer(**kwargs)
    assert branches(layer) == shapes
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in layer.modules())
    assert norms == (0 if kwargs.get('norm_cfg', True) is None else len(shapes))


@pytest.mark.parametrize('kwargs', FORMS)
def test_deployed_layer_is_equal_and_smaller(kwargs):
    torch.manual_seed(0)
    layer, x = random_layer(**kwargs).double(), torch.randn(2, 4, 20, 9, dtype=torch.double)
    want, before = layer(x), sum(param[0].numel() for param in layer.parameters())
    layer.switch_to_deploy()
    torch.testing.assert_close(layer(x), want)
    assert sum(param[0].numel() for param in layer.parameters()) <= before + 1
    assert set(branches(layer)) <= {'vertical', 'horizontal', 'large'}
    assert not any(isinstance(module, nn.BatchNorm2d) or module.training for module in layer.modules())
    loaded = LargeKernel(4, 13, **kwargs, deploy=True).double()
    loaded.load_state_dict(layer.state_dict())
    torch.testing.assert_close(loaded(x), want)


def test_deploying_twice_changes_nothing():
    layer, x = random_layer(), torch.randn(1, 4, 8, 8)
    want = layer(x)
    layer.switch_to_deploy()
    layer.switch_to_deploy()
    torch.testing.assert_close(layer(x), want)


@pytest.mark.parametrize('decomposed', [True, False])
@pytest.mark.parametrize('sizes', [(12, 5), (13, 4), (5, 5), (3, 5)])
def test_wrong_sizes_are_named(sizes, decomposed):
    with pytest.raises(UserError, match=f'kernel_size={sizes[0]} and small_kernel={sizes[1]}'):
        LargeKernel(4, *sizes, decomposed=decomposed)


def test_stripes_need_a_short_side():
    with pytest.raises(UserError, match='expects a small_kernel, got None'):
        LargeKernel(4, 13, None)


@pytest.mark.parametrize('deploy', [False, True])
def test_one_pass_for_all_branches_computes_the_same(monkeypatch, deploy):
    torch.manual_seed(0)
    layer, x = LargeKernel(4, 13, 5, deploy=deploy).double(), torch.randn(2, 4, 10, 9, dtype=torch.double)
    found = []
    for in_one_pass in (False, True):
        monkeypatch.setattr(layer, '_in_one_pass', lambda x, answer=in_one_pass: answer)
        out = layer(x)
        found.append([out, *torch.autograd.grad(out.square().sum(), list(layer.parameters()))])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize('path', ['small.conv', 'small'])
@pytest.mark.parametrize('kind', ['register_forward_pre_hook', 'register_forward_hook'])
def test_hooks_of_branches_and_their_convolutions_are_called(path, kind):
    layer, x = LargeKernel(4, 13, 5), torch.empty(2, 4, 10, 9, device='meta')
    fake = type('CudaTensor', (), dict(device=torch.device('cuda')))()
    assert not layer._in_one_pass(x) and layer._in_one_pass(fake)
    getattr(layer.get_submodule(path), kind)(lambda *args: None)
    assert not layer._in_one_pass(fake)
