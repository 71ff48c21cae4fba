"""Where images come from."""
import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmkd.analysis.command.images import ImageFolder, ValidationImages, find_images
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

COLOUR = (200, 100, 50)


@pytest.fixture
def folder(tmp_path):
    """Two classes of two and one images, and things that are none."""
    for name in ('cat/1.png', 'cat/2.PNG', 'dog/1.png'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new('RGB', (8, 6), COLOUR).save(path, 'PNG')
    (tmp_path / 'cat' / 'notes.txt').write_text('no image')
    return tmp_path


def config_of(folder, **dataset):
    init_default_scope('mmpretrain')
    dataset = dict(type='CustomDataset', data_root=str(folder), pipeline=[dict(type='LoadImageFromFile')]) | dataset
    return Config(dict(val_dataloader=dict(dataset=dataset)))


def test_a_folder_with_classes(folder):
    (folder / '.cache').mkdir()
    (folder / '.cache' / '1.png').write_bytes((folder / 'cat/1.png').read_bytes())
    source = find_images(str(folder), [])
    assert len(source) == 3 and source.labels == [0, 0, 1] and source.classes == ('cat', 'dog')
    assert source.read(0).shape == (6, 8, 3) and tuple(source.read(0)[0, 0]) == COLOUR
    assert source.describe(2) == str(folder / 'dog/1.png')


def test_a_folder_without_classes(folder):
    Image.new('L', (8, 6), 7).save(folder / 'a.png')
    source = ImageFolder(folder)
    assert len(source) == 4 and source.labels is None and source.classes == ()
    assert source.read(0).shape == (6, 8, 3) and (source.read(0) == 7).all()


def test_a_validation_set_is_in_rgb_too(folder):
    source = ValidationImages(config_of(folder), 'my config')
    assert len(source) == 3 and source.labels == [0, 0, 1] and source.classes == ('cat', 'dog')
    assert tuple(source.read(0)[0, 0]) == COLOUR


def test_inside_a_wrapper(folder):
    config = config_of(folder)
    config.val_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=config.val_dataloader.dataset)
    assert len(ValidationImages(config, 'my config')) == 3


def test_the_first_config_with_images(folder):
    source = find_images(None, [('timm', None), ('bare', Config({})), ('mine', config_of(folder))])
    assert source.name == 'the validation set of mine'


def test_damaged_images(folder):
    (folder / 'cat/1.png').write_bytes(b'\x89PNG none')
    (folder / 'dog/1.png').write_bytes((folder / 'dog/1.png').read_bytes()[:40])
    for source in (ImageFolder(folder), ValidationImages(config_of(folder), 'my config')):
        for index in (0, 2):
            with pytest.raises(OSError):
                source.read(index)
        assert source.read(1).shape == (6, 8, 3)


def test_grey_images_of_a_config(folder):
    cv2.imwrite(str(folder / 'cat/1.png'), np.full((6, 8), 9, np.uint8))
    config = config_of(folder, pipeline=[dict(type='LoadImageFromFile', color_type='grayscale')])
    assert (ValidationImages(config, 'my config').read(0) == 9).all()


@pytest.mark.parametrize(('where', 'message'), [
    ('nowhere', 'got nowhere, which is no folder'), ('', 'found none'),
    ('quickstart/nothing.py', 'config expects an existing file'), (None, 'no model has a config with validation')])
def test_no_images(tmp_path, where, message):
    with pytest.raises(UserError, match=message):
        find_images(str(tmp_path) if where == '' else where, [('timm', None)])


def test_a_config_without_a_validation_set():
    with pytest.raises(UserError, match='bare expects a val_dataloader, has none'):
        ValidationImages(Config({}), 'bare')


def test_a_set_that_is_not_there_is_mended_by_what_an_analysis_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match='give a folder of images by --images') as error:
        ValidationImages(load_config('quickstart/convnest-mini_digits-5shot.py'), 'x')
    assert '--cfg-options' not in str(error.value)
