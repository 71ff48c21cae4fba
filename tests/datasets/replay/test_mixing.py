"""Mixup and CutMix of single views against mmpretrain's, and what is refused."""
import numpy as np
import pytest
import torch
from mmpretrain.models.utils.batch_augments import CutMix

from mmkd.datasets.replay.mixing import Draw, Mixing, mix
from mmkd.utils import UserError


def drawn(config: dict, times: int = 2000) -> list[Draw]:
    mixing = Mixing(config)
    assert mixing.draw(1) == mixing.draw(1)
    return [mixing.draw(seed) for seed in range(times)]


def views(dtype: torch.dtype = torch.uint8) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.from_numpy(np.random.RandomState(0).randint(0, 256, (2, 3, 20, 30)))
    return tuple(both.to(dtype))


def draw(kind: str, share: float, place: tuple = (), **options) -> Draw:
    return Draw(dict(kind=kind, cutmix_minmax=None, correct_lam=True) | options, share, place)


@pytest.mark.parametrize('share', [0., 0.3, 0.5, 0.99999, 1.])
def test_mixup_rounds_to_the_nearest_byte(share):
    own, other = views()
    mixed, label = mix(draw('Mixup', share), own, other)
    exact = label * own.double() + (1 - label) * other.double()
    assert mixed.dtype == torch.uint8 and abs(label - share) <= 2**-9
    assert (mixed - exact).abs().max() <= 0.5
    assert share not in (0, 1) or torch.equal(mixed, own if share else other)


def test_mixup_of_floats():
    own, other = views(torch.float32)
    mixed, label = mix(draw('Mixup', 0.25), own, other)
    assert label == 0.25 and torch.allclose(mixed, 0.25 * own + 0.75 * other)
    assert torch.equal(own, views(torch.float32)[0])  # a partner still wants it


def test_every_share_of_every_pair_of_bytes_is_rounded_right():
    own, other = (each.reshape(1, 256, 256).byte() for each in torch.meshgrid(
        torch.arange(256), torch.arange(256), indexing='ij'))
    for weight in range(257):
        mixed, label = mix(draw('Mixup', weight / 256), own, other)
        assert torch.equal(mixed, torch.floor(label * own.double() + (1 - label) * other.double() + 0.5).byte())
        assert label == weight / 256
    with pytest.raises(UserError, match='bytes or floats, got torch.int64'):
        mix(draw('Mixup', 0.5), own.long(), other.long())


def test_cutmix_cuts_mmpretrains_box():
    """With the numbers that mmpretrain draws, the box is its box and the share its share."""
    own, other = views()
    for seed in range(50):
        np.random.seed(seed)
        share = np.random.beta(1., 1.)
        state = np.random.get_state()
        (top, bottom, left, right), expected = CutMix(1.).cutmix_bbox_and_lam((20, 30), share)
        np.random.set_state(state)
        place = (np.random.randint(0, 20) + 0.5) / 20, (np.random.randint(0, 30) + 0.5) / 30
        mixed, label = mix(draw('CutMix', share, place), own, other)
        wanted = own.clone()
        wanted[:, top:bottom, left:right] = other[:, top:bottom, left:right]
        assert torch.equal(mixed, wanted) and label == expected
    assert torch.equal(own, views()[0])


def test_cutmix_without_correction_and_within_a_range():
    own, other = views()
    assert mix(draw('CutMix', 0.3, (0., 0.), correct_lam=False), own, other)[1] == 0.3
    for place in ((0.999, ) * 4, (0., ) * 4, (0.5, 0.2, 0.9, 0.)):
        mixed, label = mix(draw('CutMix', 0.3, place, cutmix_minmax=[0.2, 0.8], correct_lam=False), own, other)
        changed = (mixed != own).any(0)
        rows, columns = changed.any(1).sum(), changed.any(0).sum()
        assert 4 <= rows < 16 and 6 <= columns < 24
        assert label == 1 - int(rows * columns) / 600


def test_shares_and_kinds_follow_the_config():
    both = dict(augments=[dict(type='Mixup', alpha=1.), dict(type='mmpretrain.CutMix', alpha=1.)])
    kinds = [each.augment['kind'] for each in drawn(both)]
    assert abs(kinds.count('Mixup') - 1000) < 100
    some = drawn(both | dict(probs=[0.1, 0.6]))
    counts = [sum(each.augment is not None and each.augment['kind'] == kind for each in some)
              for kind in ('Mixup', 'CutMix')]
    assert abs(counts[0] - 200) < 60 and abs(counts[1] - 1200) < 100
    shares = np.array([each.share for each in drawn(dict(augments=dict(type='Mixup', alpha=0.4), probs=1.0))])
    assert abs(shares.mean() - 0.5) < 0.03 and abs(shares.var() - 1 / (4 * (2 * 0.4 + 1))) < 0.01  # Beta(α, α)'s
    three = [dict(type='Mixup', alpha=1)] * 3
    assert all(each.augment for each in drawn(dict(augments=three)))


@pytest.mark.parametrize(('config', 'match'), [
    (dict(augments=dict(type='ResizeMix', alpha=1.)), r'Mixup or CutMix.*ResizeMix.*Write dict\(augments='),
    (dict(augments=[dict(type='Mine')]), 'Mine'),
    (dict(augments=[print]), 'built-in'),
    (dict(augments=[]), 'augments and probs'),
    (dict(augments=dict(type='Mixup', alpha=1.), prob=0.5), "'prob'"),
    (dict(augments=dict(type='Mixup')), 'alpha above 0'),
    (dict(augments=dict(type='Mixup', alpha=0)), 'alpha above 0'),
    (dict(augments=dict(type='Mixup', alpha=True)), 'alpha above 0'),
    (dict(augments=dict(type='Mixup', alpha=1., cutmix_minmax=[0.2, 0.8])), 'Mixup expects alpha'),
    (dict(augments=dict(type='CutMix', alpha=1., cutmix_minmax=[0.8, 0.2])), 'two shares'),
    (dict(augments=dict(type='Mixup', alpha=1.), probs=[0.5, 0.5]), '1 probs'),
    (dict(augments=dict(type='Mixup', alpha=1.), probs=1.5), 'at most 1'),
    (dict(augments=dict(type='Mixup', alpha=1.), probs=-0.5), 'at most 1'),
])
def test_what_cannot_be_replayed_is_refused(config, match):
    with pytest.raises(UserError, match=match):
        Mixing(config)
