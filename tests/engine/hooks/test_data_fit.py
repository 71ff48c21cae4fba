"""DataFitHook: data that do not fit stop tools/train.py and tools/test.py before the first image."""
import json
import re
import shutil

import pytest
import torch
from mmengine.registry import init_default_scope

from mmkd.distillers.models import build_model, read_spec
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import config_root

from ...archives import jpeg, write_folder
from ...tools.conftest import call, fork

CLASSES = ('ant', 'bee', 'cat')
CONFIG = """
default_scope = 'mmpretrain'
net = dict(
    type='ImageClassifier',
    backbone=dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 8, 8])),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=8),
    data_preprocessor=dict(type='ClsDataPreprocessor', mean=[120] * 3, std=[60] * 3, num_classes=3))
model = net
def_ = dict(num_workers={workers}, batch_size=2, sampler=dict(type='DefaultSampler', shuffle=False))
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(type='CustomDataset', data_prefix='{train}', pipeline=pipeline), **def_)
val_dataloader = dict(dataset=dict(type='CustomDataset', data_prefix='{val}', pipeline=pipeline), **def_)
test_dataloader = val_dataloader
val_evaluator = test_evaluator = dict(type='Accuracy')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = dict()
test_cfg = dict()
custom_hooks = {hooks}
"""
TEACHER = """
model = dict(type='mmkd.Distiller', student=net, teacher=dict(checkpoint='{checkpoint}', **net), input_size=32,
             terms=dict(term=dict(loss=dict(type='mmkd.{loss}'), student='{tap}', teacher='{tap}')))
"""


@pytest.fixture
def place(tmp_path):
    """Two folders of three classes and a config of them."""
    for number, name in enumerate(('train', 'val')):
        folder(tmp_path / name, *CLASSES, seed=100 * number)
    config(tmp_path)
    return tmp_path


def folder(root, *names: str, seed: int = 0) -> None:
    shutil.rmtree(root, ignore_errors=True)
    write_folder(root, {f'{name}/{i}.jpg': jpeg(seed + 10 * c + i) for c, name in enumerate(names) for i in range(2)})


def config(place, name: str = 'net.py', more: str = '', **values: object) -> str:
    (place / name).write_text(CONFIG.format(**(dict(train='train', val='val', workers=0, hooks=[]) | values)) + more)
    return name


def train(place, capsys, *options: str, name: str = 'net.py') -> tuple[int, str, str]:
    status = call('train.py', name, '--work-dir', 'run', *options, cwd=place)
    out, error = capsys.readouterr()
    assert status in (0, 2), error
    assert status == 0 or (error.startswith('error: ') and error.count('\n') == 1)
    return status, out, error


def test_a_good_run_says_what_it_compared_and_keeps_the_labels(place, capsys):
    status, out, _ = train(place, capsys)
    assert status == 0 and 'Data: 6 val images were compared with 6 training images by path: 0 coincide' in out + log(
        place)
    meta = read_checkpoint(place / 'run/epoch_1.pth')['meta']
    assert meta['label_names'] == dict(source='folders', names=dict(ant=0, bee=1, cat=2))
    # The same checkpoint, tested and resumed where a folder is missing.
    folder(place / 'val', 'bee', 'cat')
    assert call('test.py', 'net.py', 'run/epoch_1.pth', '--work-dir', 'test', cwd=place) == 2
    assert re.search(r"test_dataloader: 2 of 2 classes have another label than in the checkpoint run/epoch_1.pth: "
                     "'bee' is 0", capsys.readouterr().err)
    assert call('model_converters/publish_student.py', 'run/epoch_1.pth', 'out/student.pth', cwd=place) == 0
    [student] = (place / 'out').iterdir()
    assert call('test.py', 'net.py', student, '--work-dir', 'test', cwd=place) == 2
    assert 'another label than in the checkpoint' in capsys.readouterr().err
    folder(place / 'train', 'bee', 'cat')
    status, _, error = train(place, capsys, '--resume', '--restart-schedule', '--cfg-options', 'train_cfg.max_epochs=2')
    assert status == 2 and "another label than in the checkpoint: 'bee'" in error
    folder(place / 'val', *CLASSES)
    assert call('test.py', 'net.py', 'run/epoch_1.pth', '--work-dir', 'test', cwd=place) == 0


def log(place) -> str:
    return ''.join(path.read_text() for path in (place / 'run').rglob('*.log'))


@pytest.mark.parametrize(('names', 'pattern'), [
    (('bee', 'cat'), 'val_dataloader: 2 of 2 classes have another label'),
    (('.ipynb_checkpoints', *CLASSES), "val_dataloader takes '.ipynb_checkpoints' for a class"),
    (('Bee', 'ant', 'cat'), 'val_dataloader: 2 of 3 classes have another label'),
])
def test_refused(place, capsys, names, pattern):
    folder(place / 'val', *names, seed=100)
    status, _, error = train(place, capsys)
    assert status == 2 and pattern in error and not list((place / 'run').glob('*.pth'))
    config(place, hooks=[dict(type='mmkd.DataFitHook', refuse=False)])
    assert train(place, capsys)[0] == 0 and pattern in log(place)


def test_validation_images_that_are_training_images(place, capsys):
    config(place, val='train')
    assert train(place, capsys)[0] == 0
    assert '6 val images were compared with 6 training images by path: 6 coincide' in log(place)


@pytest.mark.parametrize('workers', [0, 1])
def test_a_broken_image_names_its_file(place, workers):
    config(place, workers=workers)
    (place / 'train/bee/1.jpg').write_bytes(b'')
    result = fork('train.py', 'net.py', cwd=place)
    lines = [line for line in result.stderr.splitlines() if line.startswith('error: ')]
    assert result.returncode == 2 and 'cannot read train/bee/1.jpg' in lines[0] and 'Traceback' not in result.stderr


@pytest.mark.parametrize(('loss', 'tap', 'status'), [('KDLoss', 'logits', 2), ('FDLoss', 'stage2', 0)])
def test_a_teacher_of_other_classes(place, capsys, loss, tap, status):
    """Whose logits would mean other classes; its features may be learnt all the same."""
    assert train(place, capsys)[0] == 0
    checkpoint = read_checkpoint(place / 'run/epoch_1.pth')
    checkpoint['meta'].pop('label_names')
    checkpoint['meta']['dataset_meta'] = dict(classes=CLASSES[::-1])  # as any run of MMEngine writes it
    torch.save(checkpoint, place / 'teacher.pth')
    config(place, 'recipe.py', TEACHER.format(checkpoint='teacher.pth', loss=loss, tap=tap))
    got, _, error = train(place, capsys, name='recipe.py')
    assert got == status
    assert status == 0 or "2 of 3 classes have another label than in the teacher's checkpoint, teacher.pth" in error


DETECTION = f"""
_base_ = '{config_root()}/quickstart/mask-rcnn_convnest-mini_digits.py'
train_cfg = dict(max_epochs=1)
"""


def categories(home, name: str, change) -> None:
    path = home / 'data/digits/scenes/annotations/instances_val.json'
    content = json.loads(path.read_text())
    content['categories'] = change(content['categories'])
    (path.parent / name).write_text(json.dumps(content))


@pytest.mark.parametrize(('change', 'pattern'), [
    (lambda rows: rows[::-1], "val_dataloader: 10 of 10 classes have another label than in train_dataloader: '9' is 0"),
    (lambda rows: [*rows[:3], dict(rows[3], name='drei'), *rows[4:]],
     "got 9 (missing: '3')"),
])
def test_categories_of_a_detector(home, tmp_path, capsys, change, pattern):
    pytest.importorskip('mmdet')
    categories(home, 'other.json', change)
    (tmp_path / 'det.py').write_text(DETECTION)
    options = ['--cfg-options', 'val_dataloader.dataset.ann_file=scenes/annotations/other.json',
               'val_evaluator.ann_file=data/digits/scenes/annotations/other.json']
    assert call('train.py', tmp_path / 'det.py', '--work-dir', tmp_path, *options, cwd=home) == 2
    assert pattern in capsys.readouterr().err


RECIPE = f"""
_base_ = '{config_root()}/quickstart/mask-rcnn_convnest-mini_mask-rcnn-wide-fd-kd_digits.py'
train_cfg = dict(max_epochs=1)
model = dict(
    teacher=dict(checkpoint='{{checkpoint}}'),
    terms=dict(_delete_=True, own=dict(loss={{loss}}, student='{{tap}}', teacher='{{tap}}')))
"""


@pytest.mark.parametrize(('loss', 'tap', 'status'), [
    (dict(type='mmkd.KDLoss'), 'roi_head.bbox_head.fc_cls', 1),
    (dict(type='mmkd.BinaryKDLoss', teacher_activation='sigmoid'), 'logits', 0)])
def test_a_detector_that_teaches_in_another_order(home, tmp_path, capsys, loss, tap, status):
    """The scores of regions are of classes; what its proposal network says is not."""
    pytest.importorskip('mmdet')
    (tmp_path / 'rec.py').write_text(RECIPE.format(loss=loss, tap=tap, checkpoint=tmp_path / 'teacher.pth'))
    spec = read_spec(dict(config='quickstart/mask-rcnn_convnest-wide_digits.py'), 'teacher')
    init_default_scope('mmdet')
    meta = dict(dataset_meta=dict(classes=tuple('9876543210')))
    torch.save(dict(state_dict=build_model(spec, 'teacher').state_dict(), meta=meta), tmp_path / 'teacher.pth')
    assert call('analysis_tools/check_recipe.py', tmp_path / 'rec.py', cwd=home) == status
    assert ("10 classes have another label than in the teacher's checkpoint" in capsys.readouterr().out) == bool(status)
