"""What is a job's folder, and may be removed."""
import pytest

from mmkd.experiments.jobs.folders import is_job_folder, remove_job_folder


@pytest.mark.parametrize('name', ['run.json', 'done.json'])
@pytest.mark.parametrize(('content', 'own'), [('{"key": ""}', True), ('{"lr": 0.1}', False), ('', False)])
def test_only_a_job_s_folder_is_removed(tmp_path, name, content, own):
    folder = tmp_path / 'a'
    folder.mkdir()
    (folder / 'results.csv').write_text('1')
    (folder / name).write_text(content)
    assert is_job_folder(folder) == remove_job_folder(folder) == own
    assert folder.exists() != own


def test_what_is_not_there_is_no_job_s(tmp_path):
    assert not remove_job_folder(tmp_path / 'none')
