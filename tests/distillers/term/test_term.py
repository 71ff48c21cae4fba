"""Terms: their keys, what a loss gets by name, and a term that is switched off."""
import copy

import pytest
import torch
from torch import Tensor, nn

from mmkd.distillers.parts import TeacherParts
from mmkd.distillers.term import Term
from mmkd.distillers.term import extras as module
from mmkd.utils import UserError

from ..test_distiller import optimizer_of

KD = dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits')


class Asking(nn.Module):
    """Keeps what it got beside the logits."""

    def forward(self, student: Tensor, teacher: Tensor, indices: Tensor | None = None,
                data_samples: list | None = None) -> Tensor:
        self.got = indices, data_samples
        return (student - teacher).square().mean()


class OnlyTensors(nn.Module):
    """Takes no target."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return (student - teacher).square().mean()


class Seeing(nn.Module):
    """Notes in which types it is given what it compares."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def forward(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        self.seen = {value.dtype for value in (*student, *teacher)}
        return sum((one - other).square().mean() for one, other in zip(student, teacher, strict=True))


class SeesToItself(Seeing):
    """Wants the types of the models."""
    mixed_precision = True


class WrongName(nn.Module):
    """Asks for the target by another name."""

    def forward(self, student: Tensor, teacher: Tensor, targets: Tensor | None = None) -> Tensor:
        return student.sum()


class Unnamed(nn.Module):
    """Names no argument beside the first two."""

    def forward(self, student: Tensor, teacher: Tensor, **rest: object) -> Tensor:
        return student.sum()


class LateParts(OnlyTensors):
    """Declares a part when it is built, which is too late for the teacher's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher_parts = ('classifier', )


class UnknownPart(OnlyTensors):
    """Declares a part that there is not."""
    teacher_parts = ('clasifier', )


class Undeclared(OnlyTensors):
    """Binds what it does not declare."""

    def bind(self, teacher_classifier: object) -> None:
        """Takes a part."""


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(wieght=2.), "optionally connector, teacher_norm, weight, got 'wieght'. Did you mean weight"),
    (dict(conector=None), "got 'conector'. Did you mean connector"),
    (dict(teachers='logits'), "got 'teachers'. Did you mean teacher"),
    (dict(xyz=1), "got 'xyz'. Valid: connector, loss, student, teacher, teacher_norm, weight"),
])
def test_misspelt_keys(build, changes, message):
    with pytest.raises(UserError, match=f"^term 'kd' expects a dict of loss, student, teacher and .*{message}"):
        build(terms=dict(kd=dict(KD, **changes)))


def test_a_loss_gets_what_it_asks_for_by_name(build, batch):
    distiller = build(terms=dict(a=dict(KD, loss=dict(type=Asking)), b=dict(KD, loss=dict(type=OnlyTensors))))
    asking = distiller.terms['a']
    assert asking.uses_indices and not distiller.terms['b'].uses_indices
    assert asking.loss.got[0].tolist() == [0, 1]  # of the dry run
    for number, sample in enumerate(batch['data_samples']):
        sample.set_metainfo(dict(sample_idx=10 + number))
    distiller.train_step(batch, optimizer_of(distiller))
    indices, samples = asking.loss.got
    assert indices.tolist() == [10, 11, 12, 13] and [sample.gt_label.item() for sample in samples] == [0, 1, 2, 3]


@pytest.mark.parametrize(('loss', 'message'), [
    (WrongName, "WrongName expects forward to have student, teacher and any of .*, got 'targets'. Did you mean target"),
    (Unnamed, r"Unnamed expects forward to name its arguments, got \*\*rest"),
    (LateParts, 'LateParts expects teacher_parts to be declared in the class, got them in an object'),
    (UnknownPart, "UnknownPart expects teacher_parts that there are, got 'clasifier'. Did you mean classifier"),
    (Undeclared, 'Undeclared expects the attribute teacher_parts beside its bind, got none. Declare the parts out of')])
def test_a_loss_that_asks_for_what_there_is_not(build, loss, message):
    with pytest.raises(UserError, match=message):
        build(terms=dict(kd=dict(KD, loss=dict(type=loss))))


@pytest.mark.parametrize('written', [False, True], ids=['a module', 'a config'])
@pytest.mark.parametrize(('kind', 'expected'), [(Seeing, torch.float32), (SeesToItself, torch.bfloat16)])
def test_losses_compute_in_full_precision_however_they_are_given(build, batch, written, kind, expected):
    distiller = build(terms=dict(kd=dict(
        loss=dict(type=kind) if written else kind(), student=['logits'], teacher=['logits'])))
    with torch.autocast('cpu', torch.bfloat16):
        distiller(**distiller.data_preprocessor(batch, True), mode='loss')
    assert distiller.terms['kd'].loss.seen == {expected}


def test_signatures_are_read_at_build_only(build, batch, monkeypatch):
    distiller = build()
    monkeypatch.setattr(module.inspect, 'signature', None)
    assert distiller.train_step(batch, optimizer_of(distiller))['loss_fd'].isfinite()


def test_a_term_that_is_switched_off(build, batch):
    distiller = build()
    names, term = list(distiller.state_dict()), distiller.terms['fd']
    distiller.train_step(batch, optimizer_of(distiller))['loss'].isfinite()
    runs, before = [], copy.deepcopy(term.state_dict())
    term.loss.register_forward_hook(lambda *_: runs.append(1))
    term.switch_off()
    log = distiller.train_step(batch, optimizer_of(distiller))
    assert log['loss_fd'] == 0 and log['loss_nkd'] > 0 and runs == []
    assert all(p.grad is None and not p.requires_grad for p in term.parameters())
    assert list(distiller.state_dict()) == names
    assert all(torch.equal(value, before[name]) for name, value in term.state_dict().items())


@pytest.mark.parametrize('loss', ['FDLoss', 'ATLoss', 'PKDLoss'])
def test_a_batch_without_regions_counts_nothing(loss):
    """A two-stage student of which no region is left: means over nothing would be NaN."""
    term = Term('fd', dict(type=f'mmkd.{loss}'), 'a', 'b', connector=dict(type='mmkd.ConvConnector'))
    maps = torch.rand(2, 3, 7, 7), torch.rand(2, 4, 7, 7)
    term.dry_run(dict(a=maps[0]), dict(b=maps[1]), None, TeacherParts({}, torch.zeros(2, 3, 8, 8), {}))
    student = maps[0][:0].clone().requires_grad_()
    value = term.train()(dict(a=student), dict(b=maps[1][:0]))
    value.backward()
    assert value == 0 and all((p.grad == 0).all() for p in term.parameters()) and len(list(term.parameters()))
