"""Pairing student and teacher tensors, and what else the losses share."""
from importlib import import_module

import pytest
import torch
from mmkd import losses

from mmkd.losses import KDLoss
from mmkd.losses.checks import (
    MAPS_OR_VECTORS,
    as_map,
    at_least_fp32,
    mean_of_labelled,
    non_target,
    pair_features,
    pair_logits,
    pair_tensors,
    shape_of,
    target_index,
    tensors_of,
)
from mmkd.losses.positions import pair_positions
from mmkd.utils import UserError

LOSS = KDLoss()
LOGITS, MAP = torch.zeros(2, 3), torch.zeros(2, 3, 4, 5)


@pytest.mark.parametrize(('dtype', 'expected'), [
    (torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float32, torch.float32),
    (torch.float64, torch.float64)])
def test_at_least_fp32(dtype, expected):
    assert at_least_fp32(torch.ones(1, dtype=dtype)).dtype == expected


@pytest.mark.parametrize(('cast', 'dtypes'), [(True, [torch.float32] * 2), (False, [torch.float16, torch.bfloat16])])
def test_a_pair_has_the_teacher_detached(cast, dtypes):
    student, teacher = MAP.half().requires_grad_(), MAP.bfloat16().requires_grad_()
    (s, t), = pair_tensors(LOSS, student, teacher, cast=cast)
    assert [s.dtype, t.dtype] == dtypes and s.requires_grad and not t.requires_grad


def test_pairs_in_the_order_of_the_taps():
    pairs = pair_tensors(LOSS, [MAP + 1, MAP + 2], (MAP + 3, MAP + 4))
    assert [(s[0, 0, 0, 0].item(), t[0, 0, 0, 0].item()) for s, t in pairs] == [(1, 3), (2, 4)]
    pairs = pair_tensors(LOSS, [MAP + 1, MAP + 2], MAP + 3, one_teacher=True)
    assert [(s[0, 0, 0, 0].item(), t[0, 0, 0, 0].item()) for s, t in pairs] == [(1, 3), (2, 3)]


def test_vectors_are_maps_of_one_position():
    (s, t), = pair_tensors(LOSS, torch.zeros(2, 3), torch.zeros(2, 3, 1, 1), MAPS_OR_VECTORS, equal='NCHW')
    assert s.shape == t.shape == as_map(torch.zeros(2, 3)).shape == (2, 3, 1, 1)
    assert as_map(MAP) is MAP


@pytest.mark.parametrize(('student', 'teacher', 'options', 'message'), [
    (MAP, [MAP, MAP], {}, 'as many student maps as teacher maps, at least one, got 1 and 2. Name as many'),
    ([], [], {}, 'at least one, got 0 and 0'),
    (MAP, MAP[:1], {}, r'equal N, got \(2, 3, 4, 5\) from the student and \(1, 3, 4, 5\) from the teacher'),
    (MAP, MAP[:, :2], dict(equal='NC', advice='Widen it.'), r'maps \(N, C, H, W\) of equal N and C, got .* Widen it'),
    (MAP, MAP[..., :4], dict(equal='NCHW'), r'equal N, C, H and W, got \(2, 3, 4, 5\) .* \(2, 3, 4, 4\)'),
    (MAP[0], MAP[0], {}, r'student maps \(N, C, H, W\), got \(3, 4, 5\). Tap maps on both sides'),
    (MAP, LOGITS, {}, r'teacher maps \(N, C, H, W\), got \(2, 3\)'),
    (MAP, [[MAP]], {}, r'teacher maps \(N, C, H, W\), got \[\(2, 3, 4, 5\)\]'),
    ([MAP], MAP, dict(several=False), r'student maps \(N, C, H, W\), got \[\(2, 3, 4, 5\)\]'),
    ([MAP, MAP], [MAP], dict(one_teacher=True), r'teacher maps \(N, C, H, W\), got \[\(2, 3, 4, 5\)\]'),
])
def test_pairs_that_do_not_fit(student, teacher, options, message):
    with pytest.raises(UserError, match=f'^KDLoss expects .*{message}'):
        pair_tensors(LOSS, student, teacher, **options)
    pair_tensors(LOSS, MAP, MAP[:, :2])


def test_one_side():
    tensors = tensors_of(LOSS, 'teacher', [MAP.half().requires_grad_(), LOGITS], MAPS_OR_VECTORS)
    assert [tuple(tensor.shape) for tensor in tensors] == [(2, 3, 4, 5), (2, 3, 1, 1)]
    assert tensors[0].dtype == torch.float32 and not tensors[0].requires_grad
    assert tensors_of(LOSS, 'student', MAP.clone().requires_grad_())[0].requires_grad


def test_pooled_features():
    student = torch.arange(12.).view(1, 2, 3, 2).half().requires_grad_()
    teacher = torch.arange(6.).view(1, 3, 2).requires_grad_()
    student, teacher = pair_features(LOSS, student, teacher)
    assert student.dtype == torch.float32 and student.requires_grad and not teacher.requires_grad
    assert student.tolist() == [[2.5, 8.5]] and teacher.tolist() == [[2., 3.]]
    assert pair_features(LOSS, LOGITS, LOGITS)[0].shape == (2, 3)
    with pytest.raises(UserError, match=r'student features .*got \[\(2, 3\)\]'):
        pair_features(LOSS, [LOGITS], LOGITS)
    with pytest.raises(UserError, match=r'the same samples .*got \(2, 3\) from the student and \(1, 3\)'):
        pair_features(LOSS, LOGITS, LOGITS[:1])


@pytest.mark.parametrize(('student', 'teacher', 'message'), [
    (torch.zeros(2, 3, 4, 4), LOGITS, r'student logits of shape \(N, C\), got \(2, 3, 4, 4\)'),
    (LOGITS, [LOGITS, LOGITS], r'teacher logits of shape \(N, C\), got \[\(2, 3\), \(2, 3\)\]'),
    (LOGITS, torch.zeros(2, 5), r'same classes, got \(2, 3\) from the student and \(2, 5\) from the teacher'),
])
def test_logits_of_classifiers(student, teacher, message):
    (s, t), = pair_logits(LOSS, LOGITS.half(), LOGITS, dense=False)
    assert s.dtype == t.dtype == torch.float32
    with pytest.raises(UserError, match=f'KDLoss expects .*{message}'):
        pair_logits(LOSS, student, teacher, dense=False)


def test_rows_of_logits_are_the_logits():
    student, teacher = torch.randn(2, 4, 3)
    ((s, t), ) = pair_logits(LOSS, student, teacher)
    assert torch.equal(s, student) and torch.equal(t, teacher)


def test_rows_of_dense_levels_are_their_positions():
    shapes = [(2, 3, 4, 5), (2, 3, 1, 2)]
    students, teachers = [torch.randn(shape) for shape in shapes], [torch.randn(shape) for shape in shapes]
    for pair, maps in zip(pair_logits(LOSS, students, teachers), zip(students, teachers, strict=True), strict=True):
        for found, logits in zip(pair, maps, strict=True):
            size = logits.shape[2:].numel()
            expected = [logits[n, :, i, j] for n in range(2) for i in range(logits.shape[2])
                        for j in range(logits.shape[3])]
            assert found.shape == (2 * size, 3) and torch.equal(found, torch.stack(expected))


def test_rows_are_at_least_fp32_and_detach_the_teacher():
    student, teacher = torch.zeros(2, 2, 3, 2, 2, dtype=torch.bfloat16).requires_grad_()
    ((s, t), ) = pair_logits(LOSS, student, teacher)
    assert s.dtype == t.dtype == torch.float32
    assert s.requires_grad and not t.requires_grad


@pytest.mark.parametrize(('student', 'teacher', 'message'), [
    (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 8, 8),
     r'equal height and width, got \(2, 3, 4, 4\) from the student and \(2, 3, 8, 8\) from the teacher'),
    (torch.zeros(2, 3, 4, 4), torch.zeros(2, 5, 4, 4),
     r'same classes, got \(2, 3, 4, 4\) from the student and \(2, 5, 4, 4\) from the teacher'),
    (torch.zeros(2, 3, 4, 4), LOGITS, r'\(2, 3, 4, 4\) from the student and \(2, 3\) from the teacher'),
    (torch.zeros(2, 4, 3), torch.zeros(2, 4, 3), r'student logits of shape \(N, C\) or .*, got \(2, 4, 3\)'),
    (LOGITS, [[LOGITS]], r'teacher logits of shape \(N, C\) or .*, got \[\(2, 3\)\]'),
    ([LOGITS, LOGITS], LOGITS, 'got 2 and 1'),
    ([], [], 'at least one, got 0 and 0'),
])
def test_logits_that_do_not_fit(student, teacher, message):
    with pytest.raises(UserError, match=f'KDLoss expects .*{message}'):
        pair_logits(LOSS, student, teacher)


def test_non_target():
    logits = torch.tensor([[1., 2., 3.], [4., 5., 6.], [7., 8., 9.]])
    assert non_target(logits, torch.tensor([0, 1, 2])).tolist() == [[2., 3.], [4., 6.], [7., 8.]]
    assert non_target(logits[:, :2], torch.tensor([1, 0, 1])).tolist() == [[1.], [5.], [7.]]


@pytest.mark.parametrize('target', [torch.tensor([2, 0]), torch.tensor([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])])
def test_target_index_of_hard_and_soft_labels(target):
    index, labelled = target_index(LOSS, target, LOGITS)
    assert index.tolist() == [2, 0] and index.dtype == torch.long and labelled.all()


def test_a_negative_index_is_no_label():
    index, labelled = target_index(LOSS, torch.tensor([-100, 2]), LOGITS)
    assert index.tolist() == [0, 2] and labelled.tolist() == [False, True]
    assert mean_of_labelled(torch.tensor([float('inf'), 3.]), labelled) == 3
    assert mean_of_labelled(torch.tensor([5., 3.]), torch.tensor([False, False])) == 0


@pytest.mark.parametrize('name', ['NKDLoss', 'DKDLoss', 'OFALoss'])
def test_samples_without_a_label_do_not_count(name):
    loss = getattr(losses, name)()
    student, teacher = torch.randn(2, 5, 4).unbind()
    student.requires_grad_()
    target = torch.tensor([1, -100, 3, -1, 0])
    kept = target >= 0
    found, expected = loss(student, teacher, target), loss(student[kept], teacher[kept], target[kept])
    torch.testing.assert_close(found, expected)
    gradient, = torch.autograd.grad(found, student)
    assert not gradient[~kept].any() and gradient[kept].any()


@pytest.mark.parametrize(('target', 'message'), [
    (None, 'expects class labels, got none'), (torch.tensor([3, 0]), 'expects classes from 0 to 2, got 3'),
    (torch.zeros(2, 4), r'of shape \(2,\) or \(2, 3\), got \(2, 4\)')])
def test_target_index_refuses(target, message):
    with pytest.raises(UserError, match=message):
        target_index(LOSS, target, LOGITS)


def test_shape_of():
    assert shape_of([LOGITS, (LOGITS, None)]) == '[(2, 3), [(2, 3), NoneType]]'


@pytest.mark.parametrize('name', losses.__all__)
def test_every_loss_gets_its_tensors_in_the_one_way(name):
    module = import_module(getattr(losses, name).__module__)
    assert any(getattr(module, pair.__name__, None) is pair
               for pair in (pair_tensors, pair_logits, pair_features, pair_positions, tensors_of))
