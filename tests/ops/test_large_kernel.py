"""The large depthwise convolution equals the plain one, in every layout and at every size."""
import pytest
import torch
from torch.nn import functional as F

from mmkd.ops.large_kernel import large_kernel_depthwise_conv2d
from mmkd.utils import UserError


def naive(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Sums shifted maps, one for each tap."""
    rows, columns = weight.shape[2:]
    height, width = x.shape[2:]
    padded = F.pad(x, (columns // 2, columns // 2, rows // 2, rows // 2))
    return sum(weight[:, 0, i, j][:, None, None] * padded[:, :, i:i + height, j:j + width]
               for i in range(rows) for j in range(columns))


@pytest.mark.parametrize('kernel', [(5, 13), (13, 5), (5, 5), (1, 7), (31, 3)])
@pytest.mark.parametrize('size', [(9, 9), (4, 17), (2, 3), (1, 1)])
def test_equals_a_sum_of_shifted_maps(kernel, size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.double, requires_grad=True)
    weight = torch.randn(3, 1, *kernel, dtype=torch.double, requires_grad=True)
    bias = torch.randn(3, dtype=torch.double, requires_grad=True)
    got = large_kernel_depthwise_conv2d(x, weight, bias)
    want = naive(x, weight) + bias[:, None, None]
    assert got.shape == x.shape
    torch.testing.assert_close(got, want)
    seed = torch.randn_like(got)
    for mine, theirs in zip(torch.autograd.grad(got, (x, weight, bias), seed),
                            torch.autograd.grad(want, (x, weight, bias), seed)):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_runs_in_channels_last_on_the_cpu(layout):
    x = torch.randn(2, 8, 12, 10).contiguous(memory_format=layout)
    weight = torch.randn(8, 1, 5, 9)
    out = large_kernel_depthwise_conv2d(x, weight)
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, F.conv2d(x, weight, padding=(2, 4), groups=8), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(('input_shape', 'weight_shape', 'bias_shape', 'words'), [
    ((2, 4, 8, 8), (5, 1, 3, 3), None, ['(2, 4, 8, 8)', '(5, 1, 3, 3)', 'input channels']),
    ((2, 4, 8, 8), (4, 1, 4, 3), None, ['(2, 4, 8, 8)', '(4, 1, 4, 3)', 'odd']),
    ((2, 4, 8, 8), (4, 1, 3, 6), None, ['(4, 1, 3, 6)', 'odd']),
    ((2, 4, 8, 8), (4, 4, 3, 3), None, ['(4, 4, 3, 3)', '(C, 1, kh, kw)']),
    ((4, 8, 8), (4, 1, 3, 3), None, ['(4, 8, 8)', '(4, 1, 3, 3)']),
    ((2, 4, 8, 8), (4, 1, 3, 3), (3,), ['(3,)', '(4,)']),
])
def test_wrong_shapes_are_named(input_shape, weight_shape, bias_shape, words):
    bias = None if bias_shape is None else torch.zeros(bias_shape)
    with pytest.raises(UserError) as error:
        large_kernel_depthwise_conv2d(torch.zeros(input_shape), torch.zeros(weight_shape), bias)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize(('kernel', 'size'), [((3, 3), (5, 4)), ((1, 15), (3, 6)), ((13, 3), (30, 2))])
def test_gradcheck(kernel, size, bias):
    torch.manual_seed(0)
    inputs = [torch.randn(2, 2, *size, dtype=torch.double, requires_grad=True),
              torch.randn(2, 1, *kernel, dtype=torch.double, requires_grad=True)]
    if bias:
        inputs.append(torch.randn(2, dtype=torch.double, requires_grad=True))
    assert torch.autograd.gradcheck(large_kernel_depthwise_conv2d, inputs)


@pytest.mark.parametrize('kernel', [(7, 7), (5, 51), (51, 5), (51, 51)])
@pytest.mark.parametrize('size', [(56, 56), (28, 28), (17, 40)])
def test_gradients_are_those_of_conv2d(kernel, size):
    torch.manual_seed(0)
    x = torch.randn(2, 4, *size).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight, bias = torch.randn(4, 1, *kernel, requires_grad=True), torch.randn(4, requires_grad=True)
    want = F.conv2d(x, weight, bias, padding=(kernel[0] // 2, kernel[1] // 2), groups=4)
    got, seed = large_kernel_depthwise_conv2d(x, weight, bias), torch.randn_like(want)
    for mine, theirs in zip(torch.autograd.grad(got, (x, weight, bias), seed),
                            torch.autograd.grad(want, (x, weight, bias), seed)):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item())


def test_gradient_of_the_weight_alone_and_of_an_expanded_sum():
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(3, 1, 7, 7, requires_grad=True)
    large_kernel_depthwise_conv2d(x, weight).sum().backward()  # the gradient of a sum has no memory of its own
    want, = torch.autograd.grad(F.conv2d(x, weight, padding=3, groups=3).sum(), weight)
    torch.testing.assert_close(weight.grad, want, rtol=1e-4, atol=1e-4)


def test_autocast():
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(3, 1, 7, 7, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        out = large_kernel_depthwise_conv2d(x, weight)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert weight.grad.dtype == torch.float32
