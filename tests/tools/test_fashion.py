"""The way of docs/fashion.md cut short, on generated pictures: teacher, student, test, scenes."""
from pathlib import Path

import pytest

from mmkd.experiments.run_logs import read_scalars
from mmkd.utils.checkpoints.reading import read_checkpoint

from .conftest import TOOLS, call

CONFIGS = TOOLS.parent / 'configs/fashion'
SHORT = ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=4']
PICTURES = [*SHORT, 'train_dataloader.dataset.indices=8', 'val_dataloader.dataset.indices=-6']
TEACHER = 'work_dirs/slak-mini_fashion/epoch_1.pth'
STUDENT = 'work_dirs/convnest-mini_slak-mini-kd_fashion/epoch_1.pth'


@pytest.fixture(scope='module')
def place(fashion_home, tmp_path_factory):
    """A working directory with the data, a trained teacher and a student that it taught."""
    path = tmp_path_factory.mktemp('place')
    (path / 'data').symlink_to(fashion_home / 'data', target_is_directory=True)
    train(path, 'slak-mini', *PICTURES)
    train(path, 'convnest-mini_slak-mini-kd', *PICTURES, f'model.teacher.checkpoint={TEACHER}')
    return path


def train(path: Path, name: str, *options: str) -> dict:
    """Trains a config of the folder; returns the last figures of its validation."""
    assert call('train.py', CONFIGS / f'{name}_fashion.py', '--cfg-options', *options, cwd=path) == 0
    return figures_of(path / f'work_dirs/{name}_fashion')


def figures_of(folder: Path) -> dict:
    """The last figures of a run's validation."""
    return list(read_scalars(folder)[1].values())[-1]


@pytest.mark.slow
def test_a_test_reads_the_test_set(place, capsys):
    """240 pictures to train and to validate, 40 to test: batches of 250 would not tell them apart."""
    figures = train(place, 'resnet8', *PICTURES)
    assert 0 <= figures['accuracy/top1'] <= 100
    capsys.readouterr()
    assert call('test.py', CONFIGS / 'resnet8_fashion.py', 'work_dirs/resnet8_fashion/epoch_1.pth', '--cfg-options',
                'test_dataloader.batch_size=10', cwd=place) == 0
    assert 'Epoch(test) [4/4]' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'figure'), [
    ('mask-rcnn_convnest-mini-distilled', 'coco/segm_mAP'), ('retinanet_convnest-mini-distilled', 'coco/bbox_mAP'),
    ('pspnet_convnest-mini-distilled', 'mIoU'), ('retinanet_slak-mini', 'coco/bbox_mAP'), ('pspnet_slak-mini', 'mIoU')])
def test_backbones_go_on_into_scenes(place, name, figure):
    source, prefix = (TEACHER, '') if 'slak' in name else (STUDENT, 'student.')
    figures = train(
        place, name, *SHORT, 'train_dataloader.dataset.indices=4', 'val_dataloader.dataset.indices=2',
        'optim_wrapper.optimizer.lr=1e-9', 'optim_wrapper.optimizer.weight_decay=0',
        *(['model.test_cfg.score_thr=0.'] if 'retinanet' in name else []),  # a new one is sure of nothing
        f'model.backbone.init_cfg.checkpoint={source}')
    assert figure in figures
    before = read_checkpoint(place / source)['state_dict']
    trained = read_checkpoint(place / f'work_dirs/{name}_fashion/epoch_1.pth')['state_dict']
    weight = 'backbone.downsample_layers.0.0.weight'
    assert (trained[weight] - before[prefix + weight]).abs().max() < 1e-6


@pytest.mark.slow
def test_one_per_cent_of_the_labels_is_repeated(place):
    figures = train_few(place)
    assert 0 <= figures['accuracy/top1'] <= 100


def train_few(path: Path) -> dict:
    """Trains with a few labels, which the dataset's wrapper repeats."""
    name = 'convnest-mini_fashion-1pct'
    options = [*SHORT, 'train_dataloader.dataset.times=2', 'train_dataloader.dataset.dataset.indices=8',
               'val_dataloader.dataset.indices=-6']
    assert call('train.py', CONFIGS / f'{name}.py', '--cfg-options', *options, cwd=path) == 0
    return figures_of(path / f'work_dirs/{name}')
