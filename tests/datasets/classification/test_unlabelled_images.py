"""Images in any folders, and what is no image."""
from pathlib import Path

import pytest

from mmkd.datasets import UnlabelledImages
from mmkd.datasets.configured import check_data_exists
from mmkd.utils import UserError

from ...archives import jpeg, write_folder

FLAT, NESTED = ['b.jpg', 'a.JPG', 'c.webp'], ['deep/er/x.png', 'deep/a.tiff', 'z.jpeg']
JUNK = ['.hidden.jpg', '.thumbnails/a.jpg', 'deep/@eaDir/x.png', '__MACOSX/._a.jpg', 'notes.txt']


def found(root: Path, **settings) -> list[str]:
    dataset = UnlabelledImages(data_root=str(root), pipeline=[], **settings)
    assert 'gt_label' not in dataset.get_data_info(0) and dataset.metainfo.get('classes') is None
    return [Path(dataset.get_data_info(i)['img_path']).relative_to(root).as_posix() for i in range(len(dataset))]


@pytest.mark.parametrize('names', [FLAT, NESTED, [*FLAT, *NESTED]])
def test_flat_and_nested_folders_without_junk(tmp_path, names):
    write_folder(tmp_path, {name: jpeg(i) for i, name in enumerate([*names, *JUNK])})
    assert found(tmp_path) == sorted(names)


def test_a_folder_below_a_hidden_one(tmp_path):
    root = tmp_path / '.cache/pictures'
    write_folder(root, {'a.jpg': jpeg(0)})
    assert found(root) == ['a.jpg']


def test_a_list_and_other_suffixes(tmp_path):
    write_folder(tmp_path, {'a.jpg': jpeg(0), 'b.jpg': jpeg(1), 'c.jpe': jpeg(2)})
    (tmp_path / 'list.txt').write_text('b.jpg\n')
    assert found(tmp_path, ann_file='list.txt') == ['b.jpg']
    assert found(tmp_path, extensions=('.jpe', )) == ['c.jpe']


def test_a_folder_without_images(tmp_path):
    write_folder(tmp_path, dict.fromkeys(JUNK, b''))
    config = dict(train_dataloader=dict(dataset=dict(type='mmkd.UnlabelledImages', data_root=str(tmp_path))))
    with pytest.raises(UserError, match='expects images that end in .jpg.* got 1 .txt'):
        check_data_exists(config, ('train', ))
