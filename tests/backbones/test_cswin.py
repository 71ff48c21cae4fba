"""CSWin: attention stripe by stripe, the paper's table, any image size, export, and what training needs."""
import math

import pytest
import torch
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from mmkd.analysis import count_complexity
from mmkd.backbones import CSWinTransformer
from mmkd.backbones.cswin import CrossShapedAttention, CSWinBlock
from mmkd.utils import UserError

from .test_convnest import gelu

SMALL = dict(depths=(1, 2, 1), channels=(4, 8, 8), heads=(2, 4, 2), stripe_widths=(1, 3))


def small(**kwargs) -> CSWinTransformer:
    return CSWinTransformer(SMALL, **kwargs)


class Classifier(nn.Sequential):
    """A backbone whose maps are pooled after the norm, and a linear head."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__(backbone, nn.Linear(backbone.channels[-1], 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self[1](self[0](x)[-1].mean((2, 3)))


def attend(qkv: Tensor, head_channels: int, conv: nn.Conv2d) -> Tensor:
    """One window, (h, w, 3, c), position by position and head by head; (h, w, c)."""
    height, width, _, channels = qkv.shape
    cells = [(i, j) for i in range(height) for j in range(width)]
    out = torch.zeros(height, width, channels, dtype=qkv.dtype)
    for i, j in cells:
        for first in range(0, channels, head_channels):
            head = slice(first, first + head_channels)
            scores = [qkv[i, j, 0, head] @ qkv[a, b, 1, head] / math.sqrt(head_channels) for a, b in cells]
            shares = torch.stack(scores).softmax(0)
            out[i, j, head] = sum(share * qkv[a, b, 2, head] for share, (a, b) in zip(shares, cells))
        near = [(a, b) for a, b in cells if abs(a - i) < 2 and abs(b - j) < 2]
        out[i, j] += conv.bias + sum(conv.weight[:, 0, a - i + 1, b - j + 1] * qkv[a, b, 2] for a, b in near)
    return out


def naive(layer: CrossShapedAttention, x: Tensor) -> Tensor:
    """The layer on one (H, W, C), with a loop over the windows."""
    height, width, channels = x.shape
    qkv = (x @ layer.qkv.weight.T + layer.qkv.bias).reshape(height, width, 3, channels)
    outs = []
    for branch, part in enumerate(qkv.chunk(len(layer.position_convs), -1)):
        stripe = layer.stripe_width
        rows, columns = (height, width) if stripe is None else (height, stripe) if branch == 0 else (stripe, width)
        down, right = -height % rows, -width % columns
        top, left = down // 2, right // 2
        part = F.pad(part, (0, 0, 0, 0, left, right - left, top, down - top))
        out = torch.zeros_like(part[:, :, 0])
        for i in range(0, height, rows):
            for j in range(0, width, columns):
                window = (slice(i, i + rows), slice(j, j + columns))
                out[window] = attend(part[window], layer.head_channels, layer.position_convs[branch])
        outs.append(out[top:top + height, left:left + width])
    return torch.cat(outs, -1) @ layer.proj.weight.T + layer.proj.bias


@pytest.mark.parametrize(('stripe_width', 'size'), [(1, (3, 4)), (2, (4, 6)), (3, (4, 5)), (5, (2, 3)), (None, (3, 4))])
def test_attention_equals_a_loop_over_windows(stripe_width, size):
    torch.manual_seed(0)
    layer = CrossShapedAttention(8, 4, stripe_width).double()
    x = torch.randn(2, *size, 8, dtype=torch.double)
    torch.testing.assert_close(layer(x), torch.stack([naive(layer, image) for image in x]))


def test_block_equals_the_closed_form():
    torch.manual_seed(0)
    block = CSWinBlock(8, 4, 2, drop_path_rate=.5).double().eval()
    x = torch.randn(2, 8, 4, 6, dtype=torch.double)
    tokens = x.permute(0, 2, 3, 1)
    tokens = tokens + block.attention(F.layer_norm(tokens, (8,), block.norm1.weight, block.norm1.bias))
    hidden = gelu(block.fc1(F.layer_norm(tokens, (8,), block.norm2.weight, block.norm2.bias)))
    torch.testing.assert_close(block(x), (tokens + block.fc2(hidden)).permute(0, 3, 1, 2))


def test_a_position_sees_its_cross_only():
    layer = CrossShapedAttention(4, 2, 1)
    with torch.no_grad():
        for param in layer.parameters():
            param.abs_()  # nothing cancels
    x = torch.rand(1, 6, 6, 4, requires_grad=True)
    layer(x)[0, 2, 3].sum().backward()
    seen = x.grad[0].abs().sum(-1) > 0
    want = torch.zeros(6, 6, dtype=torch.bool)
    want[2], want[:, 3] = True, True
    assert torch.equal(seen, want)


# Table 1 has 23 M, 35 M, 78 M and 173 M, and 4.3 G, 6.9 G, 15.0 G and 31.5 G; in 384×384 78 M and 47.0 G.
@pytest.mark.parametrize(('kwargs', 'size', 'params', 'layers', 'with_attention'), [
    (dict(arch='tiny'), 224, 22320552, 4070262272, 4324203008),
    (dict(arch='small'), 224, 34643304, 6391178240, 6800714752),
    (dict(arch='base'), 224, 77382184, 14341043712, 14955348480),
    (dict(arch='base', stripe_widths=(1, 2, 12)), 384, 77382184, 42143619072, 46963660800),
    (dict(arch='large'), 224, 173262664, 32208687360, 33130144512)])
def test_complexity(kwargs, size, params, layers, with_attention):
    with torch.device('meta'):
        model = Classifier(CSWinTransformer(**kwargs)).eval()
        x = torch.zeros(1, 3, size, size)
    cost = count_complexity(model, (3, size, size))
    assert (cost.params, cost.flops) == (params, layers)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    assert counter.get_total_flops() == 2 * with_attention


@pytest.mark.parametrize(('size', 'shapes'), [
    ((224, 224), [(56, 56), (28, 28), (14, 14)]), ((16, 16), [(4, 4), (2, 2), (1, 1)]),
    ((37, 50), [(9, 12), (5, 6), (3, 3)]), ((17, 99), [(4, 25), (2, 13), (1, 7)])])
@pytest.mark.parametrize('gap', [False, True])
def test_outputs_of_any_size(size, shapes, gap):
    model = small(out_indices=(0, 1, 2), gap_before_final_norm=gap).eval()
    outs = model(torch.randn(2, 3, *size))
    want = [(2, channels, *(() if gap else shape)) for channels, shape in zip(SMALL['channels'], shapes)]
    assert [tuple(out.shape) for out in outs] == want and all(out.isfinite().all() for out in outs)


def test_images_of_a_batch_are_independent():
    torch.manual_seed(0)
    model, x = small().eval().double(), torch.randn(3, 3, 37, 50, dtype=torch.double)
    torch.testing.assert_close(model(x)[0][1:2], model(x[1:2])[0])


def test_frozen_stages_are_not_trained():
    model = small(frozen_stages=2, drop_path_rate=.5).train()
    model(torch.randn(2, 3, 32, 32))[0].square().sum().backward()
    for name, param in model.named_parameters():
        frozen = name.startswith(('downsample_layers.0', 'downsample_layers.1', 'stages.0', 'stages.1'))
        assert (param.grad is None) == frozen == (not param.requires_grad), name
    assert not model.stages[1][0].drop_path.training and model.stages[2].training


def test_every_parameter_gets_a_gradient():
    model = small(out_indices=(0, 1, 2), norm_eval=True).train()
    sum((out * torch.randn_like(out)).sum() for out in model(torch.randn(2, 3, 37, 50))).backward()
    assert all(param.grad is not None and param.grad.any() for param in model.parameters())


def test_checkpointing_changes_no_gradient():
    torch.manual_seed(0)
    x, grads = torch.randn(4, 3, 37, 32), []
    plain, saving = small(drop_path_rate=.5), small(drop_path_rate=.5, with_cp=True)
    saving.load_state_dict(plain.state_dict())
    for model in (plain, saving):
        torch.manual_seed(1)
        (model(x)[0] ** 3).sum().backward()
        grads.append([param.grad for param in model.parameters()])
    assert all(torch.equal(first, second) for first, second in zip(*grads))


def test_layer_depth_is_one_a_block():
    model = small(out_indices=(0, 2))
    depths = {name: model.get_layer_depth(f'backbone.{name}', 'backbone.') for name in model.state_dict()}
    assert {total for _, total in depths.values()} == {6}
    of = {name.rpartition('.')[0]: depth for name, (depth, _) in depths.items()}
    assert [of[f'downsample_layers.{i}.{j}'] for i in range(3) for j in (0, 1)] == [0, 0, 1, 1, 3, 3]
    assert [of[f'stages.{block}.attention.qkv'] for block in ('0.0', '1.0', '1.1', '2.0')] == [1, 2, 3, 4]
    assert of['norm0'] == of['norm2'] == 5
    assert model.get_layer_depth('head.fc.weight', 'backbone.') == (5, 6)


def test_initialisation_and_epsilon():
    torch.manual_seed(0)
    model = CSWinTransformer(dict(depths=(1,), channels=(256,), heads=(4,)), stripe_widths=())
    model.init_weights()
    attention = model.stages[0][0].attention
    assert attention.qkv.weight.std().item() == pytest.approx(.02, rel=.05) and not attention.qkv.bias.any()
    assert attention.position_convs[0].weight.std().item() == pytest.approx(1 / 9 ** .5 / 3 ** .5, rel=.05)
    assert {module.eps for module in model.modules() if isinstance(module, nn.LayerNorm)} == {1e-5}


@pytest.mark.parametrize('scope', ['mmkd', 'mmpretrain', 'mmseg', 'mmdet'])
def test_builds_in_every_scope(scope):
    pytest.importorskip('mmkd.registry' if scope == 'mmkd' else f'{scope}.models', exc_type=ImportError)
    model = ROOT_MODELS.build(dict(type='mmkd.CSWinTransformer', arch='tiny', out_indices=(0, 1, 2, 3), _scope_=scope))
    assert type(model) is CSWinTransformer
    assert [out.shape[1] for out in model(torch.randn(1, 3, 32, 32))] == [64, 128, 256, 512]


@pytest.mark.parametrize('size', [(32, 32), (37, 50)])
def test_exports(size):
    torch.manual_seed(0)
    model, x = Classifier(small()).eval(), torch.randn(2, 3, *size)
    batch = torch.export.Dim('batch', min=1, max=64)
    program = torch.export.export(model, (x,), dynamic_shapes=dict(x={0: batch}))
    for number in (1, 3):
        more = torch.randn(number, 3, *size)
        torch.testing.assert_close(program.module()(more), model(more))


def test_compiles_to_one_graph():
    torch.manual_seed(0)
    model, x = small().eval(), torch.randn(2, 3, 37, 50)
    torch.testing.assert_close(torch.compile(model, backend='eager', fullgraph=True)(x)[0], model(x)[0])


def test_exports_to_onnx(tmp_path):
    onnx = pytest.importorskip('onnx')
    file = tmp_path / 'model.onnx'
    torch.onnx.export(Classifier(small()).eval(), (torch.randn(2, 3, 37, 50),), str(file), opset_version=17,
                      dynamo=False)
    onnx.checker.check_model(onnx.load(str(file)))


@pytest.mark.parametrize(('kwargs', 'words'), [
    (dict(arch='tinny'), 'Did you mean tiny'),
    (dict(arch=dict(depths=(1, 1), channels=(4, 8))), 'Give 2 numbers'),
    (dict(arch=SMALL | dict(heads=(2, 3, 2))), 'got 8 channels for 3 heads'),
    (dict(arch=SMALL | dict(heads=(2, 1, 2))), 'even number of heads'),
    (dict(arch=SMALL | dict(stripe_widths=(1, 2, 7))), 'Give 2 numbers'),
    (dict(arch='tiny', stripe_widths=(1, 0, 7)), 'one positive stripe width'),
    (dict(arch='tiny', out_indices=4), 'from -4 to 3'),
    (dict(arch='tiny', frozen_stages=5), 'at most 4'),
])
def test_wrong_arguments(kwargs, words):
    with pytest.raises(UserError, match=words):
        CSWinTransformer(**kwargs)


@pytest.mark.parametrize('size', [(15, 64), (64, 8)])
def test_images_that_are_too_small(size):
    with pytest.raises(UserError, match=f'at least 16×16.*got {size[0]}×{size[1]}'):
        small()(torch.randn(1, 3, *size))
