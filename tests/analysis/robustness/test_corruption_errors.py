"""Errors on corrupted images beside counts by hand."""
import numpy as np
import pytest
import torch

from mmkd.analysis.robustness.corruption_errors import (
    CorruptionErrors,
    baseline_errors,
    corruption_error,
    corruption_errors,
)
from mmkd.analysis.robustness.corruptions import Corruptions
from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS, SEVERITIES
from mmkd.evaluation.corruption_error import ALEXNET_ERRORS
from mmkd.utils import UserError

from ...processes import run_ranks

NAMES, HARD = ('gaussian_noise', 'brightness'), (1, 5)


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Dark and bright images, which are classes 0 and 1."""
    labels = torch.tensor([0, 1, 0, 1, 1])
    noise = torch.randint(0, 40, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    images = (noise + 90 + 40 * labels[:, None, None, None]).to(torch.uint8)
    return [(images[:3], labels[:3]), (images[3:], labels[3:])]


def by_brightness(images: torch.Tensor) -> torch.Tensor:
    return (images.float().mean((1, 2, 3)) > 130).long()


def always_one(images: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(images), dtype=torch.long)


MODELS = {'bright': by_brightness, 'one': always_one}


def test_errors_are_those_counted_by_hand():
    pytest.importorskip('imagecorruptions')
    found = corruption_errors(MODELS, batches(), 3, NAMES, HARD)
    assert found['one'].clean == 0.4 and (found['one'].corrupted == 0.4).all() and found['one'].images == 5
    assert found['bright'].clean == 0
    corrupt = Corruptions(3)
    images, labels = (torch.cat(parts) for parts in zip(*batches()))
    for row, name in enumerate(NAMES):
        for column, severity in enumerate(HARD):
            changed = [corrupt(image.permute(1, 2, 0).numpy(), index, name, severity)
                       for index, image in enumerate(images)]
            wrong = sum((np.mean(image) > 130) != bool(label) for image, label in zip(changed, labels))
            assert found['bright'].corrupted[row, column] == wrong / 5
    assert found['bright'].corrupted[1].max() > 0  # what is made brighter is taken for class 1


def test_the_mean_corruption_error():
    rng = np.random.default_rng(0)
    errors, baseline = rng.random((15, 5)), rng.random((15, 5))
    expected = [errors[c].sum() / baseline[c].sum() for c in range(15)]
    assert np.allclose(corruption_error(errors, baseline), expected)
    assert (corruption_error(errors, errors) == 1).all()
    baseline[3] = 0
    assert np.isnan(corruption_error(errors, baseline)).tolist() == [c == 3 for c in range(15)]


def test_baselines():
    errors = {label: CorruptionErrors(0., np.full((15, 5), value), 9) for label, value in (('a', 0.5), ('b', 0.2))}
    everything = (errors, CORRUPTIONS, SEVERITIES, 10)
    assert baseline_errors(None, *everything)[0] == 'a'
    name, found = baseline_errors('b', *everything)
    assert name == 'b' and (found == 0.2).all()
    with pytest.raises(UserError, match="--baseline expects the label of a model, or alexnet, got 'c'"):
        baseline_errors('c', *everything)
    with pytest.raises(UserError, match="all five severities of ImageNet's 1,000 classes, got 5 of 10 classes"):
        baseline_errors('alexnet', *everything)
    name, found = baseline_errors('alexnet', errors, CORRUPTIONS, SEVERITIES, 1000)
    assert name == 'AlexNet' and found[CORRUPTIONS.index('fog')].sum() == pytest.approx(5 * ALEXNET_ERRORS['fog'])


@pytest.mark.parametrize(('names', 'severities', 'twice'), [
    (('contrast', 'contrast', 'fog'), (1, ), 'contrast'), (('fog', ), (1, 2, 1), '1')])
def test_each_counts_once(names, severities, twice):
    with pytest.raises(UserError, match=f'each name and severity once, got {twice} twice'):
        corruption_errors(MODELS, batches(), 0, names, severities)


def test_no_images():
    pytest.importorskip('imagecorruptions')
    with pytest.raises(UserError, match='expect images, got none'):
        corruption_errors(MODELS, [])


def errors_of_a_rank(rank: int, expected: list) -> None:
    found = corruption_errors(MODELS, batches(), 3, NAMES, HARD)['bright']
    assert (found.corrupted.tolist(), found.images) == (expected, 5)


@pytest.mark.processes
def test_images_are_spread_over_processes(tmp_path):
    pytest.importorskip('imagecorruptions')
    alone = corruption_errors(MODELS, batches(), 3, NAMES, HARD)['bright']
    run_ranks(errors_of_a_rank, tmp_path, alone.corrupted.tolist())
