"""Which kept answers serve which loss."""
import pytest
import torch
from torch import nn

from mmkd.losses import (
    BinaryKDLoss,
    CCLoss,
    DISTLoss,
    DKDLoss,
    FitNetLoss,
    KDLoss,
    NKDLoss,
    OFALoss,
    RKDLoss,
    logit,
)
from mmkd.losses.checks import target_index
from mmkd.losses.served import (
    ALL_LOGITS,
    APPROXIMATELY,
    EXACTLY,
    NOT,
    WHOLE_MAPS,
    Kept,
    how_served,
    logit_losses_served,
)
from mmkd.records import RecordFormat, decode, encode

TOP = Kept(every_value=False)
APART = dict(KDLoss=0.15, NKDLoss=2e-3, DKDLoss=0.3, OFALoss=0.02, BinaryKDLoss=2e-3)  # of the loss, ten of 1,000


class Plain(nn.Module):
    """A loss that says nothing."""


@pytest.mark.parametrize('loss', [KDLoss(), NKDLoss(), DKDLoss(), OFALoss(), BinaryKDLoss(), DISTLoss(gamma=0)])
def test_the_largest_logits_serve_at_temperature_1(loss):
    assert how_served(loss, TOP).how == APPROXIMATELY


@pytest.mark.parametrize('loss', [
    KDLoss(4.0), NKDLoss(2.0), DKDLoss(temperature=4.0), OFALoss(temperature=2.0), DISTLoss(), RKDLoss(), Plain(),
    DISTLoss(gamma=0, temperature=4.0), BinaryKDLoss(teacher_activation='sigmoid')])
def test_they_do_not_serve_these_and_all_do(loss):
    service = how_served(loss, TOP)
    assert service.how == NOT and service.why and service.wanted == ALL_LOGITS
    assert how_served(loss, Kept()).how == EXACTLY
    assert how_served(loss, Kept(full_precision=False)).how == APPROXIMATELY


def test_pooled_maps():
    pooled = Kept(pooled=True)
    assert [how_served(loss, pooled).how for loss in (RKDLoss(), CCLoss(6, 6))] == [EXACTLY, EXACTLY]
    assert how_served(FitNetLoss(), pooled).wanted == WHOLE_MAPS


def test_pooled_maps_give_what_whole_ones_give():
    """The declaration of losses that average positions is true."""
    maps = torch.randn(4, 6, 5, 5)
    for loss in (RKDLoss(), CCLoss(6, 6)):
        student = torch.randn(4, 6)
        assert torch.allclose(loss(student, maps), loss(student, maps.mean((2, 3))), atol=1e-6)


def test_every_loss_on_logits_says_which():
    table = logit_losses_served(TOP)
    assert set(table) == set(logit.__all__)
    assert all(hasattr(getattr(logit, name), 'refuses_topk') for name in table)


@pytest.mark.parametrize('name', sorted(APART))
def test_how_far_ten_of_a_thousand_logits_are_from_all(name):
    """A flat teacher, of whose probability four tenths lie outside the ten."""
    torch.manual_seed(0)
    target = torch.randint(0, 1000, (64,))
    teacher, student = torch.randn(64, 1000) * 1.5, torch.randn(64, 1000)
    teacher[torch.arange(64), target] += torch.rand(64) * 8 + 4
    form, loss = RecordFormat(1000, 10), getattr(logit, name)()
    near = decode(encode(dict(logits=teacher), form, target, [0] * 64), form)['logits']
    exact, approximate = float(loss(student, teacher, target)), float(loss(student, near, target))
    assert 0 < abs(exact - approximate) < APART[name] * abs(exact)


def test_probabilities_of_the_kept_classes_are_exact():
    teacher = torch.randn(8, 50) * 3
    form = RecordFormat(50, 5)
    near = decode(encode(dict(logits=teacher), form, teacher.argmax(1), [0] * 8), form)['logits'].softmax(1)
    best = teacher.topk(5).indices
    assert torch.allclose(near.gather(1, best), teacher.softmax(1).gather(1, best), rtol=1e-5)
    assert torch.allclose(near.sum(1), torch.ones(8))


@pytest.mark.parametrize('share', [0.7, 0.5, 0.3])
def test_the_target_of_a_mixed_view_is_the_class_that_losses_take(share):
    """It is kept whether it is among the largest logits or not, at a tie too."""
    logits = torch.tensor([[9., 8., 1., 2., 0.5], [0.1, 1., 7., 8., 9.]])
    scores = torch.zeros(2, 5)
    scores[:, 2], scores[:, 4] = share, 1 - share
    form = RecordFormat(5, 2)
    rows = encode(dict(logits=logits), form, scores, [0, 0])
    target, _ = target_index(NKDLoss(), scores, logits)
    assert rows['label'].tolist() == target.tolist() == [2 if share >= 0.5 else 4] * 2
    kept = decode(rows, form)['logits'].gather(1, target[:, None])
    assert torch.equal(kept, logits.gather(1, target[:, None]))


def mixed_labels(one: torch.Tensor, other: torch.Tensor, share: float, classes: int) -> torch.Tensor:
    """Soft labels (N, classes) of pictures of two classes."""
    target = torch.zeros(len(one), classes).scatter(1, one[:, None], share)
    return target.scatter(1, other[:, None], 1 - share)


@pytest.mark.parametrize('share', [0.8, 0.5, 0.2])
@pytest.mark.parametrize('loss', [NKDLoss(gamma=0), DKDLoss(beta=0)], ids=['NKD', 'DKD'])
def test_the_part_of_the_target_is_exact_for_mixed_pictures(loss, share):
    torch.manual_seed(0)
    student, teacher, form = torch.randn(64, 20), torch.randn(64, 20), RecordFormat(20, 2)  # few targets in the top 2
    target = mixed_labels(torch.randint(0, 10, (64,)), torch.randint(10, 20, (64,)), share, 20)
    exact = loss(student, teacher, target)
    near, wrong = (decode(encode(dict(logits=teacher), form, labels, [0] * 64), form)['logits']
                   for labels in (target, target.flip(0)))
    torch.testing.assert_close(loss(student, near, target), exact)
    assert not torch.isclose(loss(student, wrong, target), exact, rtol=1e-2)  # with another target's logit kept


@pytest.mark.parametrize('share', [0.8, 0.5, 0.2])
@pytest.mark.parametrize('name', APART)
def test_mixed_pictures_are_served_as_others_are(name, share):
    torch.manual_seed(0)
    one, other, rows = torch.randint(0, 500, (64,)), torch.randint(500, 1000, (64,)), torch.arange(64)
    teacher, student = torch.randn(64, 1000) * 1.5, torch.randn(64, 1000)
    raised = torch.rand(64) * 8 + 4
    teacher[rows, one] += raised
    teacher[rows, other] += raised / 2
    form, loss, target = RecordFormat(1000, 10), getattr(logit, name)(), mixed_labels(one, other, share, 1000)
    near = decode(encode(dict(logits=teacher), form, target, [0] * 64), form)['logits']
    exact, approximate = float(loss(student, teacher, target)), float(loss(student, near, target))
    assert 0 < abs(exact - approximate) < APART[name] * abs(exact)
