"""The decomposed large kernel is the sum of three normalised convolutions."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmkd.layers import DecomposedLargeKernel, LargeKernelConv2d
from mmkd.utils import UserError


def test_sums_three_normalised_branches():
    torch.manual_seed(0)
    layer = DecomposedLargeKernel(4, 13, 5).double().eval()
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
    layer = DecomposedLargeKernel(4, 7, 3, dict(type='SyncBN', eps=1e-3))
    norms = [module for module in layer.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert len(norms) == 3 and norms[0].eps == 1e-3


def test_convolutions_are_ordinary_modules():
    conv = LargeKernelConv2d(4, (3, 7))
    assert isinstance(conv, nn.Conv2d) and conv.bias.shape == (4,)
    x = torch.randn(1, 4, 6, 6)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=(1, 3), groups=4))


@pytest.mark.parametrize('sizes', [(12, 5), (13, 4), (5, 5), (3, 5)])
def test_wrong_sizes_are_named(sizes):
    with pytest.raises(UserError, match=f'kernel_size={sizes[0]} and small_kernel={sizes[1]}'):
        DecomposedLargeKernel(4, *sizes)
