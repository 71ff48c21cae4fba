import json
import os
import time
from dataclasses import replace

import pytest
import torch
from mmengine.config import Config

from mmkd.experiments.jobs.training import PublishJob, TrainingJobs, TrainJob, _data_stamp
from mmkd.utils.command_line.overrides import parse_value
from mmkd.utils.configs.finding import config_root


@pytest.fixture
def job(tmp_path):
    config = Config(dict(train_cfg=dict(max_epochs=2)))
    return TrainJob('a', tmp_path / 'a', ['python', lambda: 'late'], key='k', config=config, iterations=40)


def leave(job, epoch, validated=(), iteration=0):
    """What a run that was interrupted after an epoch leaves."""
    job.folder.mkdir()
    torch.save({}, job.folder / f'epoch_{epoch}.pth')
    (job.folder / 'last_checkpoint').write_text(str(job.folder / f'epoch_{epoch}.pth'))
    lines = [dict(loss=1., iter=iteration, step=iteration)]
    lines += [{'accuracy/top1': 10. * number, 'time': 1., 'data_time': 1., 'step': number} for number in validated]
    path = job.folder / '20260101/vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def test_command(job):
    assert job.command(False) == ['python', 'late']
    assert job.command(True) == ['python', 'late', '--resume']


def test_goes_on_after_an_epoch(job):
    assert not job.can_resume()
    leave(job, 1, [1], 20)
    assert job.can_resume()
    assert job.collect() is None
    assert job.progress() == (20, 40)


def test_makes_up_for_its_last_validation(job):
    leave(job, 2, [1], 40)
    assert job.can_resume() and job.collect() is None


def test_half_of_a_run_of_other_settings_is_kept(job):
    """As after an upgrade, or with a mistyped option, between two calls of a comparison."""
    leave(job, 1, [1], 20)
    job.note()
    other = replace(job, key='other')
    assert not other.prepare() and not any(other.folder.iterdir())
    assert other.earlier == job.folder.with_name('a.1') and (other.earlier / 'epoch_1.pth').is_file()
    other.note()
    assert not job.prepare() and not job.folder.with_name('a.2').exists()  # nothing was saved of that one


def test_seconds_are_those_of_what_was_kept(job):
    """Killed 30 s after it began, 10 s after its last checkpoint; and again before the next one."""
    leave(job, 1, [1], 20)
    now = time.time()
    os.utime(job.folder / 'epoch_1.pth', (now - 10, now - 10))
    job.seconds, job.started = 30., now - 30
    job.note()
    assert job.prepare() and job.seconds == pytest.approx(20, abs=0.2)
    job.started, job.seconds = now, job.seconds + 5
    job.note()
    assert job.prepare() and job.seconds == pytest.approx(20, abs=0.2)


def test_seconds_of_a_lost_run_do_not_count(job):
    job.folder.mkdir()
    job.seconds, job.started = 30., time.time() - 30
    job.note()
    assert not job.prepare() and job.seconds == 0


def test_collects_the_last_validation(job):
    leave(job, 2, [1, 2], 40)
    assert job.can_resume()
    assert job.collect() == {'accuracy/top1': 20.}


def test_is_not_done_without_its_checkpoint(job):
    leave(job, 2, [1, 2], 40)
    job.save('done.json', metrics={})
    assert job.done()
    (job.folder / 'epoch_2.pth').unlink()
    assert job.done() is None


def test_publishing_copies_the_file(tmp_path):
    job = PublishJob('p', tmp_path / 'p', ['python'], key='k', target=tmp_path / 'student.pth')
    job.folder.mkdir()
    assert job.collect() is None
    (job.folder / 'student-01234567.pth').write_text('weights')
    assert job.collect()['then'] == f'cp {job.folder / "student-01234567.pth"} {tmp_path / "student.pth"}'
    assert (tmp_path / 'student.pth').read_text() == 'weights'
    job.save('done.json', metrics={})
    assert job.done()
    (tmp_path / 'student.pth').unlink()
    assert job.done() is None


def test_a_schedule_takes_the_place_of_a_weight(tmp_path):
    schedule = dict(value=1.0, warmup=2)
    (tmp_path / 'kd.py').write_text(f"_base_ = '{config_root()}/fashion/methods/kd.py'\n"
                                    "train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=9)")
    made = TrainingJobs().job('a', tmp_path / 'a', str(tmp_path / 'kd.py'), {'model.terms.kd.weight': schedule})
    assert made.config.model.terms.kd.weight == schedule
    option, = [word for word in made.arguments if str(word).startswith('model.terms.kd.weight=')]
    assert parse_value(option.partition('=')[2]) == schedule


@pytest.mark.parametrize('name', ['digits.json', 'fashion.json'])
def test_data_of_every_converter_have_a_stamp(tmp_path, name):
    """Runs on data that were made anew are made anew."""
    assert _data_stamp(tmp_path) == {}
    (tmp_path / name).write_text('{"format": 1, "seed": 3}')
    assert _data_stamp(tmp_path) == dict(format=1, seed=3)
