"""Training on a folder of pictures without classes, and what asks for labels there."""
import re

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS

from mmkd.utils.configs.finding import load_config

from ..archives import jpeg, write_folder
from .conftest import call

CONFIG = """
default_scope = 'mmpretrain'
net = dict(
    type='ImageClassifier',
    backbone=dict(type='ConvNeXt', arch=dict(depths=[1, 1, 1, 1], channels=[8, 8, 8, 8])),
    head=dict(type='LinearClsHead', num_classes=3, in_channels=8),
    data_preprocessor=dict(type='ClsDataPreprocessor', mean=[120] * 3, std=[60] * 3))
headless = dict(net, head=None)
backbone = net['backbone']
data_preprocessor = dict(net['data_preprocessor'])
model = dict(
    type='mmkd.Distiller', student={student}, teacher=dict(checkpoint='teacher.pth', **net), input_size=32,
    task_weight={task_weight}, terms=dict(term={term}))
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')]
train_dataloader = dict(
    num_workers=0, batch_size=4, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='CustomDataset', data_prefix='pictures', with_label=False, pipeline=pipeline))
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
train_cfg = dict(by_epoch=True, max_epochs=2)
"""
# Validation by features, on pictures whose folders are their classes.
LABELLED = """
labelled = dict(batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dict(type='CustomDataset', data_prefix='{val}', pipeline=pipeline))
val_dataloader = labelled
val_cfg = dict(type='mmkd.FeatureValLoop', neighbours=3, bank_dataloader=dict(
    labelled, dataset=dict(labelled['dataset'], data_prefix='{bank}')))
val_evaluator = []
test_dataloader, test_evaluator = val_dataloader, []
test_cfg = dict(val_cfg, type='mmkd.FeatureTestLoop')
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='knn/top1'))
""".format(val='val', bank='bank')
LOSSES = """
val_dataloader = dict(train_dataloader, dataset=dict(train_dataloader['dataset'], data_prefix='others'))
val_cfg = dict(type='mmkd.TermLossValLoop')
val_evaluator = []
test_dataloader, test_evaluator = val_dataloader, []
test_cfg = dict(type='mmkd.TermLossTestLoop')
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='terms/total', rule='less'))
"""
LOGITS = "dict(loss=dict(type='mmkd.{loss}'), student='logits', teacher='logits')"
MAPS = "dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2')"


@pytest.fixture
def place(tmp_path):
    prepare(tmp_path)
    return tmp_path


def prepare(root) -> None:
    """Eight pictures in folders that mean nothing, a teacher, and a recipe."""
    write_folder(root / 'pictures', {f'{i % 2}/{i}.jpg': jpeg(i) for i in range(8)})
    write_folder(root / 'others', {f'{i}.jpg': jpeg(i) for i in range(60, 66)})
    for folder, first in (('bank', 20), ('val', 40)):
        write_folder(root / folder, {f'{"ab"[i % 2]}/{i}.jpg': jpeg(i) for i in range(first, first + 8)})
    write(root)
    net = MODELS.build(ConfigDict(_scope_='mmpretrain', **load_config(root / 'recipe.py').net))
    torch.save(dict(state_dict=net.state_dict()), root / 'teacher.pth')


def write(place, student: str = 'net', term: str = LOGITS.format(loss='KDLoss'), task_weight: float = 0.,
          more: str = '') -> None:
    (place / 'recipe.py').write_text(CONFIG.format(student=student, term=term, task_weight=task_weight) + more)


@pytest.mark.parametrize(('student', 'term'), [('net', LOGITS.format(loss='KDLoss')), ('headless', MAPS),
                                               ('backbone', MAPS)])
def test_trains(place, capsys, student, term):
    write(place, student, term)
    assert call('train.py', 'recipe.py', '--work-dir', 'run', cwd=place) == 0, capsys.readouterr().out
    saved = torch.load(place / 'run/epoch_2.pth', weights_only=False)['state_dict']
    assert {name.partition('.')[0] for name in saved} == {'student'}
    losses = re.findall(r'loss_term: (\S+)', ''.join(capsys.readouterr()))
    assert len(losses) == 2 and float(losses[1]) > 0


@pytest.mark.parametrize(('term', 'task_weight', 'message'), [
    (LOGITS.format(loss='KDLoss'), 0., 'ok.*have no labels, and no term needs any'),
    (LOGITS.format(loss='KDLoss'), 1., 'error.*no labels, but the student.s own loss needs them'),
    (LOGITS.format(loss='NKDLoss'), 0., "error.*no labels, but term 'term' needs them for its NKDLoss"),
    (MAPS, 0., 'ok.*warning term weights .* so its classifier learns nothing')])
def test_the_check_says_what_needs_labels(place, capsys, term, task_weight, message):
    write(place, term=term, task_weight=task_weight)
    status = call('analysis_tools/check_recipe.py', 'recipe.py', '--device', 'cpu', cwd=place)
    text = ' '.join(capsys.readouterr().out.split())
    assert re.search(message, text), text
    assert status == (0 if message.startswith('ok') else 1), text


@pytest.mark.parametrize('student', ['headless', 'backbone'])
def test_the_check_misses_no_classifier_in_a_student_without_one(place, capsys, student):
    write(place, student, MAPS)
    assert call('analysis_tools/check_recipe.py', 'recipe.py', '--device', 'cpu', cwd=place) == 0
    text = capsys.readouterr().out
    assert 'all shapes fit' in text and 'classifier learns nothing' not in text, text


def test_training_stops_at_the_first_batch(place, capsys):
    write(place, term=LOGITS.format(loss='NKDLoss'))
    assert call('train.py', 'recipe.py', '--work-dir', 'run', cwd=place)
    text = capsys.readouterr()
    assert 'NKDLoss expects class labels, got none' in text.out + text.err


@pytest.mark.parametrize(('student', 'term'), [('headless', MAPS), ('net', LOGITS.format(loss='KDLoss'))])
def test_validates_by_features(place, capsys, student, term):
    write(place, student, term, more=LABELLED)
    assert call('analysis_tools/check_recipe.py', 'recipe.py', '--device', 'cpu', cwd=place) == 0
    text = capsys.readouterr().out
    tap = 'stage4' if student == 'headless' else 'pre_logits'
    assert f'validation by features at {tap}, pooled, of 3 neighbours among 8 images' in text
    assert call('train.py', 'recipe.py', '--work-dir', 'run', cwd=place) == 0, capsys.readouterr().out
    text = ''.join(capsys.readouterr())
    trained = re.findall(r'Epoch\(val\).*knn/top1: (\S+)\s+probe/top1: (\S+)', text)
    assert len(trained) == 2 and 'Teacher on the validation set: knn/top1' in text
    assert re.search('8 val images were compared with 8 bank images by path: 0 coincide', text)
    assert call('test.py', 'recipe.py', 'run/epoch_2.pth', '--work-dir', 'test', cwd=place) == 0
    tested = re.findall(r'Epoch\(test\).*knn/top1: (\S+)\s+probe/top1: (\S+)', ''.join(capsys.readouterr()))
    assert tested == trained[1:]
    best, = (place / 'run').glob('best_knn_top1_epoch_*.pth')
    assert call('model_converters/publish_student.py', best, 'student.pth', cwd=place) == 0
    student, = place.glob('student-*.pth')
    assert call('test.py', 'recipe.py', student, '--work-dir', 'test', cwd=place) == 0


def test_a_bank_that_is_missing_or_shares_images(place, capsys):
    write(place, more=LABELLED + "val_cfg['bank_dataloader']['dataset']['data_prefix'] = 'nowhere'")
    assert call('train.py', 'recipe.py', '--work-dir', 'run', cwd=place) == 2
    assert 'val_cfg.bank_dataloader.dataset (CustomDataset) expects nowhere' in ''.join(capsys.readouterr())
    write(place, more=LABELLED + "val_cfg['bank_dataloader']['dataset']['data_prefix'] = 'val'")
    assert call('analysis_tools/check_recipe.py', 'recipe.py', '--device', 'cpu', cwd=place) == 1
    assert '8 val images were compared with 8 bank images by path: 8 coincide' in capsys.readouterr().out
    write(place, more=LABELLED + "val_cfg['neighbours'] = 9")
    assert call('analysis_tools/check_recipe.py', 'recipe.py', '--device', 'cpu', cwd=place) == 1
    assert 'val_cfg.neighbours expects at most 8, the images of the bank, got 9' in capsys.readouterr().out


def test_validates_by_the_losses(place, capsys):
    write(place, 'headless', MAPS, more=LOSSES)
    assert call('analysis_tools/check_recipe.py', 'recipe.py', '--device', 'cpu', cwd=place) == 0
    assert 'validation by the losses of term' in capsys.readouterr().out
    assert call('train.py', 'recipe.py', '--work-dir', 'run', cwd=place) == 0
    trained = re.findall(r'Epoch\(val\).*terms/term: (\S+)', ''.join(capsys.readouterr()))
    assert len(trained) == 2 and len(list((place / 'run').glob('best_terms_total_epoch_*.pth'))) == 1
    assert call('test.py', 'recipe.py', 'run/epoch_2.pth', '--work-dir', 'test', cwd=place) == 0
    tested = re.findall(r'Epoch\(test\).*terms/term: (\S+)', ''.join(capsys.readouterr()))
    assert tested == trained[1:]
