"""The files that a run's model starts from."""
from pathlib import Path

import pytest
from mmengine.config import Config

from mmkd.distillers.models import building
from mmkd.experiments.jobs.initial_weights import (
    FILE_KEYS,
    FORMS,
    check_files,
    hashes,
    initial_files,
    teacher_files,
)
from mmkd.experiments.jobs.scheduler import Job
from mmkd.experiments.jobs.training import PublishJob, TrainingJobs
from mmkd.recipes import weightless
from mmkd.utils import UserError


def plain(checkpoint: str) -> Config:
    return Config(dict(model=dict(type='A', backbone=dict(init_cfg=[
        dict(type='Kaiming', layer='Conv2d'), dict(type='Pretrained', checkpoint=checkpoint)]))))


def recipe(**student) -> Config:
    return Config(dict(model=dict(type='mmkd.Distiller', student=student, teacher=dict(
        type='B', checkpoint='t.pth', init_cfg=dict(type='Pretrained', checkpoint='teacher.pth')))))


def test_of_a_model_and_of_a_student():
    configs = {'a.py': plain('a.pth')}
    assert initial_files(plain('a.pth'), configs.get) == [Path('a.pth')]
    assert initial_files(recipe(config='a.py'), configs.get) == [Path('a.pth')]
    init_cfg = dict(type='mmengine.Pretrained', checkpoint='c.pth')
    assert initial_files(recipe(type='A', init_cfg=init_cfg), configs.get) == [Path('c.pth')]
    dotted = {'model.backbone.init_cfg.1.checkpoint': 'c.pth'}
    for options in (dotted, dict(model=dict(backbone=dict(init_cfg=[init_cfg])))):
        assert initial_files(recipe(config='a.py', options=options), configs.get) == [Path('c.pth')]
    assert initial_files(configs['a.py'], configs.get) == [Path('a.pth')]  # as it was


@pytest.mark.parametrize('student', [
    dict(config='a.py', checkpoint='s.pth'), dict(type='A', checkpoint='s.pth'), dict(timm='a', checkpoint='s.pth'),
    dict(type='A', backbone=dict(type='B', pretrained='s.pth')), dict(type='A', teacher_ckpt='s.pth'),
    dict(type='A', checkpoint='s.pth#ema')])
def test_every_way_to_name_weights(student):
    """A checkpoint is all that is read: a student that has one is not initialised."""
    assert initial_files(recipe(**student), {'a.py': plain('a.pth')}.get) == [Path('s.pth')]


def test_the_file_of_a_timm_model():
    model = dict(type='mmpretrain.TimmClassifier', model_name='a', pretrained_cfg_overlay=dict(file='w.pth'))
    configs = {'t.py': Config(dict(model=model | dict(pretrained=True)))}
    assert initial_files(configs['t.py'], configs.get) == [Path('w.pth')]
    assert initial_files(Config(dict(model=model | dict(pretrained=False))), configs.get) == []
    taught = Config(dict(model=dict(type='mmkd.Distiller', student=dict(type='A'), teacher=dict(config='t.py'))))
    assert teacher_files(taught, configs.get) == [Path('w.pth')]


def test_weights_of_the_whole_run():
    config = plain('a.pth')
    config.load_from = 'work_dirs/whole'
    assert initial_files(config, {}.get) == [Path('a.pth'), Path('work_dirs/whole')]
    assert FILE_KEYS == weightless.FILE_KEYS


@pytest.mark.parametrize('name', [
    'https://example.org/a.pth', 'torchvision://resnet50', 'hf://org/name/a.pth', 'open-mmlab:a/resnet50.pth',
    'open-mmlab://resnet50', 'convnest-tiny_in1k'])
def test_what_is_downloaded_is_no_file(name):
    assert initial_files(plain(name), {}.get) == []
    assert initial_files(recipe(type='A', checkpoint=name), {}.get) == []
    assert initial_files(recipe(type='A', pretrained=name), {}.get) == []


def test_files_of_teachers():
    configs, config = {'a.py': plain('a.pth')}, recipe(type='A')
    assert teacher_files(config, configs.get) == [Path('t.pth')]
    config.model.teacher = dict(one=dict(config='a.py'), two=dict(type='A', checkpoint='b.pth'), three=dict(ema={}))
    assert teacher_files(config, configs.get) == [Path('a.pth'), Path('b.pth')]
    assert {*building.FORMS, 'ema', 'cache'} == FORMS
    assert teacher_files(plain('a.pth'), configs.get) == []


@pytest.fixture
def key(tmp_path, monkeypatch):
    """The key of a run of a student's and a teacher's file, each in the folder that is worked in."""
    monkeypatch.chdir(tmp_path)
    config = recipe(type='A', checkpoint='s.pth')
    config.train_cfg = dict(max_iters=3)
    config.train_dataloader = dict(batch_size=2)

    def _key(**arguments: object) -> str:
        trainings = TrainingJobs()
        trainings.load = {'r.py': config}.get
        return trainings.job('run', tmp_path / 'run', 'r.py', {}, **arguments).key

    return _key


@pytest.mark.parametrize('name', ['s.pth', 't.pth'])
def test_a_file_that_was_trained_anew_makes_another_run(key, tmp_path, name):
    (tmp_path / name).write_bytes(b'1')
    first = key()
    assert key() == first
    (tmp_path / name).write_bytes(b'2')
    assert key() != first


def test_what_a_needed_job_makes_is_known_by_that_job(key, tmp_path):
    """Its file is there after the first plan, which must not make the run another."""
    teacher = Job('teacher', tmp_path / 'teacher', [], key='1')
    publishing = PublishJob('student', tmp_path / 'student', [], key='2', target=Path('s.pth'))
    before = key(needs=[publishing], teacher=teacher)
    for name in ('s.pth', 't.pth'):
        (tmp_path / name).write_bytes(b'1')
    assert key(needs=[publishing], teacher=teacher) == before
    teacher.key = '3'
    assert key(needs=[publishing], teacher=teacher) != before


def test_a_missing_file(tmp_path):
    path = tmp_path / 'a.pth'
    with pytest.raises(UserError, match='distilled-seed0 expects the weights .*a.pth, which does not exist. Train'):
        check_files('distilled-seed0', [path])
    assert hashes([path]) == []
    path.write_bytes(b'1')
    check_files('distilled-seed0', [path])
    first = hashes([path])
    path.write_bytes(b'2')
    assert len(first) == 1 and hashes([path]) != first
