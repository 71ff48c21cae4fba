"""The model index, and what a recipe may call a checkpoint."""
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from mmkd import get_model

from mmkd.utils import UserError
from mmkd.utils.configs.finding import config_root, load_config
from mmkd.zoo import find_checkpoint, model_index
from mmkd.zoo.download import cached_path


def test_every_entry_names_its_config_and_figures():
    index = model_index()
    assert 'convnest-tiny_32xb128_in1k' in index
    for name, entry in index.items():
        if 'Converted From' in entry:  # others' weights for a model of ours
            assert ('Weights' in entry) != ('Weights Folder' in entry)
            assert entry['Converted From']['Code'].startswith('https://') and entry['Results']
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
    ('convnest-tiny_in1k', 'has no published weights: train it'),
    ('convnest-tinny_32xb128_in1k', 'in the model index, got .* Did you mean convnest-tiny_32xb128_in1k'),
    ('resnet50_swin-large-scalekd_in1k', 'only a browser can open: https://drive.google.com/.* give the path'),
    ('work_dirs/none/epoch_1.pth', r'existing file, got work_dirs/none/epoch_1.pth\. Check the path\.$'),
    ('work_dirs/quickstart/teacher/epoch_15.pth', r'epoch_15.pth. Check .* makes it: bash tools/quickstart\.sh$'),
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


def test_weights_that_come_along(tmp_path, monkeypatch):
    (tmp_path / 'configs').mkdir()
    monkeypatch.setattr('mmkd.zoo.index.config_root', lambda: tmp_path / 'configs')
    entry = dict(Weights='checkpoints/mine-0123abcd.pth', Config='configs/mine.py')
    monkeypatch.setattr('mmkd.zoo.index.model_index', lambda: dict(mine=entry))
    with pytest.raises(UserError, match='not with its wheel: .*mine-0123abcd.pth does not exist.*configs/mine.py'):
        find_checkpoint('mine')
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints/mine-0123abcd.pth').write_bytes(b'weights')
    assert find_checkpoint('mine') == str(tmp_path / 'checkpoints/mine-0123abcd.pth')
    entry['SHA256'] = '00' * 32
    with pytest.raises(UserError, match='expects sha256 0000.*damaged'):
        find_checkpoint('mine')


def test_files_of_this_repository():
    """Each is listed, whole, of its config, and loads strictly."""
    folder = config_root().resolve().parent / 'checkpoints'
    listed = json.loads((folder / 'checkpoints.json').read_text(encoding='utf-8'))
    assert {path.name for path in folder.glob('*.pth')} == {entry['file'] for entry in listed.values()}
    for name, entry in listed.items():
        indexed = model_index()[name]
        assert indexed['Weights'] == f'checkpoints/{entry["file"]}' and indexed['SHA256'] == entry['sha256']
        assert indexed['Config'] == entry['config'] and indexed['Results'] and indexed['Command']
        assert (folder / entry['file']).stat().st_size == entry['bytes'] < 1e6
        assert get_model(name, pretrained=True)


def test_others_weights_have_a_name_that_says_what_they_are():
    index = model_index()
    names = {name for name, entry in index.items() if 'Converted From' in entry}
    assert {'slak-tiny_in1k', 'cswin-tiny_in1k', 'convnext-tiny_in1k', 'resnet50_vanilla-kd_in1k'} <= names
    assert all('_' in name and name.endswith(('in1k', '_cifar100', '_ade20k', '_coco')) for name in names)
    files = [cached_path(index[name]['Weights']) for name in names if 'Weights' in index[name]]
    assert all(path.suffix in ('.pth', '.safetensors') for path in files)
    assert len(set(files)) == len(files)


# Trained by the recipes themselves, or planned to be: nobody has published them.
UNPUBLISHED = {
    'convnest-atto_in1k', 'convnest-femto_in1k', 'convnest-pico_in1k', 'convnest-nano_in1k', 'convnest-tiny_in1k',
    'convnest-small_in1k', 'convnest-base_in1k', 'convnext-atto_in1k', 'convnext-femto_in1k', 'convnext-pico_in1k',
    'convnext-nano_in1k'}


def test_checkpoints_that_recipes_name_are_in_the_index():
    """But for paths, which the recipes' headers tell how to make, and for UNPUBLISHED."""
    used = {found for path in config_root().rglob('*.py') for found in
            re.findall(r"""checkpoint=['"]([^'"]+)['"]""", path.read_text(encoding='utf-8'))}
    names = {name for name in used if '/' not in name}
    published = {name for name, entry in model_index().items() if 'Weights' in entry}
    assert len(names) > 30 and names - published == UNPUBLISHED


def test_converters_of_the_index_exist():
    for name, entry in model_index().items():
        if 'Converted By' in entry:
            assert import_module(entry['Converted By']), name
