import numpy as np
import pytest
import torch
from PIL import Image

from mmkd.export.pictures import Preparation, ValidationSet, picture_files, read_pictures, sample_pictures
from mmkd.export.quantising import same_files
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

DIGITS = 'quickstart/convnest-mini_digits-5shot.py'


@pytest.fixture
def folder(tmp_path):
    """Three pictures, one of them cut off, and what systems leave beside them."""
    rng = np.random.default_rng(0)
    for name, shape in (('a.png', (40, 60, 3)), ('sub/b.jpg', (64, 48, 3)), ('c.png', (50, 50, 3))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / 'c.png').write_bytes((tmp_path / 'c.png').read_bytes()[:100])
    (tmp_path / '._a.png').write_bytes(b'')
    (tmp_path / 'notes.txt').write_text('none')
    return tmp_path


def test_damaged_pictures_are_named_and_counted(folder):
    files = picture_files(str(folder), '--images')
    assert [path.name for path in files] == ['a.png', 'c.png', 'b.jpg']
    said = []
    pictures = read_pictures(files, Preparation(None, 3, (32, 32)), 8, said.append)
    assert pictures.shape == (2, 3, 32, 32) and pictures.dtype == torch.float32 and pictures.max() > 100
    assert len(said) == 2 and 'c.png' in said[0] and said[1].startswith('1 of 3 pictures')


def test_no_pictures(folder, tmp_path):
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=r'--calibration expects pictures \(.jpg.*empty, which has none'):
        picture_files(str(tmp_path / 'empty'), '--calibration')
    with pytest.raises(UserError, match='--images expects a folder of pictures, got .*not there'):
        picture_files(str(tmp_path / 'nowhere'), '--images')
    with pytest.raises(UserError, match='none of the 1'):
        read_pictures([folder / 'c.png'], Preparation(None, 3, None), 8, lambda text: None)


def test_files_are_read_as_the_validation_set_reads_them(home, monkeypatch):
    monkeypatch.chdir(home)
    config = load_config(DIGITS)
    validation = ValidationSet(config, 3)
    file = validation.files()[7]
    picture, label = validation.picture(7)
    assert label == int(file.parent.name) and len(validation) == 500
    prepared = Preparation(config, 3, None)(file)
    assert torch.equal(picture, prepared)
    expected = np.asarray(Image.open(file).convert('RGB')).transpose(2, 0, 1)
    assert np.array_equal(picture.numpy(), expected)  # in RGB
    some = validation.some(5, None)
    assert some.shape == (5, 3, 32, 32) and not torch.equal(some[0], some[4])
    pictures, labels = next(validation.batches((32, 32), most=50, batch=50))
    assert len(pictures) == 50 and len(labels.unique()) == 10  # not the first classes only


def test_colours_come_out_in_rgb(tmp_path):
    Image.new('RGB', (32, 32), (200, 20, 10)).save(tmp_path / 'red.png')
    config = load_config(DIGITS)
    for prepare in (Preparation(config, 3, None), Preparation(None, 3, (32, 32))):
        assert prepare(tmp_path / 'red.png')[:, 3, 3].tolist() == [200, 20, 10]
    assert Preparation(None, 1, (16, 16))(tmp_path / 'red.png').shape == (1, 16, 16)


def test_a_validation_set_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match='does not exist'):
        ValidationSet(load_config(DIGITS), 3)
    with pytest.raises(UserError, match='no validation set'):
        ValidationSet(None, 3)


def test_sample_pictures():
    pictures = sample_pictures(3, (48, 40))
    assert pictures.shape == (8, 3, 48, 40) and pictures.std() > 20
    assert sample_pictures(1, (48, 40)).shape == (8, 1, 48, 40)


def test_equal_files_are_found(folder):
    (folder / 'copy.png').write_bytes((folder / 'a.png').read_bytes())
    assert same_files([folder / 'copy.png', folder / 'c.png'], [folder / 'a.png', folder / 'sub/b.jpg']) == 1


def test_a_set_that_is_not_there_is_mended_by_what_an_export_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r'val_dataloader.dataset.data_root in a config .* by --config\.') as error:
        ValidationSet(load_config(DIGITS), 3)
    assert '--cfg-options' not in str(error.value)
