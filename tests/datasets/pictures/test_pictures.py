"""Folders of pictures: what is found, how it is divided, which lists are written."""
from pathlib import Path

import pytest
from mmpretrain.datasets import CustomDataset
from PIL import Image

from mmkd.datasets.pictures import divide, find_pictures, refuse_or_skip, write_lists
from mmkd.utils import UserError


def fill(root: Path, counts: dict[str, int]) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new('RGB', (4, 4)).save(root / name / f'{number:02}.png')
    return root


def test_classes_alone_and_in_two_parts(tmp_path):
    alone = find_pictures(fill(tmp_path / 'alone', {'b': 2, 'a': 3}))
    assert alone.classes == ('a', 'b') and alone.val == []
    assert alone.train[0] == ('a/00.png', 0) and alone.train[-1] == ('b/01.png', 1)
    parts = find_pictures(fill(tmp_path / 'parts', {'Train/x': 2, 'Train/y': 2, 'valid/y': 1}))
    assert parts.classes == ('x', 'y') and parts.val == [('valid/y/00.png', 1)]
    deep = find_pictures(fill(tmp_path / 'deep', {'a/one': 1, 'a/two': 1, 'b': 1}))
    assert [label for _, label in deep.train] == [0, 0, 1]


def test_a_heap(tmp_path):
    heap = find_pictures(fill(tmp_path / 'heap', {'2023': 2, '2024/june': 1}), labels=False)
    assert heap.classes == () and len(heap.train) == 3
    assert find_pictures(fill(tmp_path / 'flat', {'.': 2})).classes == ()


def test_what_is_left_out_is_told(tmp_path):
    root = fill(tmp_path / 'data', {'a': 2, 'b': 2})
    (root / 'a/notes.txt').write_text('')
    (root / 'a/Thumbs.db').write_text('')
    assert find_pictures(root).notes == ['left out, since they are no pictures that are read: 1 .txt']


def test_the_division_is_by_class_and_repeats(tmp_path):
    root = fill(tmp_path / 'data', {'a': 10, 'b': 5, 'c': 2, 'd': 1})
    parts = [find_pictures(root) for _ in range(3)]
    for pictures, seed in zip(parts, (0, 0, 1)):
        pictures.train.reverse()  # the order of the folder does not matter
        divide(pictures, 0.2, seed)
    counts = [[label for _, label in parts[0].val].count(number) for number in range(4)]
    assert counts == [2, 1, 1, 0] and not set(parts[0].val) & set(parts[0].train)
    assert parts[0].val == parts[1].val != parts[2].val and len(parts[0].train) == 14
    with pytest.raises(UserError, match='expects two pictures or more of a class'):
        divide(find_pictures(fill(tmp_path / 'few', {'a': 1, 'b': 1})), 0.2, 0)


@pytest.mark.parametrize('labels', [True, False])
def test_mmpretrain_reads_the_lists(tmp_path, labels):
    pictures = find_pictures(fill(tmp_path / 'data', {'a cat': 4, 'b': 4}), labels)
    divide(pictures, 0.25, 0)
    files = write_lists(pictures, tmp_path / 'lists')
    dataset = CustomDataset(data_root='', data_prefix=str(tmp_path / 'data'), ann_file=str(files['train']),
                            with_label=labels, pipeline=[dict(type='mmpretrain.LoadImageFromFile')])
    assert len(dataset) == 6 and dataset[0]['img'].shape == (4, 4, 3)
    infos = [dataset.get_data_info(number) for number in range(6)]
    assert [int(info['gt_label']) for info in infos] == [0] * 3 + [1] * 3 if labels else 'gt_label' not in infos[0]
    assert ('classes' in files) == labels


def test_all_of_a_class_damaged(tmp_path):
    root = fill(tmp_path / 'data', {'a': 2, 'b': 1})
    (root / 'b/00.png').write_bytes(b'no picture')
    with pytest.raises(UserError, match='whole pictures of the class b, got damaged ones only'):
        refuse_or_skip(find_pictures(root), 'skip')


def test_folders_to_validate_are_no_classes(tmp_path):
    """Without training folders ``val`` and ``test`` would be the two classes."""
    with pytest.raises(UserError, match='a folder train beside val'):
        find_pictures(fill(tmp_path / 'a', {'val/x': 1, 'val/y': 1, 'test/x': 1, 'test/y': 1}))
    parts = find_pictures(fill(tmp_path / 'b', {'training/x': 1, 'training/y': 1, 'validation/y': 1}))
    assert parts.classes == ('x', 'y') and parts.val == [('validation/y/00.png', 1)]


@pytest.mark.parametrize(('counts', 'message'), [
    ({'bus': 2, 'car': 2, 'train': 2}, 'Rename train if it is a class, else move bus away'),
    ({'train': 1, 'train/x': 0, 'more/x': 1}, 'Rename train if it is a class, else move more away'),
    ({'train/x': 1, 'training/y': 1}, 'expects one folder called train or training, got train and training in'),
    ({'Train/x': 1, 'Train/y': 1, 'train/x': 1}, 'got Train and train in'),
    ({'train/x': 1, 'train/y': 1, 'val/x': 1, 'valid/x': 1}, 'got val and valid in')])
@pytest.mark.parametrize('labels', [True, False])
def test_no_folder_is_dropped_without_a_word(tmp_path, counts, message, labels):
    with pytest.raises(UserError, match=message):
        find_pictures(fill(tmp_path / 'data', counts), labels)


@pytest.mark.parametrize('labels', [True, False])
def test_what_lies_beside_the_folders_of_classes_is_left_out_and_named(tmp_path, labels):
    found = find_pictures(fill(tmp_path / 'data', {
        'train/a': 1, 'train/b': 1, 'val/a': 1, 'labelled/a': 1, 'work_dirs/run/vis': 1, 'docs': 0}), labels)
    assert found.classes == (('a', 'b') if labels else ()) and len(found.train) == 2 and len(found.val) == 1
    assert found.notes == ['left out, since train is there to train on: labelled, work_dirs']


def test_parts_and_classes_of_their_names(tmp_path):
    parts = fill(tmp_path / 'parts', {'train/x': 1, 'train/y': 1, 'val/x': 1, 'test/x': 1, 'docs': 0})
    found = find_pictures(parts)
    assert found.val == [('val/x/00.png', 0)] and found.notes == ['left out, since val is there to validate on: test']
    (parts / 'val').rename(parts / '.val')
    assert find_pictures(parts).val == [('test/x/00.png', 0)]
    assert find_pictures(fill(tmp_path / 'classes', {'a': 1, 'test': 1, 'val': 1})).classes == ('a', 'test', 'val')


def test_a_link_that_leads_back_is_not_followed(tmp_path):
    root = fill(tmp_path / 'data', {'a': 2, 'b': 2})
    (root / 'a/again').symlink_to(root / 'a')
    (tmp_path / 'elsewhere').mkdir()
    Image.new('RGB', (4, 4)).save(tmp_path / 'elsewhere/1.png')
    (root / 'b/more').symlink_to(tmp_path / 'elsewhere')
    assert [path for path, _ in find_pictures(root).train] == [
        'a/00.png', 'a/01.png', 'b/00.png', 'b/01.png', 'b/more/1.png']


def test_what_is_said_of_one_and_of_pictures_without_classes(tmp_path):
    heap = find_pictures(fill(tmp_path / 'heap', {'a': 4}), labels=False)
    (tmp_path / 'heap/a/00.png').write_bytes(b'no picture')
    refuse_or_skip(heap, 'skip')
    divide(heap, 0.4, 0)
    assert heap.notes[0].startswith('1 damaged picture is skipped: ')
    assert heap.notes[1] == '2 pictures to train and 1 to validate: 40% were set aside (seed 0)'
