"""Pairing the maps of a student and of a teacher."""
import pytest
import torch

from mmkd.losses import ATLoss
from mmkd.losses.stages import as_map, pair_maps
from mmkd.utils import UserError

LOSS = ATLoss()
MAP = torch.zeros(2, 3, 4, 5)


def test_pairs_in_fp32_with_detached_teachers():
    student, teacher = MAP.half().requires_grad_(), MAP.bfloat16().requires_grad_()
    (s, t), = pair_maps(LOSS, student, teacher)
    assert s.dtype == t.dtype == torch.float32 and s.requires_grad and not t.requires_grad
    pairs = pair_maps(LOSS, [MAP + 1, MAP + 2], (MAP + 3, MAP + 4))
    assert [(s[0, 0, 0, 0].item(), t[0, 0, 0, 0].item()) for s, t in pairs] == [(1, 3), (2, 4)]


def test_vectors():
    (s, t), = pair_maps(LOSS, torch.zeros(2, 3), torch.zeros(2, 3, 1, 1), vectors=True)
    assert s.shape == t.shape == as_map(torch.zeros(2, 3)).shape == (2, 3, 1, 1)
    assert as_map(MAP) is MAP
    with pytest.raises(UserError, match=r'\(2, 3\) from the student'):
        pair_maps(LOSS, torch.zeros(2, 3), torch.zeros(2, 3))


@pytest.mark.parametrize(('student', 'teacher', 'channels', 'message'), [
    (MAP, [MAP, MAP], False, 'ATLoss expects as many student maps as teacher maps, got 1 and 2'),
    (MAP, MAP[:1], False, r'equal N, got \(2, 3, 4, 5\) from the student and \(1, 3, 4, 5\) from the teacher'),
    (MAP, MAP[:, :2], True, r'equal N and C, got .* Tap maps on both sides, and add a connector'),
    (MAP[0], MAP[0], False, r'maps \(N, C, H, W\)'),
])
def test_what_does_not_fit(student, teacher, channels, message):
    with pytest.raises(UserError, match=message):
        pair_maps(LOSS, student, teacher, same_channels=channels)
    pair_maps(LOSS, MAP, MAP[:, :2])
