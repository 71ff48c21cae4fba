"""ConvNeSt: the block's formula, the paper's table, and what dense tasks and training need of a backbone."""
import math

import pytest
import torch
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from mmkd.analysis import Complexity, count_complexity
from mmkd.backbones import ConvNeSt
from mmkd.backbones.convnest import ConvNeStBlock
from mmkd.utils import UserError

SMALL = dict(depths=(1, 2, 1), channels=(4, 6, 8))


def small(**kwargs) -> ConvNeSt:
    return ConvNeSt(SMALL, expansion_ratio=3, kernel_size=3, **kwargs)


class Classifier(nn.Sequential):
    """A backbone with a linear head."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__(backbone, nn.Linear(backbone.channels[-1], 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self[1](self[0](x)[-1])


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def layer_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight + norm.bias


def closed_form(block: ConvNeStBlock, x: Tensor) -> Tensor:
    """The block on (N, H, W, C), written out with sums."""
    wide = gelu(x @ block.pointwise_conv1.weight.T + block.pointwise_conv1.bias)
    kernel, margin = block.depthwise_conv.weight[:, 0], block.depthwise_conv.weight.shape[-1] // 2
    padded = F.pad(layer_norm(wide, block.norm1), (0, 0, margin, margin, margin, margin))
    height, width = x.shape[1:3]
    mixed = block.depthwise_conv.bias + sum(
        kernel[:, i, j] * padded[:, i:i + height, j:j + width] for i in range(2 * margin + 1)
        for j in range(2 * margin + 1))
    narrow = gelu(wide + mixed) @ block.pointwise_conv2.weight.T + block.pointwise_conv2.bias
    return block.res_scale * x + layer_norm(narrow, block.norm2)


def test_block_equals_the_closed_form():
    torch.manual_seed(0)
    block = ConvNeStBlock(5, drop_path_rate=.5).double().eval()
    assert block.res_scale.tolist() == [1.] * 5
    assert block.depthwise_conv.weight.shape == (60, 1, 7, 7)
    for param in block.parameters():
        nn.init.normal_(param, std=.5)
    x = torch.randn(2, 5, 9, 6, dtype=torch.double)
    torch.testing.assert_close(block(x), closed_form(block, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def norm(x: Tensor, layer: nn.Module) -> Tensor:
    """Layer or (at its first statistics) batch norm of (N, H, W, C), written out."""
    if isinstance(layer, nn.LayerNorm):
        return layer_norm(x, layer)
    return x / (1 + layer.eps) ** .5 * layer.weight + layer.bias


def conv(x: Tensor, layer: nn.Conv2d) -> Tensor:
    x = F.conv2d(x.permute(0, 3, 1, 2), layer.weight, layer.bias, padding=3, groups=layer.groups)
    return x.permute(0, 2, 3, 1)


ROADMAP = {
    'vanilla': lambda b, h: b.pointwise_conv2(gelu(norm(conv(gelu(norm(h, b.norm1)), b.depthwise_conv), b.norm2))),
    'pre_activation': lambda b, h: b.pointwise_conv2(norm(gelu(conv(norm(gelu(h), b.norm1), b.depthwise_conv)),
                                                          b.norm2)),
    'post_norm': lambda b, h: norm(b.pointwise_conv2(gelu(conv(norm(gelu(h), b.norm1), b.depthwise_conv))), b.norm2),
}


@pytest.mark.parametrize('norms', [('LN', 'LN'), ('BN', 'LN'), ('LN', 'BN'), ('BN', 'BN')])
@pytest.mark.parametrize('design', ROADMAP)
def test_blocks_of_the_roadmap(design, norms):
    """Fig. 2 (a) to (c), with layer scale and one shortcut."""
    torch.manual_seed(0)
    block = ConvNeStBlock(5, 4, micro_design=design, high_norm=norms[0], low_norm=norms[1], scale='layer_scale',
                          layer_scale_init_value=.5, shortcut='single').double().eval()
    for param in block.parameters():
        nn.init.normal_(param, std=.5)
    x = torch.randn(2, 5, 9, 6, dtype=torch.double).permute(0, 2, 3, 1)
    want = x + block.layer_scale * ROADMAP[design](block, block.pointwise_conv1(x))
    torch.testing.assert_close(block(x.permute(0, 3, 1, 2)), want.permute(0, 3, 1, 2))
    assert type(block.norm1) is (nn.LayerNorm if norms[0] == 'LN' else nn.BatchNorm2d)


def test_scale_and_shortcut():
    x = torch.randn(1, 5, 8, 8)
    plain = ConvNeStBlock(5, scale='none', shortcut='single').eval()
    assert plain.res_scale is None and plain.layer_scale is None
    for scale, extra in (('res_scale', torch.ones(5)), ('layer_scale', torch.ones(5))):
        block = ConvNeStBlock(5, scale=scale, shortcut='single').eval()
        block.load_state_dict(plain.state_dict() | {scale: extra})
        torch.testing.assert_close(block(x), plain(x))
    assert ConvNeStBlock(5, scale='layer_scale').layer_scale.tolist() == pytest.approx([1e-6] * 5)


def printed(cost: Complexity, params: str, flops: str) -> tuple[str, str]:
    """Parameters and FLOPs with as many digits as the paper's."""
    digits = [len(text.partition('.')[2]) for text in (params, flops)]
    return f'{cost.params / 1e6:.{digits[0]}f}', f'{cost.flops / 1e9:.{digits[1]}f}'


# As Table 4 prints them, and for hierarchical femto and atto (Sec. 5.2: "between 3.7M and 90M") as they come out.
@pytest.mark.parametrize(('structure', 'arch', 'params', 'flops'), [
    ('hierarchical', 'atto', '3.7', '0.67'), ('hierarchical', 'femto', '5.1', '0.91'),
    ('hierarchical', 'pico', '9', '1.5'), ('hierarchical', 'nano', '15', '2.7'), ('hierarchical', 'tiny', '27', '4.8'),
    ('hierarchical', 'small', '50', '9.0'), ('hierarchical', 'base', '90', '16.1'),
    ('isotropic', 'atto', '3.3', '0.62'), ('isotropic', 'femto', '4.1', '0.77'), ('isotropic', 'pico', '7', '1.2'),
    ('isotropic', 'nano', '11', '2.0'), ('isotropic', 'tiny', '15', '3.0'), ('isotropic', 'small', '23', '4.3'),
    ('isotropic', 'base', '84', '16.3')])
def test_complexity_of_table_4(structure, arch, params, flops):
    with torch.device('meta'):
        cost = count_complexity(Classifier(ConvNeSt(arch, structure)))
    assert printed(cost, params, flops) == (params, flops)


# As Table 2 prints them, but for a ratio of 12, which it gives as 28 M.
@pytest.mark.parametrize(('ratio', 'width', 'blocks', 'params', 'flops'), [
    (4, 96, 8, '28', '4.5'), (6, 80, 8, '29', '4.7'), (8, 72, 6, '28', '4.6'), (10, 64, 6, '28', '4.6'),
    (12, 56, 8, '29', '4.8'), (16, 48, 8, '28', '4.8')])
def test_complexity_of_table_2(ratio, width, blocks, params, flops):
    arch = dict(depths=(3, 3, blocks, 3), channels=tuple(width * 2**stage for stage in range(4)))
    with torch.device('meta'):
        model = ConvNeSt(arch, expansion_ratio=ratio, scale='layer_scale', shortcut='single')
        cost = count_complexity(Classifier(model))
    assert printed(cost, params, flops) == (params, flops)


def test_complexity_at_high_resolution():
    with torch.device('meta'):
        cost = count_complexity(Classifier(ConvNeSt('base')), (3, 384, 384))
    assert f'{cost.flops / 1e9:.1f}' == '47.4'


def test_drop_path_is_for_training_only():
    torch.manual_seed(0)
    model, x = small(drop_path_rate=.9), torch.randn(4, 3, 32, 32)
    assert not torch.equal(model.train()(x)[0], model(x)[0])
    assert torch.equal(model.eval()(x)[0], model(x)[0])
    plain = small()
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(plain.eval()(x)[0], model(x)[0])


def test_frozen_stages_are_not_trained():
    model = small(frozen_stages=2, drop_path_rate=.5).train()
    model(torch.randn(2, 3, 32, 32))[0].sum().backward()
    for name, param in model.named_parameters():
        frozen = name.startswith(('downsample_layers.0', 'downsample_layers.1', 'stages.0', 'stages.1'))
        assert (param.grad is None) == frozen == (not param.requires_grad), name
    frozen = [part[index] for part in (model.downsample_layers, model.stages) for index in (0, 1)]
    assert not any(module.training for part in frozen for module in part.modules())
    assert model.stages[2].training and model.training


def test_every_parameter_gets_a_gradient():
    model = small(out_indices=(0, 1, 2), gap_before_final_norm=False)
    sum(out.square().sum() for out in model(torch.randn(2, 3, 32, 32))).backward()
    assert all(param.grad is not None for param in model.parameters())


def test_checkpointing_changes_no_gradient():
    torch.manual_seed(0)
    x, grads = torch.randn(4, 3, 32, 32), []
    plain = small(drop_path_rate=.5)
    saving = small(drop_path_rate=.5, with_cp=True)
    saving.load_state_dict(plain.state_dict())
    for model in (plain, saving):
        torch.manual_seed(1)
        model(x)[0].square().sum().backward()
        grads.append([param.grad for param in model.parameters()])
    assert all(torch.equal(first, second) for first, second in zip(*grads))


def test_stages_run_in_channels_last_without_copies():
    model = small(out_indices=(0, 1, 2), gap_before_final_norm=False)
    layouts = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.register_forward_pre_hook(
                lambda _, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last)))
    assert all(out.is_contiguous(memory_format=torch.channels_last) for out in model(torch.randn(2, 3, 64, 64)))
    assert layouts == [True] * 4
    x = torch.randn(2, 16, 16, 4).permute(0, 3, 1, 2)
    with profile(activities=[ProfilerActivity.CPU]) as record:
        model.stages[0](x)
    ops = {event.key for event in record.key_averages()}
    assert 'aten::linear' in ops and not ops & {'aten::clone', 'aten::contiguous'}


@pytest.mark.parametrize('scope', ['mmkd', 'mmpretrain', 'mmseg', 'mmdet'])
def test_builds_in_every_scope(scope):
    pytest.importorskip('mmkd.registry' if scope == 'mmkd' else f'{scope}.models', exc_type=ImportError)
    model = ROOT_MODELS.build(dict(type='mmkd.ConvNeSt', arch='atto', out_indices=(0, 1, 2, 3), _scope_=scope,
                                   gap_before_final_norm=False, frozen_stages=-1))
    assert type(model) is ConvNeSt
    assert [out.shape[1] for out in model(torch.randn(1, 3, 32, 32))] == [20, 40, 80, 160]


def test_takes_its_weights_from_a_classifier(tmp_path):
    source = small()
    torch.save(dict(state_dict={f'backbone.{name}': value for name, value in source.state_dict().items()}),
               tmp_path / 'student.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'student.pth'), prefix='backbone.')
    model = small(init_cfg=init, out_indices=(0, 1, 2), gap_before_final_norm=False)
    model.init_weights()
    state = model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in source.state_dict().items())


def test_exports_and_compiles():
    torch.manual_seed(0)
    model, x = small(out_indices=(0, 1, 2), gap_before_final_norm=False).eval(), torch.randn(2, 3, 40, 33)
    want = model(x)
    exported = torch.export.export(model, (x,)).module()(x)
    compiled = torch.compile(model, backend='eager', fullgraph=True)(x)  # one graph; no compiler is needed
    for outs in (exported, compiled):
        assert all(torch.equal(out, other) for out, other in zip(want, outs))


def test_isotropic():
    model = ConvNeSt('atto', 'isotropic', gap_before_final_norm=False)
    out, = model(torch.randn(1, 3, 40, 33))
    assert out.shape == (1, 88, 2, 2) and len(model.stages[0]) == 13


@pytest.mark.parametrize(('kwargs', 'words'), [
    (dict(arch='tinny'), 'Did you mean tiny'),
    (dict(arch='tinny', structure='isotropic'), 'isotropic ConvNeSt.*Did you mean tiny'),
    (dict(arch=dict(depths=(1, 1))), 'Add channels'),
    (dict(arch=SMALL, kernel_size=6), 'odd kernel_size, got 6'),
    (dict(arch=SMALL, structure='isotropic'), 'expects one stage'),
    (dict(structure='isotropc'), 'hierarchical, isotropic, got .isotropc'),
    (dict(micro_design='post-norm'), 'Did you mean post_norm'),
    (dict(high_norm='GN'), 'LN, BN, got .GN'),
    (dict(scale='layerscale'), 'Did you mean layer_scale'),
    (dict(shortcut='double'), 'dual, single'),
])
def test_wrong_arguments(kwargs, words):
    with pytest.raises(UserError, match=words):
        ConvNeSt(**kwargs)
