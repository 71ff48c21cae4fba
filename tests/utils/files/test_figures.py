"""Pictures under the names that options give them."""
import pytest
from matplotlib.figure import Figure

from mmkd.utils import UserError
from mmkd.utils.files.figures import save_figure


def test_the_file_is_the_one_that_was_named_or_none(tmp_path):
    for name in ('a.png', 'new/a.svg'):
        save_figure(Figure(), tmp_path / name, '--out')
        assert (tmp_path / name).stat().st_size > 0
    before = sorted(tmp_path.rglob('*'))
    for name in ('b', 'b.doc', 'new', 'a.png/b.png'):
        with pytest.raises(UserError, match='--plot expects a picture that .*, such as .*.png, got .*Choose'):
            save_figure(Figure(), tmp_path / name, '--plot')
    assert sorted(tmp_path.rglob('*')) == before
