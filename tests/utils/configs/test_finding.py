"""Finding configs."""
import pytest

from mmkd.utils import UserError
from mmkd.utils.configs.finding import find_config, load_config


def test_forms_of_a_name(tmp_path):
    name = 'convnest/convnest-tiny_32xb128_in1k.py'
    assert find_config(name) == find_config(f'mmkd::{name}')
    assert find_config('mmpretrain::resnet/resnet50_8xb32_in1k.py').is_file()
    (tmp_path / 'mine.py').write_text('a = dict(b=1)')
    assert load_config(tmp_path / 'mine.py', {'a.b': 2}).a.b == 2


@pytest.mark.parametrize(('name', 'message'), [
    ('convnest/convnest-tinny_32xb128_in1k.py', 'Did you mean .*convnest/convnest-tiny_32xb128_in1k.py'),
    ('mmpretrain::resnet/resnet50_8xb32_in1.py', 'Did you mean .*resnet/resnet50_8xb32_in1k.py'),
    ('nosuchpackage::a.py', 'is not installed'),
])
def test_unknown_names_list_the_nearest(name, message):
    with pytest.raises(UserError, match=message):
        find_config(name)


def test_a_name_imports_nothing(tmp_path, monkeypatch):
    (tmp_path / 'evil.py').write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ('evil.configs::a.py', 'evil::a.py'):
        with pytest.raises(UserError, match='is not installed|ships no configs'):
            find_config(name)
