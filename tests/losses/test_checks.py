"""The shape checks and conversions that the losses share."""
import pytest
import torch

from mmkd.losses import KDLoss
from mmkd.losses.checks import at_least_fp32, check_logits, shape_of, target_index
from mmkd.utils import UserError

LOSS = KDLoss()
LOGITS = torch.zeros(2, 3)


@pytest.mark.parametrize(('dtype', 'expected'), [
    (torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float32, torch.float32),
    (torch.float64, torch.float64)])
def test_at_least_fp32(dtype, expected):
    assert at_least_fp32(torch.ones(1, dtype=dtype)).dtype == expected


@pytest.mark.parametrize(('student', 'teacher', 'message'), [
    (torch.zeros(2, 3, 4, 4), LOGITS, r'student logits of shape \(N, C\), got \(2, 3, 4, 4\)'),
    (LOGITS, [LOGITS, LOGITS], r'teacher logits of shape \(N, C\), got \[\(2, 3\), \(2, 3\)\]'),
    (LOGITS, torch.zeros(2, 5), r'\(2, 3\) from the student and \(2, 5\) from the teacher'),
])
def test_check_logits(student, teacher, message):
    check_logits(LOSS, LOGITS, LOGITS)
    with pytest.raises(UserError, match=f'KDLoss expects .*{message}'):
        check_logits(LOSS, student, teacher)


@pytest.mark.parametrize('target', [torch.tensor([2, 0]), torch.tensor([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])])
def test_target_index_of_hard_and_soft_labels(target):
    index = target_index(LOSS, target, LOGITS)
    assert index.tolist() == [2, 0] and index.dtype == torch.long


@pytest.mark.parametrize(('target', 'message'), [
    (None, 'expects class labels, got none'), (torch.zeros(2, 4), r'of shape \(2,\) or \(2, 3\), got \(2, 4\)')])
def test_target_index_refuses(target, message):
    with pytest.raises(UserError, match=message):
        target_index(LOSS, target, LOGITS)


def test_shape_of():
    assert shape_of([LOGITS, (LOGITS, None)]) == '[(2, 3), [(2, 3), NoneType]]'
