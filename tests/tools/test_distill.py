"""tools/distill.py: the call on the command line."""
import json
import re
import shlex

import pytest

from ..apis.distilling.conftest import write_classes
from .conftest import call

STUDENT = 'quickstart/convnest-mini_digits-5shot.py'
QUICK = ('--epochs', '1', '--size', '32', '--batch-size', '6', '--workers', '0', '--log')


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """A folder with pictures, and a teacher that is their student alone."""
    path = tmp_path_factory.mktemp('place')
    write_classes(path / 'shapes')
    (path / 'teacher.py').write_text(
        "_base_ = 'mmkd::quickstart/convnest-mini_digits-5shot.py'\nmodel = dict(head=dict(num_classes=3))\n")
    return path


def test_it_trains_and_says_what_comes_next(place, capsys):
    import mmkd
    import torch
    model = mmkd.get_model(str(place / 'teacher.py'))
    torch.save(dict(state_dict=model.state_dict()), place / 'teacher.pth')
    arguments = ('--student', STUDENT, '--teacher', 'teacher.py', '--teacher-checkpoint', 'teacher.pth', '--data',
                 'shapes', '--out', 'out', '--method', 'kd', *QUICK)
    assert call('distill.py', *arguments, cwd=place) == 0
    said = capsys.readouterr().out
    assert 'the student has the best in validation by accuracy/top1, of epoch 1' in said
    assert re.search(r'^teacher/accuracy/top1 +[\d.]+', said, re.MULTILINE)
    assert 'next: mmkd train out/config.py --work-dir FOLDER' in said and 'mmkd export out/run/best_' in said
    exported = shlex.split(next(line for line in said.splitlines() if 'mmkd export' in line))
    assert call('model_converters/export.py', *exported[2:], cwd=place) == 0  # as it was printed
    assert len(list(place.glob('out/run/*.onnx'))) == 1 and capsys.readouterr()
    entries = [json.loads(line) for log in place.glob('out/run/*/vis_data/scalars.json')
               for line in log.read_text().splitlines()]
    assert any('accuracy/top1' in entry for entry in entries) and len(list(place.glob('out/student-*.pth'))) == 1
    assert call('distill.py', *arguments, '--resume', cwd=place) == 0
    assert 'the run in out has ended: nothing was trained' in capsys.readouterr().out
    assert call('distill.py', *arguments, cwd=place) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        'error: out expects a folder for this run alone, got out, which holds another run. Name another one, or go on '
        'with that run (resume=True, --resume).')


@pytest.mark.parametrize(('arguments', 'message'), [
    (('--data', 'none'), 'data expects a folder of pictures, got none, which does not exist.'),
    (('--tracker', 'tensorbord'), "argument --tracker: invalid choice: 'tensorbord'"),
    (('--epochs', '0'), 'epochs expects a whole number from 1, got 0.'),
    (('--method', 'nk'), "method expects the name of one or a dict of terms, got 'nk'. Did you mean"),
    (('--teacher', 'timm:resnet1'), "teacher expects the name of a timm model, got 'resnet1'."),
    (('--teacher', 'timm:resnet18', '--teacher-checkpoint', 'a.pth'), 'a.pth'),
    (('--amp', ), '--amp'),
])
def test_mistakes_are_one_line(place, tmp_path, capsys, arguments, message):
    import torch
    if arguments == ('--amp', ) and torch.cuda.is_available():
        pytest.skip('there is a GPU')
    assert call('distill.py', '--student', STUDENT, '--teacher', 'timm:resnet18', '--data', 'shapes', '--out',
                tmp_path / 'out', *QUICK, *arguments, cwd=place) == 2
    assert message in capsys.readouterr().err.splitlines()[-1] and not (tmp_path / 'out').exists()


def test_the_config_alone(place, tmp_path, capsys):
    assert call('distill.py', '--student', STUDENT, '--teacher', 'timm:resnet10t', '--data', 'shapes', '--out',
                tmp_path / 'out', '--config-only', '--method', 'fd', *QUICK, '--cfg-options', 'model.task_weight=0.5',
                cwd=place) == 0
    text = (tmp_path / 'out/config.py').read_text()
    assert 'task_weight=0.5' in text and "teacher=dict(timm='resnet10t', pretrained=True)" in text
    assert 'is written. Train it: mmkd train' in capsys.readouterr().out


def test_a_file_takes_the_place_of_published_weights(place, tmp_path):
    import timm
    import torch
    torch.save(timm.create_model('resnet10t').state_dict(), tmp_path / 'weights.pth')
    assert call('distill.py', '--student', STUDENT, '--teacher', 'timm:resnet10t', '--teacher-checkpoint',
                tmp_path / 'weights.pth', '--data', 'shapes', '--out', tmp_path / 'out', '--config-only', '--method',
                'fd', *QUICK, cwd=place) == 0
    text = (tmp_path / 'out/config.py').read_text()
    assert f"checkpoint='{tmp_path}/weights.pth'" in text and 'pretrained=True' not in text


def test_the_log_is_quiet_beside_the_bar(place, tmp_path, capfd):
    """Recipes with mixup make mmpretrain log a line while the student is built."""
    assert call('distill.py', '--student', 'convnest-atto', '--from-scratch', '--teacher', 'timm:resnet10t', '--data',
                'shapes', '--out', tmp_path / 'out', '--config-only', '--method', 'fd', *QUICK[:-1], cwd=place) == 0
    said = capfd.readouterr()
    assert ' INFO ' not in said.out + said.err and 'method: fd' in said.err


def test_an_interruption_names_the_way_on(place, tmp_path, capsys, monkeypatch):
    from mmengine.hooks import CheckpointHook

    def stop(self, runner):
        raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointHook, 'after_train_epoch', stop)
    assert call('distill.py', '--student', STUDENT, '--teacher', 'timm:resnet10t', '--data', 'shapes', '--out',
                tmp_path / 'out', '--method', 'fd', *QUICK, '--teacher-checkpoint', weights(tmp_path), cwd=place) == 130
    assert 'interrupted. The same command with --resume goes on' in capsys.readouterr().err


def weights(folder):
    """A file of random weights, in place of published ones."""
    import timm
    import torch
    torch.save(timm.create_model('resnet10t').state_dict(), folder / 'weights.pth')
    return folder / 'weights.pth'
