"""SLaK: the block's formula, the paper's figures, batch norms and kernel sizes."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mmkd.analysis import count_complexity
from mmkd.backbones import SLaK
from mmkd.backbones.slak import SLaKBlock
from mmkd.sparsity import uniform
from mmkd.utils import UserError

from .test_convnest import Classifier, gelu, layer_norm

SMALL = dict(depths=(1, 2, 1), channels=(4, 6, 8), kernel_sizes=(13, 9, 7))


def small(**kwargs) -> SLaK:
    return SLaK(SMALL, layer_scale_init_value=1., **kwargs)


def statistics(model: nn.Module) -> list[torch.Tensor]:
    return [buffer.clone() for name, buffer in model.named_buffers()]


def test_block_equals_the_closed_form():
    torch.manual_seed(0)
    block = SLaKBlock(4, 13, drop_path_rate=.5).double().eval()
    assert block.gamma.tolist() == pytest.approx([1e-6] * 4)
    for param in block.parameters():
        nn.init.normal_(param, std=.5)
    x = torch.randn(2, 4, 9, 11, dtype=torch.double)
    # At the first statistics, mean 0 and variance 1, the three norms are scales: the branches are one kernel.
    kernel, bias = torch.zeros(4, 1, 13, 13, dtype=torch.double), 0
    branches = block.large_kernel
    for branch in (branches.vertical, branches.horizontal, branches.small):
        rows, columns = [(13 - size) // 2 for size in branch.conv.weight.shape[2:]]
        scale = branch.bn.weight / (1 + branch.bn.eps) ** .5
        kernel = kernel + F.pad(branch.conv.weight * scale[:, None, None, None], (columns, columns, rows, rows))
        bias = bias + branch.bn.bias
    out = F.conv2d(x, kernel, bias, padding=6, groups=4).permute(0, 2, 3, 1)
    out = gelu(layer_norm(out, block.norm) @ block.pwconv1.weight.T + block.pwconv1.bias)
    out = block.gamma * (out @ block.pwconv2.weight.T + block.pwconv2.bias)
    torch.testing.assert_close(block(x), x + out.permute(0, 3, 1, 2))


@pytest.mark.parametrize(('arch', 'dense', 'sparse'), [
    ('tiny', ('50.70', '8.70'), ('30.5', '5.22')),
    ('small', ('91.13', '16.60'), ('54.8', '9.96')),
    ('base', ('157.95', '28.51'), ('94.9', '17.11')),
    ('large', ('346.62', '61.93'), ('208.2', '37.16'))])
def test_complexity(arch, dense, sparse):
    with torch.device('meta'):
        model = Classifier(SLaK(arch))
    cost = count_complexity(model)
    assert (f'{cost.params / 1e6:.2f}', f'{cost.flops / 1e9:.2f}') == dense
    cost = count_complexity(model, densities=uniform(model, .4))
    assert (f'{cost.params / 1e6:.1f}', f'{cost.flops / 1e9:.2f}') == sparse


def test_width_factor_and_kernel_sizes():
    with torch.device('meta'):
        model = SLaK('tiny')
    assert model.channels == (124, 249, 499, 998)
    kernels = [stage[0].large_kernel.vertical.conv.kernel_size for stage in model.stages]
    assert kernels == [(51, 5), (49, 5), (47, 5), (13, 5)]
    assert SLaK(SMALL, width_factor=1.).channels == (4, 6, 8)
    assert SLaK(SMALL, layer_scale_init_value=0.).stages[0][0].gamma is None


def test_student_with_batch_norm_is_convnext_tiny_and_its_norms():
    """Huang et al.: a batch norm after each 7×7 convolution, which then needs no bias."""
    with torch.device('meta'):
        backbone = SLaK('tiny', width_factor=1, kernel_sizes=(7,) * 4, decomposed=False, small_kernel=None)
        cost = count_complexity(Classifier(backbone))
    assert (f'{cost.params / 1e6:.0f}', f'{cost.flops / 1e9:.1f}') == ('29', '4.5')  # ConvNeXt-T: 28.59 M, 4.46 G
    assert [name for name, _ in backbone.stages[0][0].large_kernel.named_parameters()] == [
        'large.conv.weight', 'large.bn.weight', 'large.bn.bias']


@pytest.mark.parametrize('kwargs', [dict(), dict(decomposed=False), dict(decomposed=False, small_kernel=None)])
def test_deployed_model_is_equal_and_exports(kwargs):
    torch.manual_seed(0)
    model, x = small(**kwargs), torch.randn(2, 3, 48, 40)
    model.train()(x)  # moves the batch norms' statistics
    want = model.eval()(x)[0]
    model.switch_to_deploy()
    torch.testing.assert_close(model(x)[0], want, rtol=1e-5, atol=1e-5)
    assert not any(isinstance(module, _BatchNorm) for module in model.modules())
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x)[0], want, rtol=1e-5, atol=1e-5)
    loaded = small(**kwargs, deploy=True).eval()
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(loaded(x)[0], model(x)[0])


def test_branch_norm_is_configurable():
    model = small(branch_norm_cfg=dict(type='SyncBN'))
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    assert len(norms) == 3 * 4 and all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)


def test_norm_eval_keeps_statistics():
    x = torch.randn(4, 3, 32, 32)
    model = small(norm_eval=True).train()
    before = statistics(model)
    model(x)
    assert all(torch.equal(first, second) for first, second in zip(before, statistics(model)))
    assert model.stages[0][0].training and not model.stages[0][0].large_kernel.small.bn.training


def test_frozen_stages_keep_statistics():
    model = small(frozen_stages=1).train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(torch.randn(4, 3, 32, 32))[0].sum().backward()
    for name, value in model.named_buffers():
        assert torch.equal(value, before[name]) == name.startswith('stages.0'), name
    assert all((param.grad is None) == name.startswith(('stages.0', 'downsample_layers.0'))
               for name, param in model.named_parameters())


def test_checkpointing_changes_neither_gradients_nor_statistics():
    torch.manual_seed(0)
    x, results = torch.randn(4, 3, 32, 32), []
    plain = small(drop_path_rate=.5)
    saving = small(drop_path_rate=.5, with_cp=True)
    saving.load_state_dict(plain.state_dict())
    for model in (plain, saving):
        torch.manual_seed(1)
        model(x)[0].square().sum().backward()
        results.append([*(param.grad for param in model.parameters()), *statistics(model)])
    assert all(torch.equal(first, second) for first, second in zip(*results))
    norms = [norm for norm in saving.modules() if isinstance(norm, _BatchNorm)]
    assert all(norm.momentum == .1 and norm.num_batches_tracked == 1 for norm in norms)


def test_stages_run_in_channels_last():
    model, layouts = small(out_indices=(0, 1, 2), gap_before_final_norm=False), []
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.register_forward_pre_hook(
                lambda _, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last)))
    outs = model(torch.randn(2, 3, 64, 64))
    assert layouts == [True] * 12 and all(out.is_contiguous(memory_format=torch.channels_last) for out in outs)


@pytest.mark.parametrize(('kwargs', 'words'), [
    (dict(arch='tinny'), 'Did you mean tiny'),
    (dict(arch=dict(channels=(4, 8))), 'Add depths'),
    (dict(arch=dict(depths=(1, 1, 1), channels=(4, 6, 8))), 'Give 3 sizes'),
    (dict(arch=SMALL | dict(kernel_sizes=(13, 9))), 'one kernel size a stage, got kernel_sizes .13, 9.'),
    (dict(arch=SMALL | dict(kernel_sizes=(13, 8, 7))), 'odd sizes.*kernel_size=8'),
    (dict(arch=SMALL, small_kernel=4), 'small_kernel=4'),
])
def test_wrong_arguments(kwargs, words):
    with pytest.raises(UserError, match=words):
        SLaK(**kwargs)
