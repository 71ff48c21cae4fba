"""How many validation images are training images."""
import re
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import RepeatDataset
from mmengine.registry import init_default_scope
from mmpretrain.datasets import FashionMNIST, KFoldDataset

from mmkd.datasets.verification import class_findings, collected, overlap_findings
from tests.archives import jpeg, write_folder, zip_bytes
from tests.datasets.verification.test_class_names import folders, listed


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def found(train: object, val: object) -> tuple[str, str]:
    [finding] = overlap_findings(dict(train=train, val=val))
    return finding.level, finding.text


def test_other_images(tmp_path):
    level, text = found(folders(tmp_path / 'a', 'ant', 'bee'), folders(tmp_path / 'b', 'ant', 'bee'))
    assert level == 'ok' and '4 val images were compared with 4 training images by path: 0 coincide' in text


@pytest.mark.parametrize('how', ['same', 'repeated', 'linked folder', 'other spelling'])
def test_the_same_folder_twice(tmp_path, how):
    train = folders(tmp_path / 'a', 'ant', 'bee')
    (tmp_path / 'link').symlink_to('a')
    path = dict(zip(('linked folder', 'other spelling'), (tmp_path / 'link', tmp_path / 'b/../a'))).get(how)
    (tmp_path / 'b').mkdir()
    val = train if path is None else type(train)(data_prefix=str(path))
    level, text = found(RepeatDataset(train, 3) if how == 'repeated' else train, val)
    assert level == 'error' and '4 val images were compared with 4 training images by path: 4 coincide' in text


@pytest.mark.parametrize('kind', ['copies', 'links', 'archive'])
def test_copies_under_other_names(tmp_path, kind):
    train, val = folders(tmp_path / 'a', 'ant', 'bee'), folders(tmp_path / 'b', 'ant', 'bee')
    for name in ('ant', 'bee'):
        target = tmp_path / f'b/{name}/b0.jpg'
        target.unlink()
        if kind == 'links':
            target.symlink_to(tmp_path / f'a/{name}/a1.jpg')
        else:
            target.write_bytes((tmp_path / f'a/{name}/a1.jpg').read_bytes())
    if kind == 'archive':
        files = {str(path.relative_to(tmp_path / 'b')): path.read_bytes() for path in (tmp_path / 'b').rglob('*.jpg')}
        (tmp_path / 'b.zip').write_bytes(zip_bytes(files))
        val = type(val)(data_prefix=f'archive://{tmp_path}/b.zip')
    level, text = found(train, val)
    assert level == 'error' and re.search('by path: 0 coincide; .* by their contents: 2 coincide', text), text


def test_a_few_copies_are_a_warning(tmp_path):
    names = [f'{i}.jpg' for i in range(30)]
    for root, offset in (('a', 0), ('b', 29)):
        write_folder(tmp_path / root, {name: jpeg(offset + i) for i, name in enumerate(names)})
    lists = [listed(tmp_path / root, ''.join(f'{name} 0\n' for name in names)) for root in 'ab']
    level, text = found(*lists)
    assert level == 'warning' and text.count('1 coincide') == 1


def test_a_sample_is_called_one(tmp_path, monkeypatch):
    monkeypatch.setattr('mmkd.datasets.verification.survey.survey.__defaults__', (3, ))
    level, text = found(train := folders(tmp_path / 'a', 'ant', 'bee'), train)
    assert level == 'error' and '3 of the 4 val images were compared with 3 of the 4 training images' in text


def test_folds_have_nothing_in_common(tmp_path):
    parts = [KFoldDataset(dict(type='CustomDataset', data_prefix=str(tmp_path / 'a')) if fold else
                          folders_config(tmp_path / 'a'), fold=0, num_splits=4, test_mode=mode)
             for fold, mode in ((0, False), (0, True))]
    assert found(*parts)[0] == 'ok'


def folders_config(root) -> dict:
    folders(root, 'ant', 'bee')
    return dict(type='CustomDataset', data_prefix=str(root))


def test_nothing_is_said_of_data_without_a_list_and_little_of_one_that_fails():
    assert list(overlap_findings(dict(train=SimpleNamespace(), val=SimpleNamespace()))) == []
    [finding] = collected(overlap_findings(dict(train=SimpleNamespace(get_data_info=None), val=SimpleNamespace())))
    assert finding.level == 'warning' and 'not compared to the end' in finding.text


@pytest.fixture
def fashion(tmp_path):
    """Forty training and ten test images in FashionMNIST's files."""
    rng = np.random.default_rng(0)
    for name, count in (('train', 40), ('t10k', 10)):
        images, labels = rng.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8) % 10
        for kind, array in ((f'{name}-images-idx3-ubyte', images), (f'{name}-labels-idx1-ubyte', labels)):
            head = bytes((0, 0, 8, array.ndim)) + b''.join(size.to_bytes(4, 'big') for size in array.shape)
            (tmp_path / kind).write_bytes(head + array.tobytes())
    return lambda **kwargs: FashionMNIST(data_root=str(tmp_path), **kwargs)


def test_fashion_mnist_goes_by_test_mode(fashion):
    wrong = dict(train=fashion(split='train'), val=fashion(split='test'))
    [text] = [finding.text for finding in class_findings(wrong, 10) if finding.level == 'error']
    assert "FashionMNIST with split='test' and test_mode=False reads the training images" in text
    level, text = found(**wrong)
    assert level == 'error' and '40 val images were compared with 40 training images by their pixels: 40' in text
    right = dict(train=fashion(split='train'), val=fashion(split='test', test_mode=True))
    assert list(class_findings(right, 10)) == [] and found(**right)[0] == 'ok'
