import json

import pytest

from mmkd.experiments.jobs.analysis import AnalysisJob


@pytest.fixture
def job(tmp_path):
    folder = tmp_path / 'inside-erf'
    arguments = ['python', 'tools/analysis_tools/receptive_field.py', lambda: 'a.py=epoch_2.pth', '--labels',
                 'the model', '--out', str(folder)]
    job = AnalysisJob('inside-erf', folder, arguments, 'key', word='erf', stem='receptive_field', arrays=True)
    folder.mkdir()
    return job


def leave(job, arrays=True):
    content = dict(numbers=dict(a=1.5), settings=dict(images=dict(number=3, size=32)))
    (job.folder / 'receptive_field.json').write_text(json.dumps(content))
    if arrays:
        (job.folder / 'receptive_field.npz').touch()


def test_numbers_and_the_command_to_type(job):
    assert job.collect() is None
    leave(job)
    assert job.collect() == dict(command="mmkd analyse erf a.py=epoch_2.pth --labels 'the model'",
                                 images=dict(number=3, size=32), numbers=dict(a=1.5))


def test_done_with_its_files_only(job):
    leave(job)
    job.save('done.json', metrics=job.collect())
    assert job.done()['metrics']['numbers'] == dict(a=1.5)
    (job.folder / 'receptive_field.npz').unlink()
    assert job.done() is None
    leave(job)
    job.key = 'another'  # a model has changed
    assert job.done() is None


def test_a_cut_off_file_is_no_result(job):
    leave(job)
    (job.folder / 'receptive_field.json').write_text('{"numbers": ')
    assert job.collect() is None


def test_numbers_without_arrays(job):
    leave(job, arrays=False)
    assert job.collect() is None
    job.arrays = False
    assert job.collect()
