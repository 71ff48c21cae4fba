"""The config of a data set as ``data``: what it says of the images, and what the call adds."""
import subprocess
import sys
from pathlib import Path

import mmkd
import pytest
import torch
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

from .conftest import QUICK, STUDENT, Plain

TIMM = dict(timm='resnet10t', num_classes=3, pretrained=False)
STATED = 'data_preprocessor = dict(mean=[1., 2., 3.], std=[40., 50., 60.], to_rgb=True)'
BY_CONFIG = {key: value for key, value in QUICK.items() if key not in ('batch_size', 'workers')}


def write_config(folder: Path, pictures: Path, more: str = '', data: str = '', step: str = '') -> str:
    """A data set of the pictures of a folder, with other lines, arguments of its data and steps of its pipeline."""
    data = data or f"type='CustomDataset', data_prefix={str(pictures)!r}"
    (folder / 'data.py').write_text(f"""{more}
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), {step}dict(type='PackInputs')]
train_dataloader = dict(batch_size=6, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
                        dataset=dict({data}, pipeline=pipeline))
val_dataloader = dict(batch_size=6, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      dataset=dict({data}, pipeline=pipeline))
val_evaluator = dict(type='Accuracy', topk=(1, ))
""")
    return str(folder / 'data.py')


def written(student: object, folder: Path, data: str, method: str = 'kd'):
    """The config of a call, without training it."""
    return load_config(mmkd.distill(student, Plain(), data, method, out=folder / 'out', train_now=False, **BY_CONFIG))


def test_what_the_config_states_of_the_images_counts(tmp_path, pictures):
    config = written(TIMM, tmp_path, write_config(tmp_path, pictures, STATED))
    found = dict(config.data_preprocessor)
    assert found == dict(type='mmpretrain.ClsDataPreprocessor', mean=[1., 2., 3.], std=[40., 50., 60.], to_rgb=True,
                         num_classes=3)
    student = MODELS.build(config.model | dict(data_preprocessor=found, teacher=dict(module=Plain())))
    image = torch.arange(3).reshape(3, 1, 1).expand(3, 32, 32).contiguous().byte() * 100
    inputs = student.data_preprocessor(dict(inputs=[image]))['inputs']
    assert inputs[0, :, 0, 0].tolist() == pytest.approx([199 / 40, 98 / 50, -3 / 60])


@pytest.mark.parametrize(('data', 'to_rgb'), [
    ('', True), ("type='CIFAR10', data_root='cifar', download=False", False)])
def test_else_the_student_gets_its_own_normalisation(tmp_path, pictures, data, to_rgb):
    """In the order of channels in which its weights are, also where the data come in RGB."""
    config = written(TIMM, tmp_path, write_config(tmp_path, pictures, data=data))
    assert config.data_preprocessor.mean == pytest.approx([123.675, 116.28, 103.53])
    assert config.data_preprocessor.to_rgb is to_rgb


@pytest.mark.parametrize(('loaders', 'stated', 'to_rgb'), [
    ('', 'False', False),  # of a model for CIFAR, say
    ('', 'True', False),
    ("train_dataloader = dict(dataset=dict(type='CustomDataset'))", 'False', True),
    ("train_dataloader = dict(dataset=dict(type='CIFAR100'))", 'False', False),
])
def test_a_students_own_order_in_data_that_come_in_rgb(tmp_path, pictures, loaders, stated, to_rgb):
    (tmp_path / 'student.py').write_text(
        f"_base_ = 'mmkd::_base_/models/resnet20_cifar.py'\n{loaders}\n"
        f'model = dict(data_preprocessor=dict(to_rgb={stated}), head=dict(num_classes=3))\n')
    config = written(dict(config=str(tmp_path / 'student.py')), tmp_path, write_config(
        tmp_path, pictures, data="type='CIFAR10', data_root='cifar', download=False"))
    assert config.data_preprocessor.mean == [129.304, 124.07, 112.434]
    assert config.data_preprocessor.to_rgb is to_rgb


def test_images_that_the_pipeline_normalises(tmp_path, pictures):
    step = "dict(type='Normalize', mean=[0., 0., 0.], std=[255., 255., 255.]), "
    config = written(TIMM, tmp_path, write_config(tmp_path, pictures, step=step))
    assert 'mean' not in config.data_preprocessor


def test_grey_images(tmp_path, pictures):
    student = Plain()
    student.layer1[0] = torch.nn.Conv2d(1, 8, 3, 2, 1)
    teacher = Plain()
    teacher.layer1[0] = torch.nn.Conv2d(1, 8, 3, 2, 1)
    data = write_config(tmp_path, pictures, data="type='MNIST', data_root='mnist', download=False")
    path = mmkd.distill(student, teacher, data, 'kd', out=tmp_path / 'out', train_now=False, **BY_CONFIG)
    assert load_config(path).data_preprocessor.mean == [pytest.approx(114.495)]


@pytest.mark.parametrize('method', ['funmatch', 'binary_kd', 'crd', 'distpro'])
def test_what_a_method_does_to_a_batch(tmp_path, pictures, method):
    """Mixed batches, labels as scores, the number of images."""
    config = written(TIMM, tmp_path, write_config(tmp_path, pictures, STATED), method)
    distiller = MODELS.build(config.model | dict(
        data_preprocessor=config.data_preprocessor, teacher=dict(module=Plain())))
    samples = [DataSample().set_gt_label(i % 3) for i in range(6)]
    for number, sample in enumerate(samples):
        sample.set_field(number, 'sample_idx', field_type='metainfo')
    batch = distiller.data_preprocessor(dict(
        inputs=[torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8) for _ in samples], data_samples=samples), True)
    total = distiller.total(distiller(**batch, mode='loss'))
    total.backward()
    assert total.isfinite()
    assert ('batch_augments' in config.data_preprocessor) == (method == 'funmatch')
    if method == 'crd':
        assert distiller.terms['crd'].loss.num_samples == 18


def test_a_method_that_mixes_and_a_segmentor(tmp_path, home, monkeypatch):
    pytest.importorskip('mmseg')
    monkeypatch.chdir(home)
    student = dict(config='quickstart/upernet_convnest-mini_digits.py')
    with pytest.raises(UserError, match='the method funmatch expects a classifier as student, got a model of mmseg'):
        mmkd.distill(student, student, 'quickstart/_base_/datasets/digits_ade.py', 'funmatch', out=tmp_path / 'out',
                     train_now=False, size=96)


def test_modules_that_the_config_imports(tmp_path, pictures):
    """The config that is written builds its data in a process that knows nothing else."""
    (tmp_path / 'own_data.py').write_text("""
from mmpretrain.datasets import CustomDataset
from mmengine.registry import DATASETS


@DATASETS.register_module()
class OwnData(CustomDataset):
    pass
""")
    data = write_config(tmp_path, pictures, "custom_imports = dict(imports=['own_data'])",
                        f"type='OwnData', data_prefix={str(pictures)!r}")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        mmkd.distill(TIMM, TIMM, data, 'kd', out=tmp_path / 'out', train_now=False, **BY_CONFIG)
    code = ('from mmengine.config import Config\nfrom mmengine.registry import DATASETS, init_default_scope\n'
            "config = Config.fromfile('out/config.py')\ninit_default_scope(config.default_scope)\n"
            'print(len(DATASETS.build(config.train_dataloader.dataset)))')
    done = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split()[-1:] == ['18'], done.stderr


def test_a_run_of_a_config(tmp_path, pictures):
    """From the first step to the figures, with the labels as scores."""
    result = mmkd.distill(STUDENT | dict(options={'model.head.num_classes': 3}), Plain(),
                          write_config(tmp_path, pictures), 'binary_kd', out=tmp_path / 'out',
                          **BY_CONFIG | dict(epochs=1))
    assert 'accuracy/top1' in result.metrics
