"""Where tables leave something open, recipes have it as the authors' public code has it."""
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope
from mmpretrain.registry import TRANSFORMS
from timm.data import auto_augment
from torch import nn

from mmkd.distillers import Taps
from mmkd.distillers.models import student_config
from mmkd.recipes.weightless import strip_weights
from mmkd.utils.configs.finding import config_root, load_config
from tests.configs.recipe_facts import recipe_facts

from .reading import LEAVES, shown
from .test_configs import build

VIT = sorted(shown(path) for path in LEAVES if path.match('scale_kd/vit-*_in1k.py'))
OFD, *REVIEWS = ('scale_kd/mobilenet-v1_resnet50-ofd_8xb32-100e_in1k', *(
    f'vanilla_kd/resnet50_{teacher}-reviewkd_8xb256-{strategy}_in1k'
    for teacher, strategy in (('resnet152', 'a2-300e'), ('resnet152', 'a1-600e'), ('beitv2-large', 'a2-300e'))))


@pytest.fixture(autouse=True)
def _random_teachers(monkeypatch):
    monkeypatch.setattr('mmkd.distillers.models.building._initialise_teacher', lambda model, spec: None)


def load(name: str) -> Config:
    return load_config(config_root() / f'{name.removesuffix(".py")}.py')


@pytest.mark.parametrize('name', VIT)
def test_students_of_scalekd_have_no_class_token_and_keep_their_positions(name):
    config = load(name)
    backbone = student_config(config).model.backbone
    assert backbone.with_cls_token is False and backbone.out_type in ('featmap', 'avg_featmap')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = build(config, 'meta')
        groups = build_optim_wrapper(model, config.optim_wrapper).param_groups
    decays = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    found = {key: decays[id(p)] for key, p in model.named_parameters()
             if p.requires_grad and key.endswith(('pos_embed', '.position'))}
    assert found and set(found.values()) == {0}


def test_convnext_of_scalekd_normalises_the_map_before_its_average():
    for name in ('convnext-tiny_32xb64-300e_in1k', 'convnext-tiny_swin-large-scalekd_32xb64-300e_in1k'):
        model = student_config(load(f'scale_kd/{name}')).model
        assert model.backbone.gap_before_final_norm is False and model.neck.type == 'GlobalAveragePooling'


@pytest.mark.parametrize('name', [OFD, *REVIEWS])
def test_taps_read_before_the_relu_that_ends_a_stage(name):
    """In ResNets and MobileNets: what the ReLU makes of each tapped map is the stage's output."""
    config = load(name)
    (term, ) = config.model.terms.values()
    models = dict(student=student_config(config).model, teacher=load(config.model.teacher.config).model)
    for role, model in models.items():
        taps, stages = [tap for tap in term[role] if tap != 'pre_logits'], [f'stage{i}' for i in range(1, 5)]
        if taps == stages:  # BEiT has no ReLU
            assert role == 'teacher' and 'beitv2' in name
            continue
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            network = MODELS.build(ConfigDict(strip_weights(model.to_dict()))).eval()
        act = nn.ReLU6() if model.get('model_name') == 'mobilenetv1_100' else nn.ReLU()
        _, read = Taps(network, [*taps, *stages]).read(network, torch.randn(2, 3, 64, 64), mode='tensor')
        for tap, stage in zip(taps, stages, strict=True):
            assert (read[tap] < 0).any() and torch.equal(act(read[tap]), read[stage])


def test_margins_of_ofd_act():
    model = build(load(OFD))
    margins = [margin.value for margin in model.terms['ofd'].loss.margins]
    assert [len(margin) for margin in margins] == [256, 512, 1024, 2048]
    assert all((margin < 0).all() for margin in margins)


TIMM_NAMES = {'ColorTransform': 'Color', 'Shear': 'Shear{}', 'Translate': 'Translate{}Rel'}


def operations(name: str) -> Iterator[tuple[str, ConfigDict]]:
    """timm's names of what a recipe's RandAugment chooses from, and the operations."""
    step = next(step for step in load(name).train_dataloader.dataset.pipeline if step.type.endswith('RandAugment'))
    assert (step.num_policies, step.magnitude_level, step.magnitude_std, step.total_level) == (2, 7, 0.5, 10)
    for operation in TRANSFORMS.build(step).policies:
        axis = 'X' if operation.get('direction') == 'horizontal' else 'Y'
        yield TIMM_NAMES.get(operation['type'], operation['type']).format(axis), operation


@pytest.mark.parametrize('name', [
    'vanilla_kd/resnet50_8xb256-a2-300e_in1k', 'vanilla_kd/resnet50_beitv2-base-kd_8xb256-a1-4800e_in1k',
    'vanilla_kd/deit-small_beitv2-base-kd_8xb256-a1-300e_in1k',
    'vanilla_kd/resnet18_resnet34-kd_8xb256-adamw-300e_in1k',
    'vanilla_kd/resnet20_resnet56-kd_1xb64-2400e_cifar100'])
def test_rand_augment_of_vanilla_kd_is_timms_without_inc1(name, monkeypatch):
    wanted = [op.name for op in auto_augment.rand_augment_transform('rand-m7-mstd0.5', {}).ops]
    found = dict(operations(name))
    assert sorted(found) == sorted(wanted)
    monkeypatch.setattr(auto_augment, '_randomly_negate', abs)
    for key, cfg in found.items():
        function = auto_augment.LEVEL_TO_ARG[key]
        if function is None:
            continue
        for level in np.linspace(0, 10, 41):
            operation = TRANSFORMS.build({**cfg, 'magnitude_level': level, 'magnitude_std': 0})
            magnitude = abs(operation.random_magnitude()) if operation.random_negative_prob else (
                operation.random_magnitude())
            ours = math.ceil(magnitude) if key == 'Posterize' else magnitude
            ours += 1 if key in ('Color', 'Contrast', 'Brightness', 'Sharpness') else 0
            tolerance = 1 if key.startswith('Solarize') else 1e-6  # timm rounds down, which moves one gray level
            assert abs(ours - function(level, {})[0]) < tolerance


def test_rsb_keeps_inc1():
    pipeline = load('large_kernel_kd/resnet50_8xb256-rsb-a1-120e_in1k').train_dataloader.dataset.pipeline
    assert [step.policies for step in pipeline if step.type.endswith('RandAugment')] == ['timm_increasing']


@pytest.mark.parametrize('name', [
    'vanilla_kd/resnet50_8xb256-a2-300e_in1k', 'vanilla_kd/resnet50_beitv2-base-kd_8xb256-a1-600e_in1k',
    'large_kernel_kd/resnet50_8xb256-rsb-a1-120e_in1k'])
def test_the_edge_before_a_crop_of_95_percent_is_rounded_down(name):
    assert recipe_facts(load(name))['test_resize'] == math.floor(224 / 0.95) == 235


def test_mixers_clip_as_the_authors():
    assert {recipe_facts(load(shown(path)))['clip_grad'] for path in LEAVES
            if path.match('scale_kd/mixer-*_in1k.py')} == {1.0}


def rates(name: str) -> list[float]:
    """The learning rate of each epoch's last iteration, of ten an epoch, as MMEngine's schedulers have it."""
    config, weight = load(name), nn.Parameter(torch.ones(2, 2))
    optimizer = torch.optim.SGD([weight], lr=config.optim_wrapper.optimizer.lr)
    schedulers = []
    for cfg in config.param_scheduler:
        kind = PARAM_SCHEDULERS.get(cfg.type)
        cfg = {'end': config.train_cfg.max_epochs, **cfg}
        build_scheduler = kind.build_iter_from_epoch if cfg.pop('convert_to_iter_based', False) else kind
        cfg |= dict(epoch_length=10) if build_scheduler is not kind else {}
        schedulers.append(build_scheduler(optimizer, **{key: value for key, value in cfg.items() if key != 'type'}))
    found = []
    for _ in range(config.train_cfg.max_epochs):
        for _ in range(10):
            found.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            for scheduler in schedulers:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in schedulers:
            if scheduler.by_epoch:
                scheduler.step()
    return found[9::10]


def test_cswin_is_fine_tuned_by_the_authors_command():
    facts = recipe_facts(load('cswin/cswin-base_8xb32_in1k-384px'))
    assert (facts['mixup'], facts['cutmix'], facts['drop_path_rate'], facts['epochs']) == (0.1, 0.1, 0.7, 30)
    found = rates('cswin/cswin-base_8xb32_in1k-384px')
    assert found[20:] == pytest.approx([5e-7] * 10) and found[0] == 5e-6 and found[19] > 5.2e-7


@pytest.mark.parametrize('name', ['cswin/cswin-tiny_8xb256_in1k', 'cswin/cswin-small_8xb256_in1k',
                                  'cswin/cswin-base_8xb128_in1k'])
def test_cswin_cools_down_for_ten_epochs(name):
    found = rates(name)
    assert len(found) == 310 and found[300:] == pytest.approx([1e-5] * 10) and found[299] > 1.001e-5
    assert max(found) == pytest.approx(load(name).optim_wrapper.optimizer.lr)


@pytest.mark.parametrize('what', [
    'EMA', 'SyncBN', 'ResNetV1d', 'BCE', 'RandAugment of CNNs', 'RandAugment of Mixers', 'ReLU6',
    "MobileNet-V1's rates", "Mixers' gradient clipping", 'Heads of the CAPs', 'ConvNeXt-T'])
def test_where_scalekds_configs_differ_from_its_table_the_readme_has_a_line(what):
    text = (config_root() / 'scale_kd/README.md').read_text(encoding='utf-8')
    rows = text.partition("## What differs from the authors' configs")[2].partition('## ')[0].splitlines()
    assert any(what in row for row in rows if row.startswith('| '))
