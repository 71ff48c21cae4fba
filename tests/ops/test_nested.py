"""ConvNeSt's layers a few images at a time: the same numbers as one by one, and less that is kept."""
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from mmkd.ops.nested import Options, Weights, nested_convolution

# two tiles, the last a single image; one image a tile, whose kernels are taken in bands of rows; all in one
CASES = {'several': (5, 23, 22, 8), 'one': (2, 33, 32, 8), 'all': (3, 5, 4, 8)}


def random(*shape: int, scale: float = 1.) -> Tensor:
    return (torch.randn(shape) * scale).requires_grad_()


def weights_for(channels: int, width: int = 24) -> Weights:
    torch.manual_seed(0)
    return Weights(random(width, channels, scale=channels ** -.5), random(width), random(width), random(width),
                   random(width, 1, 7, 7, scale=.2), random(width), random(channels, width, scale=.2),
                   random(channels))


def layer_by_layer(x: Tensor, weights: Weights, dual: bool) -> Tensor:
    hidden = F.gelu(F.linear(x, weights.first, weights.first_bias))
    normed = F.layer_norm(hidden, hidden.shape[-1:], weights.norm, weights.norm_bias, 1e-6).permute(0, 3, 1, 2)
    mixed = F.conv2d(normed, weights.kernel, weights.kernel_bias, padding=3, groups=len(weights.kernel))
    mixed = mixed.permute(0, 2, 3, 1)
    return F.linear(F.gelu(hidden + mixed if dual else mixed), weights.last, weights.last_bias)


def error(found: Tensor, exact: Tensor) -> float:
    return ((found.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize('dual', [True, False])
@pytest.mark.parametrize('case', CASES)
def test_values_and_gradients(case, dual):
    shape = CASES[case]
    weights, x, grad = weights_for(shape[-1]), random(*shape), torch.randn(shape)
    out = nested_convolution(x, weights, Options(1e-6, dual))
    found = out, *torch.autograd.grad(out, (x, *weights), grad)
    doubles = [tensor.detach().double().requires_grad_() for tensor in (x, *weights)]
    exact = layer_by_layer(doubles[0], Weights(*doubles[1:]), dual)
    exact = exact, *torch.autograd.grad(exact, doubles, grad.double())
    assert all(error(one, other) < 1e-5 for one, other in zip(found, exact, strict=True))
    with torch.no_grad():
        assert torch.equal(nested_convolution(x, weights, Options(1e-6, dual)), out)


@pytest.mark.parametrize('strided', [False, True])
def test_only_what_is_asked_for(strided):
    """Frozen weights, a frozen input, and maps and gradients of other layouts."""
    weights = weights_for(8)
    x = torch.randn(2, 8, 5, 6).permute(0, 2, 3, 1) if strided else torch.randn(2, 5, 6, 8)
    grad = torch.randn(1).expand(2, 5, 6, 8)
    options = Options(1e-6, True)
    whole = torch.autograd.grad(nested_convolution(x.requires_grad_(), weights, options), (x, *weights), grad)
    frozen = Weights(*(weight.detach() for weight in weights))
    torch.testing.assert_close(torch.autograd.grad(nested_convolution(x, frozen, options), x, grad)[0], whole[0])
    nested_convolution(x.detach(), weights, options).backward(grad)
    for weight, expected in zip(weights, whole[1:]):
        torch.testing.assert_close(weight.grad, expected)


def kept_numbers(run) -> int:
    """Numbers kept for the backward pass, each storage counted once."""
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        held = run()  # alive until all storages are counted
    del held
    return sum(kept.values())


def test_keeps_two_wide_maps():
    weights, x = weights_for(8, 96), random(2, 6, 6, 8)
    rest = x.numel() + sum(weight.numel() for weight in weights)
    wide = x.numel() * 12
    assert kept_numbers(lambda: nested_convolution(x, weights, Options(1e-6, True))) <= rest + 2 * wide
    assert kept_numbers(lambda: layer_by_layer(x, weights, True)) >= 5 * wide


def test_copies_no_layout():
    """Maps go into the convolution as they lie in memory."""
    weights, x = weights_for(8), torch.randn(2, 6, 6, 8)
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as record:
        nested_convolution(x, weights, Options(1e-6, True))
    assert not {event.key for event in record.key_averages()} & {'aten::clone', 'aten::contiguous'}


def test_cannot_be_differentiated_twice():
    weights, x = weights_for(8), random(1, 5, 5, 8)
    out = nested_convolution(x, weights, Options(1e-6, True))
    grad, = torch.autograd.grad(out.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()


def test_a_weight_changed_in_between_is_noticed():
    weights, x = weights_for(8), random(1, 5, 5, 8)
    out = nested_convolution(x, weights, Options(1e-6, True))
    with torch.no_grad():
        nn.init.zeros_(weights.last)
    with pytest.raises(RuntimeError, match='modified by an inplace operation'):
        out.sum().backward()
