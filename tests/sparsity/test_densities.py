"""Layer-wise densities: the whole has the sparsity asked for, and each rule shares it as its paper says."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmkd.backbones import SLaK
from mmkd.layers import LargeKernel
from mmkd.layers.running_average import RunningAverage
from mmkd.losses import CRDLoss, OFDLoss
from mmkd.sparsity import erk, prunable_weights, snip, uniform
from mmkd.utils import UserError


@pytest.fixture()
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.Conv2d(8, 8, 5, groups=8, padding=2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 200), nn.GELU(), nn.Linear(200, 10))


def overall(model: nn.Module, densities: dict[str, float]) -> float:
    sizes = {name: weight.numel() for name, weight in prunable_weights(model).items()}
    return 1 - sum(densities[name] * size for name, size in sizes.items()) / sum(sizes.values())


def test_biases_and_norms_stay_dense(model):
    assert list(uniform(model, .3)) == ['0.weight', '3.weight', '6.weight', '8.weight']
    assert set(uniform(model, .3).values()) == {.7}


@pytest.mark.parametrize('sparsity', [0., .1, .4, .9, .99])
def test_erk_shares_the_sparsity(model, sparsity):
    densities = erk(model, sparsity)
    assert list(densities) == list(prunable_weights(model))
    assert overall(model, densities) == pytest.approx(sparsity)
    assert all(0 < density <= 1 for density in densities.values())
    raw = {name: sum(weight.shape) / weight.numel() for name, weight in prunable_weights(model).items()}
    scales = {round(densities[name] / raw[name], 9) for name in raw if densities[name] < 1}
    assert len(scales) <= 1  # what is not full is in proportion
    if scales:
        assert all(scales.copy().pop() * raw[name] >= 1 for name in raw if densities[name] == 1)


@pytest.mark.parametrize('sparsity', [0., .4, .9])
def test_snip_keeps_the_highest_scores(model, sparsity):
    inputs, targets = torch.randn(6, 3, 12, 12), torch.randint(10, (6,))
    model.train()
    densities = snip(model, sparsity, lambda: F.cross_entropy(model(inputs), targets))
    weights = prunable_weights(model)
    assert list(densities) == list(weights)
    total = sum(weight.numel() for weight in weights.values())
    assert overall(model, densities) == pytest.approx(sparsity, abs=1 / total)
    F.cross_entropy(model(inputs), targets).backward()
    scores = {name: (weight * weight.grad).abs() for name, weight in weights.items()}
    threshold = torch.cat([score.flatten() for score in scores.values()]).sort(descending=True).values
    threshold = threshold[round((1 - sparsity) * total) - 1]
    for name, score in scores.items():
        assert densities[name] == pytest.approx((score >= threshold).float().mean().item(), abs=1e-6), name


def test_snip_leaves_the_model_alone(model):
    model.eval()
    model[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images, labels = torch.randn(2, 3, 9, 9), torch.tensor([1, 2])
    densities = snip(model, .5, lambda: F.cross_entropy(model(images), labels))
    assert densities['0.weight'] > 0  # frozen weights are scored too
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training and not model[0].weight.requires_grad
    assert all(param.grad is None for param in model.parameters())


def test_snip_counts_rightly_when_scores_are_equal():
    model = nn.Linear(10, 4)
    nn.init.zeros_(model.weight)  # all scores are 0
    x, labels = torch.randn(3, 10), torch.tensor([0, 1, 2])
    assert snip(model, .25, lambda: F.cross_entropy(model(x), labels)) == {'weight': .75}


def test_snip_leaves_statistics_and_scores_what_it_is_given(model):
    model.train()
    model(torch.randn(4, 3, 9, 9))
    x, before = torch.randn(4, 3, 9, 9), {name: value.clone() for name, value in model.named_buffers()}
    weights = {'3.weight': model[3].weight}
    densities = snip(model, .5, lambda: model(x).square().mean(), weights)
    assert densities == {'3.weight': .5}
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_scope_of_large_kernels():
    model = nn.Sequential(LargeKernel(4, 13), LargeKernel(4, 9, decomposed=False), nn.Conv2d(4, 4, 1))
    assert list(prunable_weights(model, 'large_kernels')) == [
        '0.vertical.conv.weight', '0.horizontal.conv.weight', '1.large.conv.weight']
    with pytest.raises(UserError, match='Did you mean large_kernels'):
        prunable_weights(model, 'large_kernel')
    with pytest.raises(UserError, match='large kernels, got a Conv2d without any'):
        prunable_weights(model[2], 'large_kernels')


def test_wrong_inputs(model):
    for wrong in (1., -.1, 40):
        for rule in (uniform, erk):
            with pytest.raises(UserError, match=r'in \[0, 1\)'):
                rule(model, wrong)
    with pytest.raises(UserError, match='without any'):
        uniform(nn.BatchNorm2d(3), .5)


def test_snip_leaves_whatever_a_model_keeps(model):
    model.eval()
    memory = CRDLoss(9, 200, 200, embedding=4, negatives=5)
    margins = OFDLoss(200, margin_batches=2)
    margins.bind([None])
    model.losses = nn.ModuleList([memory, margins])
    model.average = RunningAverage(model[0])
    images, labels = torch.randn(4, 3, 9, 9), torch.arange(4)
    before = repr((model.state_dict(), [vars(item) for item in model.losses.modules()]))

    def loss() -> torch.Tensor:
        features = nn.Sequential(*list(model)[:7])(images)
        model.average.update_parameters(model[0])
        return (F.cross_entropy(model[8](model[7](features)), labels) + memory(features, features, indices=labels)
                + margins(features[..., None, None], features[..., None, None]))

    drawn = [(torch.manual_seed(3), snip(model, .5, loss), torch.rand(1).item())[1:] for _ in range(2)]
    torch.manual_seed(3)
    assert drawn[0] == drawn[1] and drawn[0][1] == torch.rand(1).item()
    assert repr((model.state_dict(), [vars(item) for item in model.losses.modules()])) == before


@pytest.mark.parametrize('with_cp', [False, True])
def test_snip_with_synchronised_norms(with_cp):
    torch.manual_seed(0)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(
        SLaK(arch=dict(depths=(1, 1), channels=(8, 16)), kernel_sizes=(7, 5), small_kernel=3, with_cp=with_cp))
    before, images = {name: value.clone() for name, value in model.state_dict().items()}, torch.randn(2, 3, 32, 32)
    densities = snip(model, .5, lambda: model(images)[0].square().mean())
    assert overall(model, densities) == pytest.approx(.5, abs=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_densities_of_large_layers_are_exact():
    """fp32 tells whole numbers apart up to 2^24 only."""
    model = nn.Linear(4097, 4096, bias=False)
    x = torch.randn(1, 4097)
    density = snip(model, .3, lambda: model(x).square().mean())['weight']
    total = model.weight.numel()
    assert round(density * total) == round(.7 * total) and abs(density * total - round(.7 * total)) < 1e-4
