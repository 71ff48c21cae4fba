"""Comparing predictions, also those of two processes, and putting random states back."""
import copy
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmengine.dataset import DefaultSampler
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from mmengine.structures import BaseDataElement
from mmpretrain.structures import DataSample
from torch.utils.data import BatchSampler, DataLoader

from mmkd.engine.hooks import DistillationHook
from mmkd.engine.teacher_validation import (
    Agreement,
    has_fixed_order,
    probabilities,
    unchanged_randomness,
)
from mmkd.registry import MODELS

from ..distillers.test_distiller import optimizer_of
from ..processes import run_ranks

IMAGES, CLASSES = 7, 4


def samples(logits: torch.Tensor) -> list:
    return [BaseDataElement(pred_score=row) for row in logits.softmax(1)]


def logits_of_both() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    student, teacher = 3 * torch.randn(2, IMAGES, CLASSES, generator=generator)
    return student, teacher


def expected() -> dict[str, float]:
    student, teacher = (logits.double() for logits in logits_of_both())
    same = 100 * (student.argmax(1) == teacher.argmax(1)).double().mean().item()
    assert 0 < same < 100
    divergence = (teacher.softmax(1) * (teacher.log_softmax(1) - student.log_softmax(1))).sum(1).mean().item()
    return dict(teacher_agreement=pytest.approx(same), teacher_kl=pytest.approx(divergence, rel=1e-5))


def compare(rows: list[list[int]]) -> dict[str, float]:
    student, teacher = logits_of_both()
    agreement = Agreement([teacher[batch].log_softmax(1) for batch in rows], IMAGES)
    for _ in range(2):  # the second validation counts from zero
        agreement.clear()
        for number, batch in enumerate(rows):
            agreement.add(number, samples(student[batch]))
    return agreement.result()


def test_agreement_and_divergence():
    assert compare([[0, 1, 2], [3, 4, 5], [6]]) == expected()


@pytest.mark.parametrize('certainty', [1e4, 200.])
def test_certain_predictions_diverge_by_a_finite_amount(certainty):
    student, teacher = certainty * torch.eye(2), certainty * torch.eye(2).flip(0)
    agreement = Agreement([torch.log(probabilities(samples(teacher)))], 2)
    agreement.add(0, samples(student))
    result = agreement.result()
    assert result['teacher_agreement'] == 0 and 50 < result['teacher_kl'] < 100
    agreement.clear()
    agreement.add(0, samples(teacher))
    assert agreement.result() == dict(teacher_agreement=100., teacher_kl=0.)


def test_what_are_no_class_probabilities():
    assert probabilities([BaseDataElement(pred_instances=1)]) is None and probabilities([]) is None
    assert probabilities([BaseDataElement(pred_score=torch.tensor([0.9, 0.8]))]) is None  # several labels an image
    agreement = Agreement([torch.zeros(1, 3)], 1)
    agreement.add(0, samples(torch.zeros(1, 4)))
    assert agreement.result() == {}


def test_the_order_of_loaders():
    images = list(range(6))
    shuffled, fixed = (DefaultSampler(images, shuffle=shuffle) for shuffle in (True, False))
    assert has_fixed_order(DataLoader(images)) and not has_fixed_order(DataLoader(images, shuffle=True))
    assert has_fixed_order(DataLoader(images, sampler=fixed))
    assert not has_fixed_order(DataLoader(images, sampler=shuffled))
    assert has_fixed_order(DataLoader(images, batch_sampler=BatchSampler(fixed, 2, False)))
    assert not has_fixed_order(DataLoader(images, batch_sampler=BatchSampler(shuffled, 2, False)))


def test_random_states_are_put_back():
    def draw():
        return [random.random(), np.random.rand(), torch.rand(()).item(), torch.rand((), generator=generator).item()]

    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(list(range(4)), shuffle=True, generator=generator)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state(), generator.get_state()
    without = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    generator.set_state(states[3])
    with unchanged_randomness(loader) as lent:
        assert sorted(int(item) for item in lent) == [0, 1, 2, 3] and draw() != without
    assert draw() == without



def train_step(distiller: torch.nn.Module, batch: dict, hook: DistillationHook | None) -> dict[str, float]:
    """One step as a runner would take it, and the gradient shares that it logs."""
    hub = MessageHub(f'hub of rank {dist.get_rank()}')
    model = MMDistributedDataParallel(distiller, broadcast_buffers=False)
    wrapper = optimizer_of(distiller)
    runner = SimpleNamespace(iter=0, message_hub=hub, optim_wrapper=wrapper)
    if hook:
        hook._distiller = distiller
        hook.before_train_iter(runner, 0)
    model.train_step(batch, wrapper)
    if hook:
        hook.after_train_iter(runner, 0)
    return {key.rpartition('/')[2]: buffer.current() for key, buffer in hub.log_scalars.items()}


def own_norms(distiller: torch.nn.Module, batch: dict) -> torch.Tensor:
    """The norm of each loss's gradient on this process's images, by a backward pass of its own."""
    norms = []
    for key in ('task_loss', 'loss_nkd', 'loss_fd'):
        model = copy.deepcopy(distiller)
        model(**model.data_preprocessor(copy.deepcopy(batch), True), mode='loss')[key].backward()
        norms.append(sum(p.grad.square().sum() for p in model.student.parameters() if p.grad is not None).sqrt())
    return torch.stack(norms)


def process(rank: int, recipe: dict) -> None:
    # Seven images for two processes: the sampler gives the second one the first image too.
    assert compare([[0, 2], [4, 6]] if rank == 0 else [[1, 3], [5, 0]]) == expected()
    torch.manual_seed(0)
    measured = MODELS.build(recipe)
    plain, separate = copy.deepcopy(measured), copy.deepcopy(measured)
    inputs = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)[2 * rank:2 * rank + 2]
    batch = dict(inputs=list(inputs), data_samples=[DataSample().set_gt_label(2 * rank + i) for i in range(2)])
    norms = own_norms(separate, batch)
    others = [torch.zeros_like(norms) for _ in range(2)]
    dist.all_gather(others, norms)
    assert not torch.allclose(*others, rtol=1e-3)
    mean = torch.stack(others).mean(0)
    shares = train_step(measured, copy.deepcopy(batch), DistillationHook(gradient_interval=1))
    assert shares == {name: pytest.approx(share, rel=1e-4)
                      for name, share in zip(('task', 'nkd', 'fd'), (mean / mean.sum()).tolist())}
    assert train_step(plain, batch, None) == {}
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in measured.state_dict().items())


@pytest.mark.processes
def test_two_processes(recipe, tmp_path):
    run_ranks(process, tmp_path, recipe)
