"""An estimate in MMEngine's Runner: with a running average of the weights, validated, stopped and resumed."""
import copy
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from mmkd.engine.hooks import StrictResumeHook
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint

from ..engine.loops.conftest import Pictures, distiller_config, loader_of, runner_of

TERM = dict(loss=dict(type='mmkd.FitNetLoss'), student='stage2', teacher='stage2',
            connector=dict(type='mmkd.ConvConnector'), teacher_norm=dict(type='mmkd.PHIS', steps=6))
LOOP = dict(type='mmkd.FeatureValLoop', neighbours=3, bank_dataloader=loader_of(Pictures(12)))
ESTIMATE = 'terms.fit.teacher_norms.0.'


def run(folder: Path, **settings: object) -> Runner:
    """Two epochs of four batches: the estimate of six batches ends in the second epoch."""
    return runner_of(folder, LOOP, model=distiller_config(terms=dict(fit=copy.deepcopy(TERM))),
                     custom_hooks=[dict(type='mmkd.EMAHook', momentum=0.1)], **settings)


def test_a_resumed_run_has_the_same_estimate(tmp_path):
    straight = run(tmp_path / 'straight')
    straight.train()
    norm = straight.model.terms['fit'].teacher_norms[0]
    assert norm.is_estimated and norm.count == 6 * 4 * 16  # six batches of four images of 4×4 positions
    first = read_checkpoint(tmp_path / 'straight/epoch_1.pth')
    for state in (first['state_dict'], {key.removeprefix('module.'): value for key, value in
                                        first['ema_state_dict'].items()}):  # the average has the same, not a mean
        assert state[f'{ESTIMATE}progress'].tolist() == [4, 0] and state[f'{ESTIMATE}count'] == 4 * 4 * 16

    resumed = run(tmp_path / 'resumed', resume=True, load_from=str(tmp_path / 'straight/epoch_1.pth'))
    resumed.train()
    ours, theirs = (read_checkpoint(tmp_path / f'{name}/epoch_2.pth') for name in ('resumed', 'straight'))
    for part in ('state_dict', 'ema_state_dict'):
        for name, value in theirs[part].items():
            if ESTIMATE in name:
                assert torch.equal(ours[part][name], value), name
    assert theirs['state_dict'][f'{ESTIMATE}progress'].tolist() == [6, 1]


def test_a_checkpoint_without_the_estimate_cannot_be_resumed(tmp_path):
    runner = run(tmp_path / 'run', resume=True)
    state = {name: value for name, value in runner.model.state_dict().items() if ESTIMATE not in name}
    with pytest.raises(UserError, match=f'cannot be resumed.*{ESTIMATE}'):
        StrictResumeHook().after_load_checkpoint(runner, dict(state_dict=state, meta={}, message_hub={}))


def test_a_training_that_ends_before_the_estimate(tmp_path):
    """Nothing would be learnt, with a loss of 0 in the log."""
    term = TERM | dict(teacher_norm=dict(type='mmkd.PHIS', steps=9))
    hook = dict(type='mmkd.DistillationHook', teacher_accuracy=False)
    runner = runner_of(tmp_path, None, model=distiller_config(terms=dict(fit=copy.deepcopy(term))), custom_hooks=[hook])
    with pytest.raises(UserError, match=r"'fit' expects a training longer than the 9 iterations .* got 8"):
        runner.train()


def test_no_checkpoint_is_the_best_while_terms_count_nothing(tmp_path):
    runner = runner_of(
        tmp_path, dict(type='mmkd.TermLossValLoop'), model=distiller_config(terms=dict(fit=copy.deepcopy(TERM))),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', save_best='terms/total', rule='less')))
    runner.train()
    assert [path.name for path in tmp_path.glob('best_*')] == ['best_terms_total_epoch_2.pth']
