"""tools/dataset_converters/prepare.py on small archives: unpacked and indexed data are the same."""
import gzip
import io
import json
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.fileio import get
from mmpretrain.datasets import ImageNet

from mmkd.datasets import ImageNetC, ImageNetVariant

from ...archives import WORDNET_IDS, jpeg, pictures, tar_bytes, write_folder, zip_bytes
from ..conftest import TOOLS, call

TOOL = 'dataset_converters/prepare.py'
VAL = {f'ILSVRC2012_val_{i:08d}.JPEG': jpeg(i) for i in (1, 2, 3)}


@pytest.fixture(autouse=True)
def _beside_the_tool(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS / 'dataset_converters')  # as Python does for a script
    yield
    sys.modules.pop('archive_layouts', None)


def devkit(labels: list[int]) -> bytes:
    """A development kit whose own class numbers are in another order than the WordNet ids."""
    scipy_io = pytest.importorskip('scipy.io')
    synsets = np.zeros(4, dtype=[('ILSVRC2012_ID', 'i4'), ('WNID', 'O')])
    synsets['ILSVRC2012_ID'], synsets['WNID'] = (1, 2, 3, 1001), ('n01484850', 'n01440764', 'n01443537', 'n00001740')
    buffer = io.BytesIO()
    scipy_io.savemat(buffer, dict(synsets=synsets))
    folder = 'ILSVRC2012_devkit_t12/data/'
    return gzip.compress(tar_bytes({
        f'{folder}meta.mat': buffer.getvalue(),
        f'{folder}ILSVRC2012_validation_ground_truth.txt': ''.join(f'{i}\n' for i in labels).encode()}))


@pytest.fixture
def downloads(tmp_path) -> Path:
    train = {f'{c}.tar': tar_bytes({n.partition('/')[2]: b for n, b in pictures().items() if n.startswith(c)})
             for c in WORDNET_IDS}
    write_folder(tmp_path, {'ILSVRC2012_img_train.tar': tar_bytes(train), 'ILSVRC2012_img_val.tar': tar_bytes(VAL),
                            'ILSVRC2012_devkit_t12.tar.gz': devkit([2, 1, 3])})
    return tmp_path


def loaded(root: str, split: str) -> list[tuple[str, int, bytes]]:
    names = list(ImageNet.METAINFO['classes'][:3])
    dataset = ImageNet(data_root=root, split=split, classes=names)
    rows = [dataset.get_data_info(i) for i in range(len(dataset))]
    return [(row['img_path'].removeprefix(root), row['gt_label'], get(row['img_path'])) for row in rows]


@pytest.mark.parametrize('options', [[], ['--index']], ids=['unpacked', 'indexed'])
def test_imagenet(downloads, options, capsys):
    archives = sorted(path.name for path in downloads.iterdir())
    assert call(TOOL, 'imagenet', *archives, *options, cwd=downloads) == 0
    root = f'archive://{downloads}/data/imagenet.index' if options else f'{downloads}/data/imagenet'
    assert loaded(root, 'train') == [(f'/train/{name}', WORDNET_IDS.index(name[:9]), content)
                                     for name, content in sorted(pictures().items())]
    assert loaded(root, 'val') == [(f'/val/{name}', label, content)
                                   for (name, content), label in zip(VAL.items(), (0, 2, 1))]
    assert '13 files' in capsys.readouterr().out or not options
    assert not list(downloads.glob('data/.*'))


def test_unpacking_goes_on(downloads, capsys):
    arguments = ('imagenet', 'ILSVRC2012_img_train.tar', '--out', 'here')
    assert call(TOOL, *arguments, cwd=downloads) == 0
    assert '9 files, of which 9 were written' in capsys.readouterr().out
    some = sorted(downloads.glob('here/train/*/*'))
    for path in some[:2]:
        path.unlink()
    some[0].with_name(f'.{some[0].stem}.tmp{some[0].suffix}').write_bytes(b'a part')  # as a kill leaves it
    assert call(TOOL, *arguments, cwd=downloads) == 0
    assert '9 files, of which 2 were written' in capsys.readouterr().out
    assert {f'{p.parent.name}/{p.name}': p.read_bytes() for p in downloads.glob('here/train/*/*')} == pictures()


def test_a_file_is_whole_under_its_name(tmp_path, capsys):
    """Of a disk on which the second file has no place."""
    files = {'a.bin': b'1', 'b.bin': bytes(np.random.default_rng(0).bytes(20000))}
    write_folder(tmp_path, {'mine.zip': zip_bytes(files)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10000, before[1]))
    try:
        assert call(TOOL, 'folders', 'mine.zip', cwd=tmp_path) != 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['a.bin']
    assert call(TOOL, 'folders', 'mine.zip', cwd=tmp_path) == 0
    assert '2 files, of which 1 were written' in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / 'mine').iterdir()} == files


@pytest.mark.parametrize('link', [False, True])
def test_files_of_others_are_not_replaced(tmp_path, capsys, link):
    files = {'images/a.jpg': jpeg(0), 'labels.csv': b'a.jpg,0\n', 'names.txt': b'cat\n'}
    edits = {'labels.csv': b'a.jpg,1  # corrected\n', 'names.txt': b'a cat\n'}
    write_folder(tmp_path, {'mine.zip': zip_bytes(files)})
    write_folder(tmp_path / ('edits' if link else 'mine'), edits)
    if link:
        (tmp_path / 'mine').mkdir()
        for name in edits:
            (tmp_path / 'mine' / name).symlink_to(tmp_path / 'edits' / name)
        (tmp_path / 'edits/names.txt').unlink()
    before = sorted(path.name for path in (tmp_path / 'mine').iterdir())
    assert call(TOOL, 'folders', 'mine.zip', cwd=tmp_path) == 2
    error = capsys.readouterr().err
    assert 'mine expects no other files under the names of the archives, got labels.csv and 1 more. ' in error
    assert '--force' in error and error.count('\n') == 1
    assert sorted(path.name for path in (tmp_path / 'mine').iterdir()) == before
    assert (tmp_path / 'mine/labels.csv').read_bytes() == edits['labels.csv']
    assert call(TOOL, 'folders', 'mine.zip', '--force', cwd=tmp_path) == 0
    assert '3 files, of which 3 were written' in capsys.readouterr().out
    assert {name: (tmp_path / 'mine' / name).read_bytes() for name in files} == files
    assert not link or (tmp_path / 'edits/labels.csv').read_bytes() == edits['labels.csv']


@pytest.mark.parametrize('options', [[], ['--index']], ids=['unpacked', 'indexed'])
def test_a_list_of_ones_own_is_not_replaced(downloads, capsys, options):
    words = ('imagenet', 'ILSVRC2012_img_val.tar', 'ILSVRC2012_devkit_t12.tar.gz', *options)
    listed = downloads / 'data/imagenet/meta/val.txt'
    for other in ('', 'ILSVRC2012_val_00000001.JPEG 5\n'):
        write_folder(downloads, {'data/imagenet/meta/val.txt': other.encode()})
        assert call(TOOL, *words, cwd=downloads) == 2
        assert 'data/imagenet expects no other files under the names of the archives, got meta/val.txt. ' in \
            capsys.readouterr().err
        assert listed.read_text() == other and not list(downloads.glob('data/*.index'))
    assert call(TOOL, *words, '--force', cwd=downloads) == 0
    assert listed.read_text().count('\n') == 3
    assert call(TOOL, *words, cwd=downloads) == 0  # the same list is no other


def test_only_an_index_is_replaced_by_an_index(tmp_path, capsys):
    write_folder(tmp_path, {'mine.zip': zip_bytes({'a.txt': b'1'}), 'mine.index': b'of a book'})
    assert call(TOOL, 'folders', 'mine.zip', '--index', cwd=tmp_path) == 2
    assert 'mine.index expects a new file or an index of archives' in capsys.readouterr().err
    assert (tmp_path / 'mine.index').read_bytes() == b'of a book'
    assert call(TOOL, 'folders', 'mine.zip', '--index', '--force', cwd=tmp_path) == 0
    assert call(TOOL, 'folders', 'mine.zip', '--index', cwd=tmp_path) == 0  # its own


def test_shards_of_a_web_dataset(tmp_path):
    images = {f'{i:04d}': jpeg(i) for i in range(6)}
    for shard in range(2):
        files = {}
        for key in list(images)[shard::2]:
            files |= {f'{key}.jpg': images[key], f'{key}.cls': str(int(key) % 3).encode(), f'{key}.json': b'{}'}
        write_folder(tmp_path, {f'imagenet1k-train-{shard:04d}.tar': tar_bytes(files)})
    write_folder(tmp_path, {'val_images.tar': tar_bytes({'ILSVRC2012_val_00000001_n01443537.JPEG': jpeg(9)})})
    assert call(TOOL, 'imagenet', *sorted(p.name for p in tmp_path.iterdir()), '--index', cwd=tmp_path) == 0
    root = f'archive://{tmp_path}/data/imagenet.index'
    assert loaded(root, 'train') == [(f'/train/{WORDNET_IDS[c]}/{c + i:04d}.jpg', c, images[f'{c + i:04d}'])
                                     for c in range(3) for i in (0, 3)]
    assert get(f'{root}/val/n01443537/ILSVRC2012_val_00000001_n01443537.JPEG') == jpeg(9)


def test_variants(tmp_path):
    numbered = {f'imagenetv2-matched-frequency-format-val/{c}/x.jpeg': jpeg(c) for c in (0, 7)}
    drawn = {f'sketch/{name}': content for name, content in pictures().items()}
    foggy = {f'fog/{s}/{name}': content for s in (1, 2) for name, content in pictures(1).items()}
    write_folder(tmp_path, {'imagenetv2.tar.gz': gzip.compress(tar_bytes(numbered)), 'ImageNet-Sketch.zip': zip_bytes(
        drawn), 'weather.tar': tar_bytes(foggy), 'imagenet-a.tar': tar_bytes({'imagenet-a/README.txt': b'', **{
            f'imagenet-a/{name}': content for name, content in pictures().items()}})})
    assert call(TOOL, 'imagenet-v2', 'imagenetv2.tar.gz', cwd=tmp_path) == 0
    assert list(ImageNetVariant(f'{tmp_path}/data/imagenet-v2').get_gt_labels()) == [0, 7]
    for name, file in (('imagenet-sketch', 'ImageNet-Sketch.zip'), ('imagenet-a', 'imagenet-a.tar')):
        assert call(TOOL, name, file, '--index', cwd=tmp_path) == 0
        assert list(ImageNetVariant(f'archive://{tmp_path}/data/{name}.index').get_gt_labels()) == [0] * 3 + [1] * 3 + [
            2] * 3
    assert call(TOOL, 'imagenet-c', 'weather.tar', '--index', cwd=tmp_path) == 0
    assert len(ImageNetC(f'archive://{tmp_path}/data/imagenet-c.index', ('fog',), (1, 2))) == 6


def test_coco_from_its_zips(tmp_path):
    mmdet = pytest.importorskip('mmdet.datasets')
    content = dict(images=[dict(id=1, file_name='000000000001.jpg', width=24, height=16)], categories=[
        dict(id=1, name='person')], annotations=[dict(id=1, image_id=1, category_id=1, bbox=[1, 1, 8, 8], area=64,
                                                      iscrowd=0)])
    annotations = {'annotations/instances_val2017.json': json.dumps(content).encode()}
    write_folder(tmp_path, {'val2017.zip': zip_bytes({'val2017/000000000001.jpg': jpeg(0)}),
                            'annotations_trainval2017.zip': zip_bytes(annotations)})
    assert call(TOOL, 'coco', 'val2017.zip', 'annotations_trainval2017.zip', '--index', cwd=tmp_path) == 0
    dataset = mmdet.CocoDataset(
        data_root=f'archive://{tmp_path}/data/coco.index/', ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'), pipeline=[dict(type='mmdet.LoadImageFromFile')])
    assert dataset[0]['img'].shape == (16, 24, 3)
    assert dataset.get_data_info(0)['instances'][0]['bbox'] == [1, 1, 9, 9]


@pytest.mark.parametrize(('arguments', 'message'), [
    (['imagenet', 'no.tar'], 'an archive expects an existing file, got no.tar'),
    (['imagenet', 'other.tar'], 'other.tar is none of the archives ILSVRC2012_img_train.tar'),
    (['imagenet', 'ILSVRC2012_devkit_cut.tar.gz'], 'is no ILSVRC2012_devkit_t12.tar.gz, or damaged'),
    (['imagenet-v2', 'cut.tar.gz'], 'cut.tar.gz is cut off or damaged'),
    (['imagenet-v2', 'whole.tar.gz', '--index'], 'compressed as a whole'),
    (['imagenet-a', 'evil.tar'], "'../../evil', a path that climbs out"),
    (['folders', 'other.tar', 'a=evil.tar'], "'../../evil', a path that climbs out"),
    (['folders', 'other.tar', '../..=other.tar'], "FOLDER expects a folder inside the data set, got '../..'"),
    (['folders', 'other.tar', 'again.tar', '--index'], 'got a.jpg in other.tar and in again.tar. Leave one'),
    (['folders', 'other.tar', 'whole.tar.gz'], 'got a.jpg in other.tar and in whole.tar.gz. Leave one'),
    (['folders', 'double.zip'], 'got a.jpg twice in double.zip. Leave one'),
    (['folders', 'empty.tar'], 'an archive expects files of the data set, got none in empty.tar.'),
    (['folders', 'empty.tar', 'hollow.zip', '--index'], 'got none in empty.tar, hollow.zip.'),
], ids=['missing', 'rule', 'devkit', 'cut', 'gz', 'evil', 'evil2', 'folder', 'two', 'gz2', 'twice', 'empty', 'empty2'])
def test_bad_input(tmp_path, arguments, message, capsys):
    packed = gzip.compress(tar_bytes({'a.jpg': bytes(np.random.default_rng(0).bytes(9000))}))
    write_folder(tmp_path / 'work/in', {
        'other.tar': tar_bytes({'a.jpg': b'1'}), 'again.tar': tar_bytes({'a.jpg': b'1'}), 'whole.tar.gz': packed,
        'cut.tar.gz': packed[:4000], 'ILSVRC2012_devkit_cut.tar.gz': packed[:4000],
        'evil.tar': tar_bytes({'../../evil': b'1'}), 'empty.tar': tar_bytes({}), 'hollow.zip': zip_bytes({}),
        'double.zip': zip_bytes({'a.jpg': b'1', 'b.jpg': b'1'}).replace(b'b.jpg', b'a.jpg')})
    assert call(TOOL, *arguments, cwd=tmp_path / 'work/in') == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith('error: ') and error.count('\n') == 1
    assert not list(tmp_path.rglob('evil')) and not list(tmp_path.rglob('*.index'))


def test_a_folder_with_an_equals_sign(tmp_path):
    write_folder(tmp_path, {'lr=0.1/other.tar': tar_bytes({'a.jpg': b'1'})})
    assert call(TOOL, 'folders', 'lr=0.1/other.tar', cwd=tmp_path) == 0
    assert (tmp_path / 'lr=0.1/other/a.jpg').read_bytes() == b'1'
    path = tmp_path / 'lr=0.1/other.tar'
    assert call(TOOL, 'folders', f'train=1={path}', f'val={path}', '--out', 'mine', cwd=tmp_path) == 0
    assert sorted(str(p.relative_to(tmp_path / 'mine')) for p in (tmp_path / 'mine').rglob('*.jpg')) == [
        'train=1/a.jpg', 'val/a.jpg']
