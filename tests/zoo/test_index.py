"""The model index, and what a recipe may call a checkpoint."""
from importlib import import_module
from pathlib import Path

import pytest

from mmkd.utils import UserError
from mmkd.utils.configs import config_root, load_config
from mmkd.zoo import find_checkpoint, model_index
from mmkd.zoo.download import cached_path


def test_every_entry_names_its_config_and_figures():
    index = model_index()
    assert 'convnest-tiny_32xb128_in1k' in index
    for name, entry in index.items():
        if 'Converted From' in entry:  # others' weights for a model of ours
            assert entry['Weights'] and entry['Converted From']['Code'].startswith('https://')
        else:
            assert Path(entry['Config']).stem == name
        assert load_config(config_root().parent / entry['Config']).model
        assert all(result['Metrics'] for result in entry['Results'])


def test_a_local_file_is_taken_as_it_is(tmp_path, monkeypatch):
    (tmp_path / 'my.pth').touch()
    monkeypatch.setenv('HOME', str(tmp_path))
    assert find_checkpoint(str(tmp_path / 'my.pth')) == find_checkpoint('~/my.pth') == str(tmp_path / 'my.pth')


@pytest.mark.parametrize(('name', 'message'), [
    ('convnest-tiny_32xb128_in1k', 'no published weights yet. Train it with configs/convnest/convnest-tiny_32xb128'),
    ('convnest-tinny_32xb128_in1k', 'in the model index, got .* Did you mean convnest-tiny_32xb128_in1k'),
    ('work_dirs/none/epoch_1.pth', 'existing file, got work_dirs/none/epoch_1.pth'),
])
def test_what_is_not_there(name, message):
    with pytest.raises(UserError, match=message):
        find_checkpoint(name)


def test_published_weights_are_downloaded(tmp_path, monkeypatch):
    (tmp_path / 'weights.pth').write_bytes(b'weights')
    monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'cache'))
    entry = dict(Weights=(tmp_path / 'weights.pth').as_uri())
    monkeypatch.setattr('mmkd.zoo.index.model_index', lambda: dict(published=entry))
    assert Path(find_checkpoint('published')).read_bytes() == b'weights'


def test_others_weights_have_a_name_that_says_what_they_are():
    names = {name for name, entry in model_index().items() if 'Converted From' in entry}
    assert {'slak-tiny_in1k', 'cswin-tiny_in1k', 'convnext-tiny_in1k', 'resnet50_vanilla-kd_in1k'} <= names
    assert all(name.endswith('in1k') and '_' in name for name in names)
    for name in names:
        assert cached_path(model_index()[name]['Weights']).name.endswith('.pth')


def test_converters_of_the_index_exist():
    for name, entry in model_index().items():
        if 'Converted By' in entry:
            assert import_module(entry['Converted By']), name
