"""Classes of mmpretrain's and mmdet's own data sets, compared."""
import json

import pytest
from mmengine.registry import init_default_scope
from mmpretrain.datasets import CustomDataset, ImageNet

from mmkd.datasets.verification import class_findings
from mmkd.datasets.verification.categories import category_names
from mmkd.datasets.verification.class_names import Classes, classes_of_checkpoint, compared, reordered
from tests.archives import jpeg, write_folder

CLASSES = ('ant', 'bee', 'cat')


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


def folders(root, *names: str, **kwargs) -> CustomDataset:
    """A data set of two images in each folder, other ones in every data set."""
    write_folder(root, {f'{name}/{root.name}{i}.jpg': jpeg(hash((root.name, name, i)) % 2**32)
                        for name in names for i in range(2)})
    return CustomDataset(data_prefix=str(root), **kwargs)


def listed(path, lines: str, **kwargs) -> CustomDataset:
    (path / 'list.txt').write_text(lines)
    return CustomDataset(data_prefix=str(path), ann_file=str(path / 'list.txt'), **kwargs)


def texts(level: str | None = None, *args, **kwargs) -> list[str]:
    return [finding.text for finding in class_findings(*args, **kwargs) if level in (None, finding.level)]


def test_the_same_folders(tmp_path):
    assert texts(None, dict(train=folders(tmp_path / 'a', *CLASSES), val=folders(tmp_path / 'b', *CLASSES)), 3) == []


@pytest.mark.parametrize(('val', 'parts'), [
    (('bee', 'cat'), ["2 of 2 classes", "'bee' is 0 in val_dataloader and 1 in train_dataloader", "missing: 'ant'"]),
    (('ant', 'cat'), ["1 of 2 classes", "'cat' is 1 in val", "missing: 'bee'"]),
    (('Cat', 'ant', 'bee'), ['3 of 3 classes have another label']),  # capitals come first
    (('ant', 'bee', 'wasp'), ["missing: 'cat'; only there: 'wasp'"]),
    (('ant', 'bee', 'cat', 'dog'), ["only there: 'dog'"]),
])
def test_other_folders(tmp_path, val, parts):
    [text] = texts('error', dict(train=folders(tmp_path / 'a', *CLASSES), val=folders(tmp_path / 'b', *val)), 4)
    assert all(part in text for part in parts), text


def test_the_last_class_may_lack_validation_images(tmp_path):
    data = dict(train=folders(tmp_path / 'a', *CLASSES), val=folders(tmp_path / 'b', 'ant', 'bee'))
    assert texts('error', data) == []
    assert "missing: 'cat'. All other" in texts('warning', data)[0]


@pytest.mark.parametrize('junk', ['.ipynb_checkpoints', '__MACOSX', '.git', '@eaDir'])
@pytest.mark.parametrize('both', [True, False])
def test_folders_that_are_no_classes(tmp_path, junk, both):
    data = dict(train=folders(tmp_path / 'a', *CLASSES, junk), val=folders(tmp_path / 'b', *CLASSES,
                                                                          *[junk] * both))
    assert f'takes {junk!r} for a class, and so gives 3 others another label' in texts('error', data)[0]


def test_an_empty_hidden_folder_is_a_class_too(tmp_path):
    (tmp_path / 'a/.ipynb_checkpoints').mkdir(parents=True)
    data = dict(train=folders(tmp_path / 'a', *CLASSES))
    assert "takes '.ipynb_checkpoints' for a class" in texts('error', data)[0]


def test_hidden_copies_inside_a_class(tmp_path):
    write_folder(tmp_path, {'a/ant/.ipynb_checkpoints/x-checkpoint.jpg': jpeg(0)})
    [text] = texts('warning', dict(train=folders(tmp_path / 'a', *CLASSES)))
    assert '1 of 7 images lie in hidden folders' in text


def test_a_data_set_in_a_hidden_folder_is_none_of_that(tmp_path):
    assert texts(None, dict(train=folders(tmp_path / '.cache/a', *CLASSES))) == []


def test_names_that_are_not_those_of_the_folders(tmp_path):
    data = dict(train=folders(tmp_path / 'a', *CLASSES, metainfo=dict(classes=('cat', 'bee', 'ant'))))
    [text] = texts('error', data)
    assert "is read from the folders as 'cat'" in text or "is read from the folders as 'ant'" in text
    wordnet = dict(train=folders(tmp_path / 'b', 'n1', 'n2', metainfo=dict(classes=('dog', 'cat'))))
    assert texts(None, wordnet) == []


def test_lists_whose_folders_have_other_labels(tmp_path):
    one = write_folder(tmp_path / 'a', {f'{name}/{i}.jpg': jpeg(i) for name in CLASSES for i in range(2)})
    train = listed(one, ''.join(f'{name}/{i}.jpg {label}\n' for label, name in enumerate(CLASSES) for i in range(2)))
    val = folders(tmp_path / 'b', 'bee', 'cat')
    assert "'bee' is 0 in val_dataloader and 1 in train_dataloader" in texts('error', dict(train=train, val=val))[0]
    assert texts(None, dict(train=train, val=folders(tmp_path / 'c', *CLASSES))) == []


def test_labels_out_of_range_name_their_line(tmp_path):
    write_folder(tmp_path, {f'{i}.jpg': jpeg(i) for i in range(3)})
    data = dict(train=listed(tmp_path, '0.jpg 0\n1.jpg 1\n2.jpg 2\n'))
    assert texts(None, data, 3) == []
    [text] = texts('error', data, 2)
    assert f'{tmp_path}/list.txt, line 3: expects a path, one space and a class from 0 to 1, got' in text


def test_classes_without_training_images(tmp_path):
    (tmp_path / 'a/dog').mkdir(parents=True)
    [text] = texts('warning', dict(train=folders(tmp_path / 'a', *CLASSES)))
    assert "no image of 1 of 4 classes ('dog')" in text


def test_wrappers_are_looked_into(tmp_path):
    from mmengine.dataset import ConcatDataset
    parts = [folders(tmp_path / 'a', *CLASSES), folders(tmp_path / 'b', 'bee', 'cat', 'ant')]
    other = folders(tmp_path / 'c', 'bee', 'cat')
    train = ConcatDataset(parts)
    assert texts(None, dict(train=train)) == []
    assert 'in train_dataloader (data set 0)' in texts('error', dict(train=train, val=other))[0]


def test_imagenet_has_a_name_twice(tmp_path):
    """Which must not make its last label one too many."""
    write_folder(tmp_path, {'train/x.JPEG': jpeg(0), 'meta/train.txt': b'x.JPEG 999\n'})
    data = dict(train=ImageNet(data_root=str(tmp_path), split='train'))
    assert texts('error', data, 1000) == []


def coco(path, *names: str) -> str:
    content = dict(images=[dict(id=1, file_name='1.jpg', width=24, height=16)], annotations=[],
                   categories=[dict(id=3 * i + 1, name=name) for i, name in enumerate(names)])
    path.write_text(json.dumps(content))
    return str(path)


def detection(path, *names: str, classes: tuple[str, ...] = CLASSES) -> object:
    from mmdet.datasets import CocoDataset
    return CocoDataset(ann_file=coco(path, *names), metainfo=dict(classes=classes), data_prefix=dict(img=''),
                       test_mode=True)


def test_coco_categories_in_another_order(tmp_path):
    pytest.importorskip('mmdet')
    data = dict(train=detection(tmp_path / 'a.json', *CLASSES), val=detection(tmp_path / 'b.json', *CLASSES[::-1]))
    [text] = texts('error', data, 3)
    assert "2 of 3 classes have another label than in train_dataloader: 'cat' is 0 in val_dataloader" in text
    data['train'] = detection(tmp_path / 'a.json', *CLASSES[::-1])  # both alike: only the names are wrong
    assert texts('error', data, 3) == [] and len(texts('warning', data, 3)) == 2


@pytest.mark.parametrize('names', [('ant', 'bee', 'kitten'), ('ant', 'bee'), ('ant', 'bee', 'cat', 'cat')])
def test_coco_categories_that_are_not_the_classes(tmp_path, names):
    pytest.importorskip('mmdet')
    data = dict(train=detection(tmp_path / 'a.json', *CLASSES), val=detection(tmp_path / 'b.json', *names))
    text = texts('error', data, 3)[0]
    assert 'val_dataloader expects the 3 classes of its metainfo among the categories of its annotation file' in text


def test_the_metric_reads_a_file_of_its_own(tmp_path):
    pytest.importorskip('mmdet')
    from mmdet.evaluation import CocoMetric
    data = dict(val=detection(tmp_path / 'a.json', *CLASSES))
    for names, wrong in ((CLASSES, 0), (CLASSES[::-1], 1), (CLASSES[:2], 1)):
        metric = CocoMetric(ann_file=coco(tmp_path / 'b.json', *names))
        assert len(texts('error', data, 3, dict(val=[metric]))) == wrong


def test_categories_of_a_large_file(tmp_path, monkeypatch):
    path = coco(tmp_path / 'a.json', *CLASSES)
    whole = category_names(path)
    content = json.loads((tmp_path / 'a.json').read_text())
    content['images'][0]['file_name'] = '"categories": [{"id": 9, "name": "no"}]'
    content['licences'] = [dict(categories=['x'])]
    (tmp_path / 'b.json').write_text(json.dumps(content))
    monkeypatch.setattr('mmkd.datasets.verification.categories.WHOLE', 0)
    assert category_names(str(tmp_path / 'b.json')) == whole == ((1, 'ant'), (4, 'bee'), (7, 'cat'))


def test_segmentors_that_count_from_0_and_from_1(tmp_path):
    pytest.importorskip('mmseg')
    from mmseg.datasets import BaseSegDataset
    write_folder(tmp_path, {'img/1.jpg': jpeg(1), 'map/1.png': b''})

    def make(reduce: bool, classes: tuple[str, ...] = CLASSES) -> BaseSegDataset:
        return BaseSegDataset(data_root=str(tmp_path), data_prefix=dict(img_path='img', seg_map_path='map'),
                              metainfo=dict(classes=classes), reduce_zero_label=reduce, pipeline=[])

    assert texts(None, dict(train=make(True), val=make(True)), 3) == []
    assert 'reduce_zero_label expects the same value' in texts('error', dict(train=make(True), val=make(False)), 3)[0]
    assert 'another label' in texts('error', dict(train=make(True), val=make(True, CLASSES[::-1])), 3)[0]


def test_checkpoints():
    own = classes_of_checkpoint('the file', dict(meta=dict(dataset_meta=dict(classes=CLASSES))))
    data = Classes('train', dict(ant=0, bee=1, cat=2))
    assert compared(own, data) is None
    assert compared(own, Classes('train', dict(bee=0, cat=1))).level == 'error'
    assert compared(own, Classes('train', dict(ant=0, bee=1, kitten=2))).level == 'warning'  # called otherwise
    assert compared(own, Classes('train', dict(dog=0, cow=1))).level == 'warning'
    assert compared(own, Classes('train')) is None
    for nothing in ({}, dict(meta=None), dict(meta=dict(dataset_meta={})), dict(meta=dict(dataset_meta=None)), []):
        assert classes_of_checkpoint('the file', nothing) is None
    moved = dict(meta=dict(dataset_meta=dict(classes=CLASSES), label_names=dict(source='categories', names=dict(
        cat=0, bee=1, ant=2))))
    assert compared(classes_of_checkpoint('the file', moved), Classes('test', data.declared, data.declared,
                                                                      'categories', 3)).level == 'error'


def test_a_training_may_begin_with_other_classes_but_not_with_the_same_in_another_order():
    start = classes_of_checkpoint('load_from', dict(meta=dict(dataset_meta=dict(classes=CLASSES))))
    assert reordered(start, Classes('train', dict(cat=0, bee=1, ant=2))).level == 'warning'
    for other in (dict(ant=0, bee=1, cat=2), dict(cat=0, dog=1), dict(bee=0, cat=1), dict(cow=0)):
        assert reordered(start, Classes('train', other)) is None
