"""The large depthwise convolution equals the plain one: all implementations, layouts, types and sizes."""
import sys
import warnings
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmkd.ops import large_kernel_depthwise_branches, large_kernel_depthwise_conv2d, use_implementation
from mmkd.ops.depthwise import choice, matrix, plain
from mmkd.ops.depthwise.operators import depthwise_convolve
from mmkd.utils import UserError

try:
    import triton  # noqa: F401
except ImportError:
    TRITON = False
else:
    TRITON = True
# Without a GPU the suite runs Triton's kernels in its interpreter (tests/conftest.py).
DEVICES = dict(plain='cpu', matrix='cpu', fused='cuda' if torch.cuda.is_available() else 'cpu')
IMPLEMENTATIONS = ['plain', 'matrix', pytest.param('fused', marks=pytest.mark.skipif(not TRITON, reason='no Triton'))]


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request):
    with use_implementation(request.param):
        yield request.param


def naive(x, weight):
    """Sums shifted maps, one for each tap."""
    rows, columns = weight.shape[2:]
    height, width = x.shape[2:]
    padded = F.pad(x, (columns // 2, columns // 2, rows // 2, rows // 2))
    return sum(weight[:, 0, i, j][:, None, None] * padded[:, :, i:i + height, j:j + width]
               for i in range(rows) for j in range(columns))


def conv2d(x, weight, bias=None):
    return F.conv2d(x, weight, bias, padding=[size // 2 for size in weight.shape[2:]], groups=len(weight))


def results(function, x, weights, bias):
    """Outputs, then the gradients of a fixed weighted sum of them."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, *weights, bias)]
    outs = function(leaves[0], leaves[1:-1], leaves[-1])
    generator = torch.Generator().manual_seed(1)
    seeds = [torch.randn(out.shape, generator=generator).to(out) for out in outs]
    return [*outs, *torch.autograd.grad(outs, leaves, seeds)]


def several(x, weights, bias):
    return [conv2d(x, weight, None if index else bias) for index, weight in enumerate(weights)]


@pytest.mark.parametrize('name', ['plain', 'matrix'])
@pytest.mark.parametrize('kernel', [(5, 13), (13, 5), (5, 5), (1, 7), (31, 3)])
@pytest.mark.parametrize('size', [(9, 9), (4, 17), (2, 3), (1, 1)])
def test_equals_a_sum_of_shifted_maps(name, kernel, size):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, *size, dtype=torch.double), torch.randn(3, 1, *kernel, dtype=torch.double)
    bias = torch.randn(3, dtype=torch.double)
    with use_implementation(name):
        got = results(lambda x, w, b: [large_kernel_depthwise_conv2d(x, w[0], b)], x, [weight], bias)
    want = results(lambda x, w, b: [naive(x, w[0]) + b[:, None, None]], x, [weight], bias)
    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize('kernels', [[(5, 51), (51, 5), (5, 5)], [(7, 7)], [(21, 21)], [(3, 127), (127, 3)],
                                     [(3, 9), (9, 3), (3, 3), (1, 1)]], ids=str)
@pytest.mark.parametrize('size', [(56, 56), (7, 7), (20, 70)], ids=str)
def test_branches_are_those_of_float64(implementation, kernels, size):
    torch.manual_seed(0)
    device = DEVICES[implementation]
    interpreted = implementation == 'fused' and device == 'cpu' and size != (7, 7)  # slow, and in all planes alike
    images, channels = (2, 1) if interpreted else (3, 2)
    x, bias = torch.randn(images, channels, *size, device=device), torch.randn(channels, device=device)
    weights = [torch.randn(channels, 1, *kernel, device=device) for kernel in kernels]
    got = results(large_kernel_depthwise_branches, x, weights, bias)
    want = results(several, x.double(), [weight.double() for weight in weights], bias.double())
    for mine, theirs in zip(got, want, strict=True):
        assert mine.dtype == torch.float32 and mine.shape == theirs.shape
        assert (mine - theirs).norm() <= 1e-5 * theirs.norm()


# Triton's interpreter keeps bfloat16 as integers, and multiplies these: only a GPU can run that.
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_no_worse_than_conv2d(implementation, dtype):
    device = DEVICES[implementation]
    if implementation == 'fused' and dtype == torch.bfloat16 and device == 'cpu':
        pytest.skip("Triton's interpreter multiplies bfloat16's bits as integers; needs a GPU")
    torch.manual_seed(0)
    x, bias = torch.randn(4, 3, 20, 24, device=device).to(dtype), torch.randn(3, device=device).to(dtype)
    weights = [torch.randn(3, 1, *kernel, device=device).to(dtype) for kernel in ((5, 31), (31, 5), (5, 5))]
    got = results(large_kernel_depthwise_branches, x, weights, bias)
    pytorch = results(several, x, weights, bias)
    want = results(several, x.double(), [weight.double() for weight in weights], bias.double())
    for mine, theirs, exact in zip(got, pytorch, want, strict=True):
        assert mine.dtype == dtype
        rounding = (exact.to(dtype).double() - exact).norm()  # no result of this type can be closer
        assert (mine.double() - exact).norm() <= max((theirs.double() - exact).norm(), 1.01 * rounding)


@pytest.mark.parametrize('name', ['plain', 'matrix'])
@pytest.mark.parametrize(('kernel', 'size'), [((3, 3), (5, 4)), ((1, 15), (3, 6)), ((13, 3), (30, 2))])
def test_gradcheck(name, kernel, size):
    torch.manual_seed(0)
    inputs = [torch.randn(2, 2, *size, dtype=torch.double, requires_grad=True),
              torch.randn(2, 1, *kernel, dtype=torch.double, requires_grad=True),
              torch.randn(2, dtype=torch.double, requires_grad=True)]
    with use_implementation(name):
        assert torch.autograd.gradcheck(large_kernel_depthwise_conv2d, inputs)
        assert torch.autograd.gradcheck(large_kernel_depthwise_conv2d, inputs[:2])


@pytest.mark.parametrize('at_once', [1, 4, 10])
@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_weight_gradients_some_images_at_once(at_once, layout, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(plain, 'CACHED_NUMBERS', at_once * 3 * 9 * 8)
    x, grad = (torch.randn(10, 3, 9, 8, dtype=torch.double).contiguous(memory_format=layout) for _ in range(2))
    weight = torch.randn(3, 1, 7, 13, dtype=torch.double, requires_grad=True)
    got, = plain.weight_gradients(x, [grad], [(7, 13)])
    want, = torch.autograd.grad(conv2d(x, weight), weight, grad)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_layout_on_the_cpu(layout):
    x = torch.randn(2, 8, 22, 20).contiguous(memory_format=layout)
    weight = torch.randn(8, 1, 5, 9)
    wide, tall = large_kernel_depthwise_conv2d(x, weight), large_kernel_depthwise_conv2d(x, weight.transpose(2, 3))
    assert wide.is_contiguous(memory_format=torch.channels_last)
    assert tall.is_contiguous(memory_format=layout)
    torch.testing.assert_close(wide, conv2d(x, weight), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tall, conv2d(x, weight.transpose(2, 3)), rtol=1e-4, atol=1e-5)
    small = large_kernel_depthwise_conv2d(x[:, :, :, :9].contiguous(), weight.transpose(2, 3))
    assert small.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(('maps', 'kernel', 'dtype', 'onednn', 'picked'), [
    ((4, 8, 56, 56), (5, 51), torch.float32, True, ('plain', 'matrix')),
    ((1, 8, 56, 56), (5, 51), torch.float32, True, ('plain', 'plain')),
    ((4, 8, 7, 7), (13, 5), torch.float32, True, ('plain', 'plain')),
    ((4, 8, 56, 56), (7, 7), torch.float32, True, ('plain', 'plain')),
    ((4, 8, 7, 7), (7, 7), torch.float64, True, ('matrix', 'matrix')),
    ((4, 8, 7, 7), (7, 7), torch.float32, False, ('matrix', 'matrix')),
])
def test_the_table_picks_for_the_cpu(maps, kernel, dtype, onednn, picked):
    modules = [choice._fitting(table, None, 'cpu', (0, 0), dtype, torch.Size(maps), onednn, kernel).module
               for table in (choice.CONVOLVE, choice.WEIGHT_GRADIENTS)]
    assert tuple(module.__name__.rpartition('.')[2] for module in modules) == picked


def test_the_table_sees_whether_onednn_is_on():
    with torch.backends.mkldnn.flags(enabled=False):
        assert choice.choose(choice.CONVOLVE, torch.empty(4, 8, 7, 7), [(7, 7)]).module.__name__.endswith('.matrix')


def test_the_table_sees_the_taps_that_meet_the_map():
    for table in (choice.CONVOLVE, choice.WEIGHT_GRADIENTS):  # 9×9 on 3×3 maps: 5×5
        chosen = choice._fitting(table, None, 'cuda', (9, 0), torch.float64, torch.Size((4, 8, 3, 3)), True, (9, 9))
        assert chosen.module.__name__.endswith('.matrix')


@pytest.mark.parametrize(('capability', 'maps', 'kernel', 'dtype', 'picked'), [
    ((9, 0), (64, 124, 56, 56), (51, 5), torch.bfloat16, 'fused'),
    ((9, 0), (64, 998, 7, 7), (13, 5), torch.bfloat16, 'fused'),
    ((9, 0), (64, 998, 7, 7), (13, 5), torch.float32, 'plain'),
    ((9, 0), (64, 4608, 7, 7), (7, 7), torch.bfloat16, 'plain'),
    ((8, 0), (64, 4608, 7, 7), (7, 7), torch.bfloat16, 'fused'),
])
@pytest.mark.skipif(not TRITON, reason='no Triton')
def test_the_table_picks_for_a_gpu_by_its_compute_capability(capability, maps, kernel, dtype, picked):
    for table in (choice.CONVOLVE, choice.WEIGHT_GRADIENTS):
        chosen = choice._fitting(table, None, 'cuda', capability, dtype, torch.Size(maps), True, kernel)
        assert chosen.module.__name__.endswith(f'.{picked}')


def test_the_environment_overrides_the_table(monkeypatch):
    x, sizes = torch.empty(4, 8, 9, 9), [(7, 7)]
    monkeypatch.setenv(choice.VARIABLE, 'matrix')
    assert choice.choose(choice.CONVOLVE, x, sizes).module.__name__.endswith('.matrix')
    with use_implementation('plain'):  # what the program says goes before
        assert choice.choose(choice.CONVOLVE, x, sizes).module.__name__.endswith('.plain')
    monkeypatch.setenv(choice.VARIABLE, 'matrices')
    with pytest.raises(UserError, match=f'{choice.VARIABLE} .* expects one of plain, matrix, fused, got .matrices'):
        choice.choose(choice.CONVOLVE, x, sizes)


def test_what_is_no_failure_of_triton_is_not_swallowed(monkeypatch):
    if not TRITON:
        pytest.skip('no Triton')
    fused = import_module('mmkd.ops.depthwise.fused')

    def broken(*args):
        raise TypeError('a fault of ours')

    monkeypatch.setattr(fused, 'convolve', broken)
    with use_implementation('fused'), pytest.raises(TypeError, match='a fault of ours'):
        large_kernel_depthwise_conv2d(torch.randn(1, 2, 8, 8), torch.randn(2, 1, 3, 9))
    assert not choice._broken


@pytest.mark.parametrize(('name', 'images', 'paddings'), [
    # (left, right, top, bottom) of kernels 5×51, 51×5, 31×31 and 5×13
    ('plain', 4, ((-18, -18, 0, 0), None, (-8, -8, -9, -9), (1, 1, 0, 0))),
    ('plain', 1, ((-18, -18, 0, 0), None, (-8, -8, -9, -9), None)),
    ('matrix', 4, ((-19, -19, 0, 0), (0, 0, -19, -19), (-9, -9, -9, -9), None)),
])
def test_kernels_are_cut_and_widened_where_it_pays(name, images, paddings):
    x = torch.randn(images, 2, 7, 7, dtype=torch.double)
    weights = [torch.randn(2, 1, *size, dtype=torch.double) for size in ((5, 51), (51, 5), (31, 31), (5, 13))]
    with use_implementation(name):
        assert choice.choose(choice.CONVOLVE, x, [weight.shape for weight in weights]).paddings == paddings
        for got, weight in zip(large_kernel_depthwise_branches(x, weights), weights, strict=True):
            torch.testing.assert_close(got, conv2d(x, weight))


@pytest.mark.parametrize('numbers', [1, 2**22])
def test_matrix_products_some_channels_at_once(numbers, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(matrix, 'WINDOW_NUMBERS', numbers)
    x, weight = torch.randn(2, 5, 9, 8, dtype=torch.double), torch.randn(5, 1, 7, 13, dtype=torch.double)
    got, = matrix.convolve(x, [weight])
    torch.testing.assert_close(got, conv2d(x, weight))


@pytest.mark.parametrize(('input_shape', 'weight_shape', 'bias_shape', 'words'), [
    ((2, 4, 8, 8), (5, 1, 3, 3), None, ['(2, 4, 8, 8)', '(5, 1, 3, 3)', 'input channels']),
    ((2, 4, 8, 8), (4, 1, 4, 3), None, ['(2, 4, 8, 8)', '(4, 1, 4, 3)', 'odd']),
    ((2, 4, 8, 8), (4, 1, 3, 6), None, ['(4, 1, 3, 6)', 'odd']),
    ((2, 4, 8, 8), (4, 4, 3, 3), None, ['(4, 4, 3, 3)', '(C, 1, kh, kw)']),
    ((4, 8, 8), (4, 1, 3, 3), None, ['(4, 8, 8)', '(4, 1, 3, 3)']),
    ((2, 4, 8, 8), (4, 1, 3, 3), (3,), ['(3,)', '(4,)']),
    ((2, 4, 8, 8), (4, 1, 129, 3), None, ['(2, 4, 8, 8)', '(4, 1, 129, 3)', '127']),
])
def test_wrong_shapes_are_named(input_shape, weight_shape, bias_shape, words):
    bias = None if bias_shape is None else torch.zeros(bias_shape)
    with pytest.raises(UserError) as error:
        large_kernel_depthwise_conv2d(torch.zeros(input_shape), torch.zeros(weight_shape), bias)
    assert all(word in str(error.value) for word in words), error.value


def test_mixed_types_are_named():
    with pytest.raises(UserError, match=r'bfloat16, torch.float32.*\(1, 4, 8, 8\).*\(4, 1, 3, 3\)'):
        large_kernel_depthwise_conv2d(torch.zeros(1, 4, 8, 8).bfloat16(), torch.zeros(4, 1, 3, 3))


def test_unknown_implementation():
    with pytest.raises(UserError, match='matrix'), use_implementation('matrices'):
        pass


@pytest.mark.parametrize('maps', [(0, 3, 8, 8), (2, 3, 1, 1), (1, 1, 1, 5)], ids=str)
def test_empty_batches_and_tiny_maps(implementation, maps):
    device = DEVICES[implementation]
    x, bias = torch.randn(maps, device=device), torch.randn(maps[1], device=device)
    weight = torch.randn(maps[1], 1, 5, 51, device=device)
    got = results(large_kernel_depthwise_branches, x, [weight], bias)
    for mine, theirs in zip(got, results(several, x, [weight], bias), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_gradient_of_the_weight_alone_and_of_an_expanded_sum():
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(3, 1, 7, 7, requires_grad=True)
    large_kernel_depthwise_conv2d(x, weight).sum().backward()  # the gradient of a sum has no memory of its own
    want, = torch.autograd.grad(conv2d(x, weight).sum(), weight)
    torch.testing.assert_close(weight.grad, want, rtol=1e-4, atol=1e-4)


def test_autocast():
    x, weight = torch.randn(2, 3, 8, 8), torch.randn(3, 1, 7, 7, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        out = large_kernel_depthwise_conv2d(x, weight)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert weight.grad.dtype == torch.float32


def test_meta_tensors():
    x = torch.empty(2, 3, 8, 8, device='meta', requires_grad=True)
    weight = torch.empty(3, 1, 5, 13, device='meta', requires_grad=True)
    large_kernel_depthwise_conv2d(x, weight).sum().backward()
    assert x.grad.is_meta and weight.grad.shape == (3, 1, 5, 13)


def test_the_same_in_each_run(implementation):
    x = torch.randn(3, 2, 20, 24, device=DEVICES[implementation])
    weights = [torch.randn(2, 1, *kernel).to(x) for kernel in ((5, 31), (31, 5))]
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (results(large_kernel_depthwise_branches, x, weights, x.new_zeros(2)) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_operator_registration(layout):
    x = torch.randn(2, 3, 9, 8).contiguous(memory_format=layout).requires_grad_()
    weights = [torch.randn(3, 1, *kernel, requires_grad=True) for kernel in ((5, 11), (11, 5))]
    torch.library.opcheck(depthwise_convolve, (x, weights, torch.randn(3, requires_grad=True)))
    torch.library.opcheck(depthwise_convolve, (x, weights[1:], None))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 1, 5, 31))

    def forward(self, x):
        return large_kernel_depthwise_conv2d(x.relu(), self.weight) + x


def test_compiles_without_graph_breaks():
    torch.manual_seed(0)
    block, x = Block(), torch.randn(2, 3, 20, 18)
    compiled = torch.compile(block, fullgraph=True, backend='aot_eager')
    torch.testing.assert_close(compiled(x), block(x))
    got, = torch.autograd.grad(compiled(x).square().sum(), block.weight)
    want, = torch.autograd.grad(block(x).square().sum(), block.weight)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_exports_a_plain_convolution_for_all_sizes():
    block, size = Block().eval(), torch.export.Dim('size', min=8, max=64)
    exported = torch.export.export(block, (torch.randn(2, 3, 20, 20),), dynamic_shapes=({2: size},))
    targets = [str(node.target) for node in exported.graph.nodes]
    assert any('conv2d' in target for target in targets) and not any('mmkd' in target for target in targets)
    for side in (9, 40):  # at 9 most taps of the 31 only meet padding
        x = torch.randn(2, 3, side, 20)
        torch.testing.assert_close(exported.module()(x), block(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('dynamo', [False, True], ids=['traced', 'exported'])
def test_exports_a_conv_to_onnx(dynamo, tmp_path):
    onnx, reference = pytest.importorskip('onnx'), pytest.importorskip('onnx.reference')
    sizes = dict(input_names=['x'], dynamic_axes=dict(x={0: 'batch', 2: 'height'}), opset_version=17)
    if dynamo:
        pytest.importorskip('onnxscript', reason='the exporter of PyTorch 2.4 takes no onnxscript of today')
        sizes = dict(dynamic_shapes=({0: torch.export.Dim('batch', max=8), 2: torch.export.Dim('height', max=64)},))
    block, file = Block().eval(), tmp_path / 'block.onnx'
    torch.onnx.export(block, (torch.randn(2, 3, 20, 18),), str(file), dynamo=dynamo, **sizes)
    model = onnx.load(str(file))
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node].count('Conv') == 1
    for batch, height in ((1, 9), (3, 40)):  # at 9 most taps of the 31 only meet padding
        x = torch.randn(batch, 3, height, 18)
        got, = reference.ReferenceEvaluator(model).run(None, {model.graph.input[0].name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(got), block(x), rtol=1e-4, atol=1e-4)


def test_traces_a_plain_convolution():
    block, x = Block().eval(), torch.randn(1, 3, 12, 12)
    with warnings.catch_warnings():
        warnings.simplefilter('error', torch.jit.TracerWarning)
        traced = torch.jit.trace(block, x)
    assert 'aten::_convolution' in str(traced.inlined_graph)
    torch.testing.assert_close(traced(x), block(x), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not TRITON, reason='no Triton')
def test_without_a_working_triton_one_warning_and_the_next_best(monkeypatch):
    fused = import_module('mmkd.ops.depthwise.fused')

    def broken(*args):
        raise RuntimeError('PTXAS error')

    for name in ('convolve', 'input_gradient', 'weight_gradients'):
        monkeypatch.setattr(fused, name, broken)
    monkeypatch.setattr(choice, '_broken', [])
    for table in ('CONVOLVE', 'WEIGHT_GRADIENTS'):
        lines = choice.Table((choice.Line('any', lambda work: choice.triton_works(), 'fused'),
                              choice.Line('any', lambda work: True, 'matrix')))
        monkeypatch.setattr(f'mmkd.ops.depthwise.operators.{table}', lines)
    x, weights, bias = torch.randn(2, 3, 9, 9), [torch.randn(3, 1, 3, 9)], torch.randn(3)
    with pytest.warns(UserWarning, match='PTXAS error') as seen:
        got = results(large_kernel_depthwise_branches, x, weights, bias)
        results(large_kernel_depthwise_branches, x, weights, bias)
    assert len(seen) == 1
    for mine, theirs in zip(got, results(several, x, weights, bias), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_without_triton(monkeypatch):
    monkeypatch.setattr(choice, '_broken', [])
    monkeypatch.setitem(sys.modules, 'triton', None)
    choice._triton_is_there.cache_clear()
    with pytest.warns(UserWarning, match='matrix products'):
        assert not choice.triton_works()
    choice._triton_is_there.cache_clear()
