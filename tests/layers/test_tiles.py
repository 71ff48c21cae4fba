"""ConvNeSt's block goes through its layers in tiles only where nobody would notice."""
import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from mmkd.backbones import convnest
from mmkd.backbones.convnest import ConvNeSt, ConvNeStBlock
from mmkd.layers.tiles import layer_by_layer, runs_in_tiles

INNER = ('pointwise_conv1', 'norm1', 'depthwise_conv', 'pointwise_conv2', 'act')


@pytest.fixture
def block() -> ConvNeStBlock:
    torch.manual_seed(0)
    return ConvNeStBlock(4, expansion_ratio=3)


@pytest.fixture
def tiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each pass in tiles."""
    passes, function = [], convnest.nested_convolution

    def counted(*args: object) -> Tensor:
        passes.append(1)
        return function(*args)

    monkeypatch.setattr(convnest, 'nested_convolution', counted)
    return passes


def images() -> Tensor:
    return torch.randn(2, 4, 9, 8)


def gradients(block: nn.Module, x: Tensor) -> list[Tensor]:
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    return torch.autograd.grad(block(x).square().sum(), [x, *block.parameters()])


@pytest.mark.parametrize('kwargs', [
    {}, dict(shortcut='single'), dict(low_norm='BN'), dict(scale='layer_scale', layer_scale_init_value=.5),
    dict(drop_path_rate=.5), dict(with_cp=True), dict(with_cp=True, low_norm='BN', drop_path_rate=.5)])
def test_the_same_numbers(kwargs, tiled):
    block, x = ConvNeStBlock(4, 3, **kwargs), images()
    with layer_by_layer():
        exact = gradients(block, x)
        assert not tiled
    for one, other in zip(gradients(block, x), exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert tiled


@pytest.mark.parametrize('kwargs', [dict(high_norm='BN'), dict(micro_design='vanilla'),
                                    dict(micro_design='pre_activation')])
def test_blocks_that_cannot(kwargs, tiled):
    ConvNeStBlock(4, 3, **kwargs)(images())
    assert not tiled


@pytest.mark.parametrize('name', INNER)
@pytest.mark.parametrize('hook', ['register_forward_hook', 'register_forward_pre_hook',
                                  'register_full_backward_hook', 'register_full_backward_pre_hook'])
def test_hooks_of_inner_modules_fire(name, hook, block, tiled):
    fired = []
    handle = getattr(block.get_submodule(name), hook)(lambda *_: fired.append(1))
    block(images().requires_grad_()).sum().backward()
    assert fired and not tiled
    handle.remove()
    block(images())
    assert tiled


def test_hooks_of_all_modules_fire(block, tiled):
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(module))
    try:
        block(images())
    finally:
        handle.remove()
    assert block.act in seen and not tiled


@pytest.mark.parametrize('change', [
    lambda block: setattr(block, 'act', nn.GELU('tanh')),
    lambda block: setattr(block, 'norm1', nn.LayerNorm(12, elementwise_affine=False)),
    lambda block: setattr(block, 'pointwise_conv1', nn.Linear(4, 12, bias=False)),
    lambda block: setattr(block, 'pointwise_conv2', nn.Sequential(block.pointwise_conv2)),
    lambda block: setattr(block.act, 'forward', torch.relu),
    lambda block: prune.random_unstructured(block.pointwise_conv1, 'weight', .5),
    lambda block: parametrize.register_parametrization(block.norm1, 'weight', nn.Identity()),
    lambda block: block.double(), lambda block: block.bfloat16()])
def test_other_parts_run_by_themselves(change, block, tiled):
    change(block)
    out = block(images().to(next(block.parameters()).dtype))
    assert not tiled and out.isfinite().all()


def test_autocast_is_as_before(block, tiled):
    x = images()
    with torch.autocast('cpu', torch.bfloat16):
        out = block(x)
        with layer_by_layer():
            assert torch.equal(block(x), out)
    assert not tiled


def test_tracing_and_transforms(block, tiled):
    x = images()
    want = block(x)
    passes = len(tiled)
    traced = torch.jit.trace(block, x, check_trace=False)
    exported = torch.export.export(block, (x,)).module()
    compiled = torch.compile(block, backend='eager', fullgraph=True)
    for other in (traced, exported, compiled):
        torch.testing.assert_close(other(x), want)
    with torch.no_grad():
        torch.testing.assert_close(torch.func.jvp(block, (x,), (torch.zeros_like(x),))[0], want)
    assert block.to('meta')(x.to('meta')).device.type == 'meta'
    assert len(tiled) == passes


def test_copies_and_state(block, tiled):
    x = images()
    want = block(x)
    for other in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert torch.equal(other(x), want)
    assert set(block.state_dict()) == {'res_scale', *(f'{name}.{kind}' for name in (*INNER[:4], 'norm2')
                                                      for kind in ('weight', 'bias'))}
    assert len(tiled) == 3


def test_without_images(block):
    assert not runs_in_tiles(images()[:0], [block.act])
    assert block(images()[:0]).shape == (0, 4, 9, 8)


def test_a_model_trains_alike():
    """Three updates, layer by layer and in tiles."""
    x, losses = torch.randn(3, 3, 32, 32), []
    model = ConvNeSt(dict(depths=(1, 1), channels=(4, 6)), expansion_ratio=3)
    for start in (copy.deepcopy(model), model):
        optimizer = torch.optim.SGD(start.parameters(), lr=.1)
        losses.append([])
        for _ in range(3):
            with layer_by_layer() if start is not model else torch.enable_grad():
                loss = start(x)[0].square().sum()
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0][0] != losses[0][2]
