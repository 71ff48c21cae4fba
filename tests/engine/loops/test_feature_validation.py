"""Validation by frozen features: figures by hand, the same in two processes, and nothing disturbed."""
import copy

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from mmkd.engine.features import PooledFeatures
from mmkd.engine.models import model_of
from mmkd.evaluation.linear_probe import RidgeProbe
from mmkd.evaluation.neighbours import hits, neighbour_votes
from mmkd.utils import UserError

from ...processes import run_ranks
from .conftest import CLASSES, Pictures, distiller_config, loader_of, runner_of

BANK, VAL = Pictures(27, seed=2), Pictures(14, seed=1)
MANY = tuple('abcdefghijkl')


def loop_of(bank: Pictures = BANK, **settings) -> dict:
    return dict(dict(type='mmkd.FeatureValLoop', neighbours=5, bank_dataloader=loader_of(bank, 6)), **settings)


def features_of(runner: Runner, images: Pictures) -> torch.Tensor:
    distiller = model_of(runner).eval()
    batch = distiller.data_preprocessor(dict(inputs=[images[i]['inputs'] for i in range(len(images))]), False)
    with torch.no_grad():
        return distiller.student.backbone(batch['inputs'])[-1]  # pooled and normalised: what the classifier reads


def by_hand(runner: Runner, tops: tuple[int, ...] = (1, ), bank: Pictures = BANK, val: Pictures = VAL) -> dict:
    known, own, classes = features_of(runner, bank), features_of(runner, val), len(bank.metainfo['classes'])
    scores = dict(knn=neighbour_votes(own, known, bank.labels, classes, 5),
                  probe=RidgeProbe(known, bank.labels, classes).scores(own))
    return {f'{name}/top{top}': pytest.approx(100 * hits(values, val.labels, top) / len(val))
            for name, values in scores.items() for top in tops}


def test_figures_by_hand(make_runner):
    runner = make_runner(loop_of(), VAL)
    recorders = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in runner.model.modules()]
    found = runner.val()
    assert found == by_hand(runner) and found['probe/top1'] > 50
    assert runner.val_loop.run() == found
    assert recorders == [len(module._forward_hooks) + len(module._forward_pre_hooks)
                         for module in runner.model.modules()]


def test_top5_and_no_probe(make_runner):
    bank, val = Pictures(36, 2, classes=MANY), Pictures(24, 1, classes=MANY)
    runner = make_runner(loop_of(bank), val)
    assert runner.val() == by_hand(runner, (1, 5), bank, val)
    without = make_runner(loop_of(bank, probe=False), val, name='no_probe').val()
    assert list(without) == ['knn/top1', 'knn/top5']


def test_training_is_the_same_with_and_without(make_runner):
    states = []
    for name, loop in (('plain', None), ('validated', loop_of())):
        runner = make_runner(loop, VAL, name=name)
        runner.train()
        states.append(model_of(runner).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize('kind', ['mmkd.EMAHook', 'EMAHook'])
def test_the_average_is_validated(make_runner, kind):
    hooks = [dict(type=kind, momentum=0.1, priority='ABOVE_NORMAL')]
    settings = dict(optim_wrapper=dict(optimizer=dict(type='AdamW', lr=3e-2)))
    runner = make_runner(loop_of(), VAL, custom_hooks=hooks, **settings)
    seen = []
    loop = runner.build_val_loop(runner._val_loop)
    figures = loop.figures

    def spy():
        seen.append(next(model_of(runner).student.parameters()).detach().clone())
        return figures()

    loop.figures, runner._val_loop = spy, loop
    runner.train()
    average = next(hook for hook in runner.hooks if isinstance(hook, EMAHook)).ema_model.module
    assert torch.equal(seen[-1], next(average.student.parameters()))
    assert not torch.equal(seen[-1], next(model_of(runner).student.parameters()))


def test_both_kinds_of_weights(make_runner):
    hooks = [dict(type='mmpretrain.EMAHook', momentum=0.1, evaluate_on_origin=True)]
    runner = make_runner(loop_of(), VAL, custom_hooks=hooks)
    runner.train()
    logged = runner.message_hub.log_scalars
    assert {'val/knn/top1', 'val/knn/top1_origin', 'val/probe/top1_origin'} <= set(logged)
    assert logged['val/knn/top1_origin'].current() == by_hand(runner)['knn/top1']


@pytest.mark.parametrize(('loop', 'val', 'message'), [
    (dict(neighbours=28), VAL, 'neighbours to be from 1 to 27, the number of images in the bank, got 28'),
    (dict(neighbours=0), VAL, 'neighbours to be from 1 to 27'),
    (dict(temperature=0.), VAL, 'temperature'),
    (dict(tap='stage9'), VAL, 'no tap .stage9'),
    (dict(), Pictures(14, labels=False), 'expects one label an image in the validation set and the bank, got none'),
    (dict(bank_dataloader=loader_of(Pictures(27, labels=False))), VAL, 'expects one label an image'),
    (dict(), Pictures(14, classes=CLASSES[::-1]), "the same classes .* got for label 0 'a' in the bank and 'c'"),
    (dict(), Pictures(14, classes=CLASSES[:2]), "for label 2 'c' in the bank and none in the validation set")])
def test_what_it_refuses(make_runner, loop, val, message):
    with pytest.raises(UserError, match=message):
        make_runner(loop_of(**loop), val).val()


def test_a_student_that_has_diverged(make_runner):
    runner = make_runner(loop_of(), VAL)
    with torch.no_grad():
        next(model_of(runner).student.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match='finite features'):
        runner.val()


def test_a_model_that_is_no_distiller(make_runner):
    student = copy.deepcopy(distiller_config()['student'])
    found = make_runner(loop_of(), VAL, model=student).val()
    assert list(found) == ['knn/top1', 'probe/top1']


def process(rank: int, expected: dict[str, float], folder, val_size: int) -> None:
    runner = runner_of(folder / 'two', loop_of(), Pictures(val_size, seed=1))
    assert runner.val() == expected
    assert sum(len(batch) for batch in runner.val_loop.batches) < val_size or rank == 0


@pytest.mark.processes
@pytest.mark.parametrize('size', [14, 3])  # four and a half batches; one batch, so that a process has none
def test_two_processes_give_what_one_gives(make_runner, tmp_path, size):
    expected = make_runner(loop_of(), Pictures(size, seed=1)).val()
    run_ranks(process, tmp_path, expected, tmp_path, size)


def test_the_teacher_is_validated_likewise(make_runner):
    runner = make_runner(loop_of(), VAL, custom_hooks=[dict(type='mmkd.DistillationHook', agreement=True)])
    runner.train()
    logged = runner.message_hub.log_scalars
    teacher = model_of(runner).teachers['']
    same = PooledFeatures(teacher.model)
    batch = model_of(runner).data_preprocessor(dict(inputs=[VAL[i]['inputs'] for i in range(len(VAL))]), False)
    assert same.read(batch['inputs']).shape == (14, 16)
    assert {'teacher/knn/top1', 'teacher/probe/top1'} <= set(logged) and 'val/teacher_agreement' not in logged
