"""Fashion-MNIST's files: read as they are, and refused where they are not."""
import gzip

import numpy as np
import pytest

from mmkd.datasets import fashion_mnist
from mmkd.datasets.fashion_mnist import DEBIAN, IMAGES, LABELS, check_fashion_files, fetch_files, read_files, read_idx
from mmkd.utils import UserError
from tests.fashion_files import idx, photos, write_fashion


@pytest.mark.parametrize('packed', [False, True])
def test_files_are_read_as_written(tmp_path, packed):
    known = write_fashion(tmp_path, packed=packed)
    files = read_files(tmp_path, known)
    images, labels = photos(240, 0)
    assert list(files) == list(known) == list(fashion_mnist.SHA256)
    assert (read_idx(files[IMAGES]) == images).all() and (read_idx(files[LABELS]) == labels).all()


def test_a_missing_file_is_named_with_the_way_to_get_it(tmp_path):
    known = write_fashion(tmp_path, packed=True)
    (tmp_path / f'{LABELS}.gz').unlink()
    with pytest.raises(UserError, match=rf'expects {LABELS} or {LABELS}.gz in .*apt-get install'):
        read_files(tmp_path, known)


def test_another_content_is_shown_by_its_hash(tmp_path):
    known = write_fashion(tmp_path)
    content = bytearray((tmp_path / IMAGES).read_bytes())
    content[-1] ^= 1
    (tmp_path / IMAGES).write_bytes(content)
    with pytest.raises(UserError, match=rf'{known[IMAGES]}.*got [0-9a-f]{{64}}: it is damaged'):
        read_files(tmp_path, known)


@pytest.mark.parametrize('damage', [
    lambda packed: packed[:-20], lambda packed: packed[:200], lambda packed: b'<html>no such file</html>',
    lambda packed: packed[:40] + bytes(20) + packed[60:], lambda packed: b''])
def test_damaged_archives_are_one_message(tmp_path, damage):
    known = write_fashion(tmp_path, packed=True)
    path = tmp_path / f'{IMAGES}.gz'
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r'train-images-idx3-ubyte.gz (is damaged|expects the SHA-256)'):
        read_files(tmp_path, known)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    known = write_fashion(tmp_path, packed=True)
    monkeypatch.setattr(fashion_mnist, 'LARGEST', 250_000)
    (tmp_path / f'{IMAGES}.gz').write_bytes(gzip.compress(bytes(50_000_000)))
    hashed = []
    monkeypatch.setattr(fashion_mnist, 'hash_of_bytes', lambda content: hashed.append(len(content)))
    with pytest.raises(UserError, match='SHA-256'):
        read_files(tmp_path, known)
    assert hashed == [250_001]


@pytest.mark.parametrize('content', [
    b'', b'\0\0\x08', idx(np.zeros((2, 3), np.uint8)), idx(np.zeros(5, np.uint8))[:-1],
    idx(np.zeros(5, np.uint8)) + b'1', b'\0\0\x0d' + idx(np.zeros(5, np.uint8))[3:], b'\0\0\x08\x03'])
def test_what_is_no_idx_file_is_refused(content):
    with pytest.raises(ValueError, match='an IDX file expects'):
        read_idx(content)


def test_a_training_wants_whole_files(tmp_path):
    write_fashion(tmp_path)
    check_fashion_files('train_dataloader.dataset', tmp_path)
    (tmp_path / IMAGES).write_bytes((tmp_path / IMAGES).read_bytes()[:-1])
    with pytest.raises(UserError, match=r'cannot read .*train-images.*Run: python tools/dataset_converters/fashion.py'):
        check_fashion_files('train_dataloader.dataset', tmp_path)
    (tmp_path / IMAGES).unlink()
    with pytest.raises(UserError, match='does not exist. Run'):
        check_fashion_files('train_dataloader.dataset', tmp_path)


def test_a_failed_download_says_how_else(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, 'DEBIAN', tmp_path / 'none')
    monkeypatch.setattr('torchvision.datasets.FashionMNIST.mirrors', ['http://127.0.0.1:9/'])
    with pytest.raises(UserError, match=r'could not be downloaded: .*apt-get install'):
        fetch_files()


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_files_have_the_known_hashes():
    files = fetch_files()
    assert read_idx(files[IMAGES]).shape == (60000, 28, 28)
    assert np.bincount(read_idx(files[LABELS])).tolist() == [6000] * 10
