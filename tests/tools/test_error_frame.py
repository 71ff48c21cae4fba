"""Every tool has the one frame: an error that a user can mend is one line, whichever tool meets it."""
import re

import pytest

from .conftest import CONVNEST, SHRINK, TOOLS, call

SCRIPTS = sorted(path for path in TOOLS.rglob('*.py') if "__name__ == '__main__'" in path.read_text())


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_every_tool_stands_in_the_frame(path):
    text = path.read_text()
    assert '@one_line_errors\ndef main(' in text and 'ToolParser(' in text and 'ArgumentParser(' not in text


CONFIGS = {
    'unknown module': ("custom_imports = dict(imports=['nothing_such'])", 'nothing_such.*install it, or correct'),
    'name': ('model = dict(type=A)', r"NameError: name 'A' is not defined \(broken.py, line 1\)"),
    'base of another type': ("_base_ = 3", 'cannot be read: '),
    'dict over a list': (f"_base_ = 'mmkd::{CONVNEST}'\nmodel = dict(neck=dict(type='A'), backbone=3)\n"
                         'train_dataloader = '
                         "dict(dataset=dict(dataset=dict(pipeline=dict(a=1))))", 'cannot be read: TypeError'),
    'empty': (f"_base_ = 'mmkd::{CONVNEST}'\noptim_wrapper = dict(_delete_=True)",
              'optim_wrapper with entries, got an empty dict'),
    'resume': (f"_base_ = 'mmkd::{CONVNEST}'\nresume = 'abc'", "resume to be True or False, got 'abc'"),
    'flag': (f"_base_ = 'mmkd::{CONVNEST}'\ntrain_dataloader = dict(sampler=dict(shuffle=None))",
             'train_dataloader.sampler.shuffle to be True or False, got None'),
    'crop': (f"_base_ = 'mmkd::{CONVNEST}'\ntrain_dataloader = dict(dataset=dict(dataset=dict(pipeline=["
             "dict(type='RandomCrop', crop_size=10**12)])))", 'crop_size to be a number from 0 to 100000'),
    'seed': (f"_base_ = 'mmkd::{CONVNEST}'\nrandomness = dict(seed=10**12)", 'seed to be a number at least 0, got 10'),
    'no channels': (f"_base_ = 'mmkd::{CONVNEST}'\ndata_preprocessor = dict(mean=[])", 'a list of one number a chan'),
    'half a normalization': (f"_base_ = 'mmkd::{CONVNEST}'\ndata_preprocessor = dict(mean=None)", 'and std or neither'),
    'flag of a misspelt name': (f"_base_ = 'mmkd::{CONVNEST}'\nresme = True", 'got resme. Did you mean resume'),
    'a list that is not there': (
        f"_base_ = 'mmkd::{CONVNEST}'\ntrain_dataloader = dict(dataset=dict(dataset=dict(metainfo=dict(classes='a'))))",
        "the file of a list of them, got 'a'"),
    'misspelt class names': (
        f"_base_ = 'mmkd::{CONVNEST}'\ntrain_dataloader = dict(dataset=dict(dataset=dict(metainfo=dict(clases=[]))))",
        "got 'clases'. Did you mean classes"),
    'class names': (f"_base_ = 'mmkd::{CONVNEST}'\ntrain_dataloader = dict(dataset=dict(dataset=dict(metainfo=3)))",
                    'metainfo to be a dict, got 3'),
    'hook on top of the one it is for': (
        f"_base_ = 'mmkd::{CONVNEST}'\ndefault_hooks = dict(param_sheduler=dict(type='ParamSchedulerHook'))",
        "got 'param_sheduler'. Did you mean param_scheduler"),
    'bytes': ('\udcff', 'cannot be read'),
}


@pytest.mark.parametrize('case', CONFIGS)
def test_configs_that_cannot_be_read(tmp_path, capsys, case):
    text, message = CONFIGS[case]
    (tmp_path / 'broken.py').write_bytes(text.encode(errors='surrogateescape'))
    for script in ('train.py', 'analysis_tools/get_flops.py'):
        assert call(script, 'broken.py', cwd=tmp_path) == 2
        out, err = capsys.readouterr()
        [line] = [line for line in err.splitlines() if line.startswith('error: ')]
        assert 'Traceback' not in out + err
        assert re.search(message, line), line


def test_the_traceback_is_shown_if_asked_for(tmp_path, capsys):
    assert call('train.py', 'nothing.py', '--traceback', cwd=tmp_path) == 2
    err = capsys.readouterr().err
    assert 'Traceback' in err and 'find_config' in err and err.splitlines()[-1].startswith('error: config expects')
    assert call('train.py', 'nothing.py', cwd=tmp_path) == 2
    assert 'Traceback' not in capsys.readouterr().err


def test_a_folder_that_cannot_be_made(home, capsys):
    (home / 'a file').touch()
    assert call('train.py', CONVNEST, '--work-dir', 'a file/work', '--cfg-options', *SHRINK, cwd=home) == 2
    assert 'a file' in capsys.readouterr().err.splitlines()[-1]
