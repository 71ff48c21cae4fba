"""The Triton kernels on a GPU: right in all types, in autocast, compiled, in a model, and told what failed."""
import pytest
import torch
from torch import nn

from mmkd.backbones import ConvNeSt, SLaK
from mmkd.benchmarks.gpu_report.correctness import compare
from mmkd.benchmarks.gpu_report.settings import Layer
from mmkd.ops import large_kernel_depthwise_branches, use_implementation
from mmkd.ops.depthwise import choice
from mmkd.ops.depthwise.blocks import Blocks, use_blocks

pytestmark = pytest.mark.gpu
SMALL = dict(depths=(1, 1, 1, 1), channels=(16, 24, 32, 40))


@pytest.mark.parametrize('dtype', ['fp32', 'bf16', 'fp16'])
@pytest.mark.parametrize(('maps', 'size'), [((3, 5, 56, 56), 51), ((2, 3, 20, 70), 31), ((2, 4, 75, 100), 51),
                                            ((9, 3, 7, 7), 13), ((1, 1, 1, 5), 7)], ids=str)
def test_right_and_the_same_bits_twice(dtype, maps, size):
    row = compare(Layer('', maps, ((size, 5), (5, size), (5, 5)), dtype), 'cuda')
    assert row['right'], row


@pytest.mark.parametrize('precision', ['ieee', 'tf32x3'])
def test_float32_is_no_tf32(precision):
    with use_blocks(**{kind: Blocks(32, 2, 4, 2, precision=precision)
                       for kind in ('convolve', 'input_gradient', 'weight_gradient')}):
        row = compare(Layer('', (3, 4, 28, 28), ((49, 5), (5, 49), (5, 5)), 'fp32'), 'cuda')
    assert row['right'] and row['worst'] < 1e-5, row


@pytest.mark.parametrize('backbone', [SLaK, ConvNeSt])
def test_a_backbone_trains_as_with_conv2d(backbone):
    torch.manual_seed(0)
    model = backbone(arch=SMALL).cuda().train()
    images = torch.randn(4, 3, 96, 96, device='cuda')
    found = []
    for name in ('plain', 'fused'):
        with use_implementation(name):
            model.zero_grad()
            model(images)[-1].square().sum().backward()
            found.append([p.grad.clone() for p in model.parameters()])
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * other.abs().max().item())


def test_autocast_and_compiled():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.ParameterList(torch.randn(8, 1, *size) / 10 for size in ((31, 5), (5, 31)))

        def forward(self, x):
            return sum(large_kernel_depthwise_branches(x.relu(), list(self.weights)))

    block, x = Block().cuda(), torch.randn(2, 8, 28, 28, device='cuda')
    with torch.autocast('cuda', torch.bfloat16):
        eager, compiled = block(x), torch.compile(block, fullgraph=True)(x)
    assert eager.dtype == compiled.dtype == torch.bfloat16
    torch.testing.assert_close(eager, compiled)


def test_a_kernel_that_does_not_fit_is_told_and_another_one_runs(monkeypatch):
    monkeypatch.setattr(choice, '_broken', [])
    x, weights = torch.randn(2, 4, 56, 56, device='cuda'), [torch.randn(4, 1, 5, 51, device='cuda')]
    want, = large_kernel_depthwise_branches(x, weights)
    with use_blocks(convolve=Blocks(128, 16, 4, 4)), pytest.warns(UserWarning, match='Triton failed with'):
        got, = large_kernel_depthwise_branches(x, weights)
    choice._fitting.cache_clear()
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-3)
