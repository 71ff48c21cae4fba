"""Testing through tools/test.py: the training run's own figure, from either kind of checkpoint, without a teacher."""
import json
import re
import runpy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import config_root, load_config

from .conftest import CONVNEST, EPOCHS, SHRINK, TOOLS, accuracies, call, spawn


@pytest.fixture
def without_teacher(workplace):
    """The workplace while the teacher's checkpoint is somewhere else."""
    teacher = workplace / 'teacher/epoch_4.pth'
    hidden = teacher.rename(teacher.with_suffix('.hidden'))
    yield workplace
    hidden.rename(teacher)


def metrics_of(*arguments: object, cwd) -> dict:
    status = call('test.py', *arguments, '--out', cwd / 'metrics.json', cwd=cwd)
    assert status == 0
    return json.loads((cwd / 'metrics.json').read_text())


def test_a_training_checkpoint_gives_the_accuracy_of_the_run(without_teacher, distilled_run):
    metrics = metrics_of('recipe.py', distilled_run / f'epoch_{EPOCHS}.pth', cwd=without_teacher)
    assert metrics == {'accuracy/top1': pytest.approx(accuracies(distilled_run)[EPOCHS], abs=1e-9)}
    assert metrics['accuracy/top1'] != 10  # not one class for all, which random weights may give too


def test_the_published_student_gives_it_too(without_teacher, ema_run, tmp_path, capsys):
    call('model_converters/publish_student.py', ema_run / f'epoch_{EPOCHS}.pth', tmp_path / 'student.pth', cwd=tmp_path)
    [student] = tmp_path.iterdir()
    metrics = metrics_of('ema.py', student, cwd=without_teacher)
    assert metrics == {'accuracy/top1': pytest.approx(accuracies(ema_run)[EPOCHS], abs=1e-9)}
    assert 'ImageClassifier from' in (out := capsys.readouterr().out) and re.search(r'(\d+) of \1 tensors matched', out)


EMA_KINDS = {
    'raw': ('mmpretrain.EMAHook', dict(evaluate_on_ema=False, evaluate_on_origin=True)),
    'ema': ('EMAHook', {}),
    'both': ('mmpretrain.EMAHook', dict(evaluate_on_ema=True, evaluate_on_origin=True)),
}


@pytest.mark.slow
@pytest.mark.parametrize('kind', EMA_KINDS)
def test_the_accuracy_is_that_of_the_last_validation_whatever_it_validated(workplace, tmp_path, capsys, kind):
    hook, how = EMA_KINDS[kind]
    custom = dict(type=hook, momentum=0.02, priority='ABOVE_NORMAL', **how)
    (workplace / f'{kind}.py').write_text(f"_base_ = '{config_root()}/{CONVNEST}'\ncustom_hooks = [{custom!r}]\n"
                                          f"load_from = 'plain-start.pth'\n")
    init_default_scope('mmpretrain')
    torch.save(MODELS.build(load_config(CONVNEST).model).state_dict(), workplace / 'plain-start.pth')
    assert call('train.py', f'{kind}.py', '--work-dir', tmp_path, '--cfg-options', *SHRINK, cwd=workplace) == 0
    last = last_validation(tmp_path)
    file = tmp_path / f'epoch_{EPOCHS}.pth'
    assert read_checkpoint(file)['meta']['validated_weights'] == kind
    assert metrics_of(f'{kind}.py', file, cwd=workplace) == pytest.approx(last, abs=1e-9)
    assert set(last) == {'accuracy/top1', *(['accuracy/top1_origin'] if kind == 'both' else [])}
    raw, average = (metrics_of(f'{kind}.py', file, '--weights', each, cwd=workplace) for each in ('raw', 'ema'))
    assert raw != average and metrics_of(f'{kind}.py', f'{file}#ema', cwd=workplace) == average
    assert last['accuracy/top1'] == pytest.approx((raw if kind == 'raw' else average)['accuracy/top1'], abs=1e-9)
    capsys.readouterr()
    call('model_converters/publish_student.py', file, tmp_path / 'out/student.pth', cwd=tmp_path)
    [student] = (tmp_path / 'out').iterdir()
    assert metrics_of(f'{kind}.py', student, cwd=workplace)['accuracy/top1'] == pytest.approx(last['accuracy/top1'])


def last_validation(work_dir) -> dict:
    [log] = work_dir.glob('*/vis_data/scalars.json')
    *_, last = (record for line in log.read_text().splitlines() if 'accuracy/top1' in (record := json.loads(line)))
    return {key: value for key, value in last.items() if key.startswith('accuracy')}


def test_in_a_process_of_its_own(without_teacher, distilled_run, tmp_path):
    arguments = ['recipe.py', distilled_run / f'epoch_{EPOCHS}.pth', '--out', tmp_path / 'metrics.json']
    result = spawn('test.py', *arguments, '--work-dir', tmp_path, cwd=without_teacher)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / 'metrics.json').read_text())['accuracy/top1'] == pytest.approx(
        accuracies(distilled_run)[EPOCHS])


def test_tta_takes_the_configs_pipeline_and_wraps_the_model():
    tool = runpy.run_path(str(TOOLS / 'test.py'))
    plain = dict(model=dict(type='EncoderDecoder'), test_dataloader=dict(dataset=dict(pipeline=['once'])))
    augmented = dict(tta_pipeline=['at several scales'], tta_model=dict(type='SegTTAModel'))
    config = tool['merge_args'](Config(plain | augmented), tool['parse_args'](['a.py', 'b.pth', '--tta']))
    assert config.test_dataloader.dataset.pipeline == ['at several scales']
    assert config.custom_hooks == [dict(type='PrepareTTAHook', tta_cfg=dict(type='SegTTAModel'))]
    config = tool['merge_args'](Config(plain | augmented), tool['parse_args'](['a.py', 'b.pth']))
    assert config.test_dataloader.dataset.pipeline == ['once'] and 'custom_hooks' not in config
    with pytest.raises(UserError, match='a.py has not both'):
        tool['merge_args'](Config(plain), tool['parse_args'](['a.py', 'b.pth', '--tta']))


def test_a_file_that_cannot_be_written_is_found_before_anything_is_built(tmp_path, capsys):
    (tmp_path / 'taken.json').mkdir()
    for name in ('m.txt', 'metrics', 'images/', 'taken.json'):
        assert call('test.py', 'none.py', 'none.pth', '--out', name, cwd=tmp_path) == 2
        assert capsys.readouterr().err == f"error: --out expects a .json file, got '{name}'. Write metrics.json.\n"
    assert [path.name for path in tmp_path.iterdir()] == ['taken.json']
    assert call('test.py', 'none.py', 'none.pth', '--out', '/dev/null/m.json', cwd=tmp_path) == 2
    assert '/dev/null' in capsys.readouterr().err
