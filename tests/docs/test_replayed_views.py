"""The code of the page on replayed views runs."""
from tests.apis.distilling.conftest import write_classes
from tests.docs.pages import code_to_run


def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / 'data' / 'flowers')
    (block, ) = code_to_run('replayed_views.md')
    names: dict = {}
    exec(block, names)
    assert names['epoch'] == 3 and len(names['views']) > 4
