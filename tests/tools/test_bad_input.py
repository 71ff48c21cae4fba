"""A mistake in a config, a flag or a file ends tools/train.py and tools/test.py with one line that helps."""
import os
import re
import types
from pathlib import Path

import pytest
import torch

from mmkd.utils.configs.finding import config_root

from .conftest import CONVNEST, SHRINK, SLAK, call, spawn

CONFIGS = {
    'broken.py': "_base_ = './nothing-here.py'",
    'scribble.py': 'model = dict(',
    'student.py': "_base_ = './recipe.py'\nmodel = dict(student=dict(options={'model.backbone.arch': 'tinny'}))",
    'pretrained.py': f"_base_ = '{config_root()}/{CONVNEST}'\nmodel = dict(backbone=dict("
                     "init_cfg=dict(_delete_=True, type='Pretrained', checkpoint='evil.pth', prefix='backbone.')))",
    'classes.py': "_base_ = './recipe.py'\n"
                  "model = dict(teacher=dict(checkpoint=None, options={'model.head.num_classes': 7}))",
}


class RunsCode:
    """What a malicious checkpoint would hold."""

    def __reduce__(self):
        return os.mkdir, ('pwned', )


@pytest.fixture(scope='session')
def files(workplace, plain_run) -> Path:
    """The workplace with configs and checkpoints that nobody wants."""
    for name, text in CONFIGS.items():
        (workplace / name).write_text(text + '\n')
    teacher = (workplace / 'teacher/epoch_4.pth').read_bytes()
    (workplace / 'truncated.pth').write_bytes(teacher[:len(teacher) // 2])
    torch.save(dict(state_dict=RunsCode(), meta={}), workplace / 'evil.pth')
    (workplace / 'work').mkdir()
    return workplace


def assert_one_line(status: int, out: str, err: str, message: str) -> None:
    assert status == 2, err
    assert 'Traceback' not in out + err
    errors = [line for line in err.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1 and re.search(message, errors[0]), err
    assert err.splitlines()[-1] == errors[0]


def options(*pairs: str) -> list[str]:
    return ['--work-dir', 'work', '--cfg-options', *SHRINK, *pairs]


TRAIN = {
    'unknown config': (['quickstart/convnest-mini_digit-5shot.py'],
                       r'existing file, got .* Did you mean quickstart/convnest-mini_digits-5shot.py'),
    'unknown base config': (['broken.py'], r'config broken.py cannot be read: .*nothing-here.py'),
    'no Python': (['scribble.py'], r'config scribble.py cannot be read: .*line 1'),
    'unknown arch': ([CONVNEST, *options('model.backbone.arch=tinny')], "known arch, got 'tinny'. Did you mean tiny"),
    'unknown arch of the student': (['student.py'], "known arch, got 'tinny'. Did you mean tiny"),
    'options as text': (['recipe.py', *options('model.student.options=tiny')], "options to be a dict .*, got 'tiny'"),
    'unknown backbone': ([CONVNEST, *options('model.backbone.type=mmkd.ConvNest')],
                         "registered model, got 'mmkd.ConvNest'. Did you mean mmkd.ConvNeSt"),
    'unknown model': ([CONVNEST, *options('model.type=ImageClasifier')], 'Did you mean mmpretrain.ImageClassifier'),
    'unknown tap': (['recipe.py', *options('model.terms.fd.student=stage7')], "no tap 'stage7'. Did you mean stage"),
    'unknown loss': (['recipe.py', *options('model.terms.nkd.loss.type=mmkd.NKDLos')],
                     "got 'mmkd.NKDLos'. Did you mean mmkd.NKDLoss"),
    'other classes': (['classes.py'],
                      r'\(2, 10\) from the student and \(2, 7\) from the teacher. Give both models the same num_cl'),
    'features that do not fit': (['recipe.py', *options('model.terms.fd.connector=None')],
                                 r"term 'fd' does not fit its taps \(student stage2: \(2, 32, 4, 4\); teacher stage2: "
                                 r'\(2, 128, 4, 4\)\): .*Add connector='),
    'missing teacher': (['recipe.py', *options('model.teacher.checkpoint=teacher/none.pth')],
                        'existing file, got teacher/none.pth'),
    'teacher of another model': (['recipe.py', *options('model.teacher.checkpoint=plain/epoch_4.pth')],
                                 'teacher ImageClassifier from plain/epoch_4.pth: .*another model'),
    'truncated teacher': (['recipe.py', *options('model.teacher.checkpoint=truncated.pth')],
                          'truncated.pth is truncated or no checkpoint'),
    'teacher with code': (['recipe.py', *options('model.teacher.checkpoint=evil.pth')], 'evil.pth .* may run code'),
    'resume another model': ([CONVNEST, '--resume', 'teacher/epoch_4.pth', *options()], 'another model or recipe'),
    'resume truncated': ([CONVNEST, '--resume', 'truncated.pth', *options()], 'truncated.pth is truncated'),
    'resume code': ([CONVNEST, '--resume', 'evil.pth', *options()], 'evil.pth .* may run code'),
    'start from code': ([CONVNEST, *options('load_from=evil.pth')], 'evil.pth .* may run code'),
    'pretrained backbone with code': (['pretrained.py'], 'evil.pth .* may run code'),
}
TEST = {
    'missing': ('none.pth', 'existing file, got none.pth'),
    'of another model': ('teacher/epoch_4.pth', r'\d+ of \d+ tensors matched; missing .*another model'),
    'truncated': ('truncated.pth', 'truncated.pth is truncated or no checkpoint'),
    'with code': ('evil.pth', 'evil.pth .* may run code'),
}


@pytest.mark.parametrize('case', TRAIN)
def test_train(files, capsys, case):
    arguments, message = TRAIN[case]
    status = call('train.py', *arguments, cwd=files)
    assert_one_line(status, *capsys.readouterr(), message)
    assert not (files / 'pwned').exists()


@pytest.mark.parametrize('case', TEST)
def test_test(files, capsys, case):
    checkpoint, message = TEST[case]
    status = call('test.py', CONVNEST, checkpoint, '--work-dir', 'work', cwd=files)
    assert_one_line(status, *capsys.readouterr(), message)
    assert not (files / 'pwned').exists()


@pytest.mark.parametrize('script', ['train.py', 'test.py'])
def test_missing_data(tmp_path, capsys, script):
    arguments = [CONVNEST, *(['some.pth'] if script == 'test.py' else [])]
    status = call(script, *arguments, cwd=tmp_path)
    assert_one_line(status, *capsys.readouterr(), r'expects data/digits, which does not exist. .*digits.py')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('script', 'arguments', 'message'), [
    ('train.py', TRAIN['teacher with code'][0], 'may run code'),
    ('test.py', [SLAK, 'truncated.pth', '--work-dir', 'work'], 'is truncated'),
])
def test_in_a_process_of_its_own(files, script, arguments, message):
    result = spawn(script, *arguments, cwd=files)
    assert_one_line(result.returncode, result.stdout, result.stderr, message)
    assert not (files / 'pwned').exists()


def test_trust_has_to_be_given_each_time(files, plain_run, capsys):
    checkpoint = torch.load(plain_run / 'epoch_4.pth', weights_only=False)
    torch.save(checkpoint | dict(flags=types.SimpleNamespace()), files / 'objects.pth')
    arguments = [CONVNEST, 'objects.pth', '--work-dir', 'work']
    statuses = [call('test.py', *arguments, *trust, cwd=files) for trust in ([], ['--trust-checkpoint'], [])]
    assert statuses == [2, 0, 2]
    assert capsys.readouterr().err.count('If you trust its source, pass --trust-checkpoint.') == 2
