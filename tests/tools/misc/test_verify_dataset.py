"""tools/misc/verify_dataset.py: whole data pass, and each kind of fault is found and listed."""
import hashlib
import io
import json

import numpy as np
import pytest
from mmpretrain.datasets import CustomDataset
from PIL import Image

from mmkd.datasets.classification.imagenet_classes import class_indices, real_labels
from mmkd.datasets.classification.unlabelled_images import UnlabelledImages
from mmkd.datasets.pictures import find_pictures
from mmkd.datasets.verification import known as known_datasets
from mmkd.datasets.verification.files import plan_folders
from mmkd.datasets.verification.images import ImageFile, check_image

from ...archives import WORDNET_IDS, jpeg, pictures, write_folder, zip_bytes
from ..conftest import call

TOOL = 'misc/verify_dataset.py'


def png(values: int, size: tuple[int, int] = (24, 16)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0]), values, np.uint8)).save(buffer, 'PNG')
    return buffer.getvalue()


@pytest.fixture
def verify(tmp_path, capsys):
    """Runs the tool; returns its exit status and the listed problems as (kind, path, text)."""

    def _verify(*arguments: object) -> tuple[int, list[list[str]]]:
        status = call(TOOL, *arguments, '--list', 'out/bad.txt', '--workers', '2', cwd=tmp_path)
        path = tmp_path / 'out/bad.txt'
        rows = [line.split('\t') for line in path.read_text().splitlines()] if path.exists() else []
        assert bool(rows) == (status == 1)
        assert ('ok: ' in capsys.readouterr().out) == (status == 0)
        assert not list(path.parent.glob('.*'))
        return status, rows

    return _verify


@pytest.mark.parametrize('kind', ['folder', 'archive'])
def test_folders(tmp_path, verify, kind):
    files = pictures(30)  # more than a chunk
    root = 'data'
    if kind == 'archive':
        root = 'archive://data.zip'

    def write() -> None:
        write_folder(tmp_path / 'data', files)
        (tmp_path / 'data.zip').write_bytes(zip_bytes(files))
        from mmkd.datasets.archives.archive import open_archive
        open_archive.cache_clear()

    write()
    assert verify('folders', root) == (0, [])
    assert verify('folders', root, '--decode') == (0, [])
    one, two, three, four = list(files)[5:9]
    middle = bytearray(files[three])
    del middle[len(middle) // 2:-2]
    files |= {one: b'', two: files[two][:200], three: bytes(middle), four: b'<html>' * 9,
              f'{WORDNET_IDS[0]}/{WORDNET_IDS[1]}_77.JPEG': jpeg(7)}
    write()
    status, rows = verify('folders', root)
    assert status == 1
    assert sorted((kind, path.removeprefix(f'{root}/')) for kind, path, _ in rows) == sorted([
        ('truncated', one), ('truncated', two), ('no image', four),
        ('mislabelled', f'{WORDNET_IDS[0]}/{WORDNET_IDS[1]}_77.JPEG')])
    decoded = verify('folders', root, '--decode')[1]  # a hole in the middle only shows when the pixels are read
    assert len(decoded) == 5 and ['truncated', f'{root}/{three}'] in [row[:2] for row in decoded]


def test_list(tmp_path, verify):
    root = write_folder(tmp_path / 'data/train', {**pictures(2), 'extra.png': png(1)})
    lines = [f'{name} {class_indices()[name[:9]]}' for name in pictures(2)]
    (root / 'extra.png').rename(tmp_path / 'extra.png')
    command = ('list', 'data/train', '--ann-file', 'data/train.txt', '--num-classes', '1000')
    (tmp_path / 'data/train.txt').write_text('\n'.join(lines))
    assert verify(*command) == (0, [])
    (tmp_path / 'extra.png').rename(root / 'extra.png')
    lines[1] = lines[1].replace(' 0', ' 5')
    lines += [lines[2], 'no/where.jpg 3', 'n01484850/x.jpg 1000', 'n01484850/y.jpg']
    (tmp_path / 'data/train.txt').write_text('\n'.join(lines))
    rows = verify(*command)[1]
    text = '\n'.join(map(' '.join, rows))
    assert len(rows) == 6
    for part in ('class 5, its folder is 0', 'names it 2 times', 'missing data/train/no/where.jpg', 'got \'n01484850/x',
                 "got 'n01484850/y.jpg'", 'not listed data/train/extra.png'):
        assert part in text, part


def test_coco(tmp_path, verify):
    images = [dict(id=i, file_name=f'{i}.jpg', width=24, height=16) for i in range(4)]
    boxes = [dict(id=i, image_id=i, category_id=1, bbox=[1, 1, 8, 8], area=64) for i in range(4)]
    root = write_folder(tmp_path / 'data', {f'{i}.jpg': jpeg(i) for i in range(4)})

    def run() -> list[list[str]]:
        content = dict(images=images, annotations=boxes, categories=[dict(id=1, name='a')])
        (tmp_path / 'all.json').write_text(json.dumps(content))
        return verify('coco-json', 'data', '--ann-file', 'all.json')[1]

    assert run() == []
    (root / '0.jpg').unlink()
    (root / '1.jpg').write_bytes(jpeg(1, (16, 24)))
    boxes[1]['image_id'], boxes[2]['category_id'], boxes[3]['bbox'] = 9, 9, [20, 1, 8, 8]
    rows = run()
    assert sorted(row[0] for row in rows) == ['mislabelled'] * 3 + ['missing', 'wrong size']
    assert ['wrong size', 'data/1.jpg', 'expects 24x16, got 16x24'] in rows


@pytest.mark.parametrize(('change', 'part'), [
    (lambda c: c['annotations'][1].update(id=0), 'has 2 annotations of id 0'),
    (lambda c: c['images'].append(dict(c['images'][0], file_name='1.jpg')), 'has 2 images of id 0'),
    (lambda c: c['categories'].append(dict(id=2, name='a')), "has 2 categories of name 'a'"),
    (lambda c: c['categories'].append(dict(id=1, name='b')), 'has 2 categories of id 1'),
    (lambda c: c['annotations'].clear(), 'has no annotations'),
    (lambda c: c['annotations'][0].pop('area'), 'annotation 0 has no area'),
    (lambda c: c['annotations'][0].update(area=0), 'annotation 0 has the area 0'),
    (lambda c: c['annotations'][0].update(area=None), 'annotation 0 has the area None'),
    (lambda c: c['annotations'][0].update(area=float('nan')), 'annotation 0 has the area nan'),
    (lambda c: c['annotations'][0].update(bbox=[1, 1, 0, 8]), 'annotation 0 has the empty box [1, 1, 0, 8]'),
    (lambda c: c['annotations'][0].update(bbox=[]), 'annotation 0 expects a box x, y, width, height, got []'),
    (lambda c: c['annotations'][0].pop('bbox'), 'annotation 0 expects a box'),
    (lambda c: c['annotations'][0].update(segmentation=[]), 'annotation 0 has an empty mask'),
    (lambda c: c['annotations'][0].update(segmentation=[[1, 1, 2, 2]]), 'annotation 0 has an empty mask'),
])
def test_coco_files_that_are_wrong_in_themselves(tmp_path, verify, change, part):
    write_folder(tmp_path / 'data', {f'{i}.jpg': jpeg(i) for i in range(2)})
    content = dict(images=[dict(id=i, file_name=f'{i}.jpg', width=24, height=16) for i in range(2)],
                   annotations=[dict(id=i, image_id=i, category_id=1, bbox=[1, 1, 8, 8], area=64,
                                     segmentation=[[1, 1, 9, 1, 9, 9]]) for i in range(2)],
                   categories=[dict(id=1, name='a')])
    change(content)
    (tmp_path / 'all.json').write_text(json.dumps(content))
    assert any(part in row[2] for row in verify('coco-json', 'data', '--ann-file', 'all.json')[1])


def test_folders_and_files_that_are_no_data(tmp_path, verify):
    files = {'cat/1.jpg': jpeg(1), 'dog/1.jpg': jpeg(2)}
    write_folder(tmp_path / 'data', files)
    assert verify('folders', 'data') == (0, [])
    junk = {'.ipynb_checkpoints/x.jpg': jpeg(3), '__MACOSX/._x.jpg': b'', 'cat/.ipynb_checkpoints/1-checkpoint.jpg':
            jpeg(1), 'dog/2.webp': b'RIFF', 'dog/3.TIFF': b'II'}
    write_folder(tmp_path / 'data', junk)
    rows = verify('folders', 'data')[1]
    assert sorted((row[0], row[1]) for row in rows) == sorted([
        ('no class', 'data/.ipynb_checkpoints'), ('no class', 'data/__MACOSX'),
        ('no class', 'data/cat/.ipynb_checkpoints/1-checkpoint.jpg'), ('not read', 'data/dog/2.webp'),
        ('not read', 'data/dog/3.TIFF')])
    assert CustomDataset(data_prefix=str(tmp_path / 'data')).CLASSES[0] == '.ipynb_checkpoints'  # as it says


@pytest.mark.parametrize(('suffix', 'distill', 'unlabelled'), [
    ('.webp', True, True), ('.tiff', False, True), ('.gif', False, False)])
def test_who_reads_what_mmpretrain_does_not(tmp_path, verify, suffix, distill, unlabelled):
    """What is said of a file, beside the sets themselves."""
    write_folder(tmp_path / 'data', {'cat/1.jpg': jpeg(1), f'cat/2{suffix}': jpeg(2)})
    [row] = verify('folders', 'data')[1]
    assert f"mmpretrain's CustomDataset and ImageNet do not look for {suffix} in folders" in row[2]
    assert ('mmkd distill' in row[2], 'mmkd.UnlabelledImages' in row[2]) == (distill, unlabelled)
    assert len(CustomDataset(data_prefix=str(tmp_path / 'data'))) == 1
    assert len(UnlabelledImages(data_prefix=str(tmp_path / 'data'))) == 1 + unlabelled
    assert len(find_pictures(tmp_path / 'data', labels=False).train) == 1 + distill


@pytest.mark.parametrize('line', ['', 'a.jpg\t0', 'a.jpg,0', 'a.jpg 2', 'a.jpg -1'])
def test_lines_of_a_list(tmp_path, verify, line):
    write_folder(tmp_path / 'data', {'b.jpg': jpeg(0)})
    (tmp_path / 'list.txt').write_text(f'b.jpg 0\n{line}\nc.jpg 1\n')
    rows = verify('list', 'data', '--ann-file', 'list.txt', '--num-classes', '2')[1]
    assert [row[:2] for row in rows] == [['mislabelled', 'list.txt'], ['missing', 'data/c.jpg']]
    assert rows[0][2].startswith('line 2 expects a path, one space and a class from 0 to 1')
    assert rows[1][2] == 'there is no such file, but list.txt, line 3, names it'
    (tmp_path / 'list.txt').write_text('')
    assert 'the list is empty' in verify('list', 'data', '--ann-file', 'list.txt')[1][0][2]


@pytest.mark.parametrize('colour', [True, False])
def test_16_bit_images_that_use_12(tmp_path, verify, colour):
    cv2 = pytest.importorskip('cv2')
    for name, highest in (('dark', 4095), ('bright', 65535)):
        pixels = np.linspace(0, highest, 16 * 24).astype(np.uint16).reshape(16, 24)
        content = cv2.imencode('.png', np.stack([pixels] * 3, 2) if colour else pixels)[1].tobytes()
        assert (cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).max() < 16) == (name == 'dark')
        write_folder(tmp_path / 'data/a', {f'{name}.png': content})
    [row] = verify('folders', 'data')[1]
    assert row[:2] == ['too dark', 'data/a/dark.png']


def test_masks_of_0_and_255(tmp_path, verify):
    for values, wrong in (((0, 255), 1), ((0, 1), 0), ((0, 1, 255), 0), ((0,), 0)):
        files = {}
        for i in range(4):
            files |= {f'images/{i}.jpg': jpeg(i), f'annotations/{i}.png': png(values[i % len(values)])}
        write_folder(tmp_path / 'data', files)
        rows = verify('pairs', 'data')[1]
        assert len(rows) == wrong and all('masks have the values 0 and 255 only' in row[2] for row in rows)


def test_pairs(tmp_path, verify):
    files = {f'{kind}/training/{i}{suffix}': content for i in range(4) for kind, suffix, content in (
        ('images', '.jpg', jpeg(i)), ('annotations', '.png', png(i)))}
    root = write_folder(tmp_path / 'data', files)
    command = ('pairs', 'data', '--num-classes', '3')
    assert verify(*command, '--decode') == (0, [])
    (root / 'annotations/training/0.png').unlink()
    (root / 'images/training/1.jpg').unlink()
    write_folder(root / 'annotations/training', {'2.png': png(2, (8, 8)), '3.png': png(4)})
    assert sorted(row[0] for row in verify(*command)[1]) == ['missing', 'missing', 'wrong size']
    assert sorted(row[0] for row in verify(*command, '--decode')[1]) == [
        'mislabelled', 'missing', 'missing', 'wrong size']


def test_pairs_in_other_folders(tmp_path, verify, capsys):
    files = {f'{kind}/{i}{suffix}': png(i) for i in range(4) for kind, suffix in (
        ('photos', '_left.png'), ('labels', '_ids.png'))}
    write_folder(tmp_path / 'data', files)
    options = ('--images', 'photos', '--image-suffix', '_left.png', '--mask-suffix', '_ids.png')
    assert verify('pairs', 'data', '--masks', 'labels', *options) == (0, [])
    (tmp_path / 'data/labels/2_ids.png').unlink()
    [row] = verify('pairs', 'data', '--masks', 'labels', *options)[1]
    assert row[:2] == ['missing', 'data/labels/2_ids.png']
    (tmp_path / 'out/bad.txt').unlink()
    assert call(TOOL, 'pairs', 'data', '--masks', 'label', *options, cwd=tmp_path) == 2
    assert 'expects the folder data/label, which does not exist' in capsys.readouterr().err
    assert call(TOOL, 'folders', 'data', '--masks', 'labels', cwd=tmp_path) == 2
    assert '--masks expects pairs, got folders' in capsys.readouterr().err


def test_counts_of_known_data(tmp_path, verify):
    write_folder(tmp_path, {f'data/imagenet-v2/{c}/{i}.jpeg': jpeg(i) for c in range(3) for i in range(10 - c)})
    rows = verify('imagenet-v2')[1]
    assert sum(row[0] == 'missing' for row in rows) == 997
    assert [row[1:] for row in rows if row[0] == 'wrong count'] == [
        ['data/imagenet-v2/1', 'expects 10 images, found 9'], ['data/imagenet-v2/2', 'expects 10 images, found 8'],
        ['data/imagenet-v2', 'expects 10000 images, found 27']]


def test_classes_in_another_order(tmp_path):
    labels = [row[0] if row else 0 for row in real_labels()[:200]]
    names = [f'ILSVRC2012_val_{i:08d}.JPEG' for i in range(1, 201)]
    for shift, wrong in ((0, 0), (1, 1)):
        lines = [f'{name} {(label + shift) % 1000}\n' for name, label in zip(names, labels)]
        write_folder(tmp_path, {'meta/val.txt': ''.join(lines).encode(), 'val/x.txt': b''})
        plan = known_datasets.plan_imagenet(str(tmp_path), 'val')
        assert sum('another order' in problem.text for problem in plan.problems) == wrong


def test_cifar(tmp_path, verify, monkeypatch):
    from mmpretrain.datasets import CIFAR10
    write_folder(tmp_path, {'data/cifar10/cifar-10-batches-py/test_batch': b'good'})
    monkeypatch.setattr(CIFAR10, 'test_list', [['test_batch', hashlib.md5(b'good').hexdigest()]])
    assert verify('cifar10', '--split', 'test') == (0, [])
    write_folder(tmp_path, {'data/cifar10/cifar-10-batches-py/test_batch': b'goo'})
    assert [row[0] for row in verify('cifar10')[1]] == ['missing'] * 5 + ['truncated']


def test_resumes(tmp_path, capsys, monkeypatch):
    write_folder(tmp_path / 'data', pictures(50))
    (tmp_path / 'data' / list(pictures(1))[0]).write_bytes(b'')
    import mmkd.datasets.verification.images as image_files
    seen = []

    def interrupted(image: ImageFile, decode: bool) -> object:
        seen.append(image.path)
        if len(seen) == 100:
            raise KeyboardInterrupt
        return check_image(image, decode)

    command = ('folders', 'data', '--list', 'bad.txt', '--workers', '1')
    with monkeypatch.context() as patch:
        patch.setattr(image_files, 'check_image', interrupted)
        assert call(TOOL, *command, cwd=tmp_path) == 2
    assert 'interrupted after 1 of 3 parts. Go on with --resume.' in capsys.readouterr().err
    seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr(image_files, 'check_image', lambda image, decode: seen.append(image.path))
        assert call(TOOL, *command, '--resume', cwd=tmp_path) == 1
    assert len(seen) == 150 - 64 and 'truncated' in (tmp_path / 'bad.txt').read_text()
    assert plan_folders(str(tmp_path / 'data')).images[64].path == f'{tmp_path}/{seen[0]}'


@pytest.mark.parametrize(('arguments', 'message'), [
    (['imagenet'], 'imagenet expects the folder data/imagenet, which does not exist. See docs/prepare_data.md.'),
    (['coco', '.', '--split', 'test'], "--split of coco expects train or val, got 'test'"),
    (['coco', '.'], 'expects the folder ./train2017'),
    (['folders'], 'folders expects the folder of the images'),
    (['folders', '.'], '. expects images, found none'),
    (['list', '.'], 'list expects --ann-file'),
    (['list', '.', '--ann-file', 'no.txt'], 'expects the file no.txt'),
    (['coco-json', '.', '--ann-file', 'cut.json'], 'cut.json is cut off or no COCO'),
    (['folders', 'archive://no.zip'], 'no.zip, which does not exist'),
    (['folders', 'archive://cut.zip'], 'cut.zip is cut off or damaged'),
    (['folders', '.', '--workers', '0'], '--workers expects 1 or more'),
    (['folders', '.', '--split', 'val'], '--split expects imagenet or '),
    (['folders', '.', '--ann-file', 'cut.json'], '--ann-file expects list or coco-json, got folders. Leave it out.'),
    (['coco-json', '.', '--ann-file', 'cut.json', '--num-classes', '3'], '--num-classes expects list or pairs'),
    (['list', '.', '--ann-file', 'cut.json', '--num-classes', '-1'], '--num-classes expects 1 or more, got -1.'),
])
def test_bad_input(tmp_path, arguments, message, capsys):
    write_folder(tmp_path, {'cut.json': b'{"images": [', 'cut.zip': zip_bytes(pictures(1))[:-30]})
    assert call(TOOL, *arguments, cwd=tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1


@pytest.mark.parametrize('damaged', [False, True])
@pytest.mark.parametrize('name', ['ann.txt', 'notes.txt', 'data', 'empty.txt'])
def test_only_lists_of_problems_are_replaced_or_deleted(tmp_path, capsys, name, damaged):
    files = {'ann.txt': b'cat/1.jpg 0\n', 'notes.txt': b'missing\nmine', 'empty.txt': b''}
    write_folder(tmp_path, files | {'data/cat/1.jpg': b'' if damaged else jpeg(1)})
    command = ('list', 'data', '--ann-file', 'ann.txt', '--workers', '1', '--list')
    assert call(TOOL, *command, name, cwd=tmp_path) == 2
    assert f'got {name}, which is something else' in capsys.readouterr().err
    assert {file: (tmp_path / file).read_bytes() for file in files} == files
    for _ in range(2):
        assert call(TOOL, *command, 'new.txt', cwd=tmp_path) == int(damaged)
    (tmp_path / 'data/cat/1.jpg').write_bytes(jpeg(1))
    assert call(TOOL, *command, 'new.txt', cwd=tmp_path) == 0 and not (tmp_path / 'new.txt').exists()
