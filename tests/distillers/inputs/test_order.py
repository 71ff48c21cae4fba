"""Images that come in RGB, as CIFAR's do, and the models of timm's that take RGB."""
import pytest
import torch
from mmengine.config import Config

from mmkd.distillers.inputs import state_order
from mmkd.distillers.teacher.cached import form_of_input
from mmkd.registry import MODELS

from ..conftest import resnet

KD = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'))
TIMM = dict(timm='resnet10t', num_classes=10)


def told(dataset: str, teacher: dict, **changes) -> torch.nn.Module:
    """The distiller of a recipe whose student leaves the order of channels as it is."""
    student = resnet()
    student['data_preprocessor'] |= dict(mean=[1., 2., 3.], to_rgb=False)
    config = Config(dict(train_dataloader=dict(dataset=dict(type=dataset)), model=dict(
        type='mmkd.Distiller', student=student, teacher=teacher, input_size=32, terms=KD) | changes))
    state_order(config)
    return MODELS.build(config.model)


@pytest.mark.parametrize(('dataset', 'changes', 'expected'), [
    ('CIFAR100', {}, [1., 0., 0.]), ('CustomDataset', {}, [0., 0., 1.]),
    ('CIFAR100', dict(loads_rgb=False), [0., 0., 1.]), ('CustomDataset', dict(loads_rgb=True), [1., 0., 0.])])
def test_a_timm_teacher_sees_red_where_the_first_channel_is_red(dataset, changes, expected):
    distiller = told(dataset, TIMM, **changes)
    first = [torch.zeros(3, 32, 32, dtype=torch.uint8) for _ in range(2)]
    for image in first:
        image[0] = 255
    teacher = distiller.teachers['teacher']
    seen = teacher.adapt(distiller.data_preprocessor(dict(inputs=first), True)['inputs'])[0].mean((1, 2))
    known = teacher.model.model.pretrained_cfg
    torch.testing.assert_close(seen * torch.tensor(known['std']) + torch.tensor(known['mean']), torch.tensor(expected))


def test_a_teacher_that_states_its_order_is_believed():
    stated = told('CIFAR100', resnet() | dict(data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor', mean=[0.] * 3, std=[1.] * 3, to_rgb=False)))
    assert not stated.teachers['teacher'].adapter.flip


def test_the_header_of_a_cache_tells_the_orders_apart():
    one, other = (form_of_input(told(name, TIMM).teachers['teacher'].adapter) for name in ('CIFAR10', 'CustomDataset'))
    assert one['flip'] is False and other['flip'] is True


def test_a_test_without_training_data_and_data_of_another_order(monkeypatch):
    said = []
    monkeypatch.setattr('mmkd.distillers.inputs.order.print_log', lambda text, *_: said.append(text))
    recipe = dict(type='mmkd.Distiller', student=resnet(), teacher=TIMM, input_size=32, terms=KD)
    config = Config(dict(model=recipe, test_dataloader=dict(dataset=dict(type='CIFAR10'))))
    state_order(config)
    assert config.model.loads_rgb and said == []
    config.test_dataloader.dataset.type = 'CustomDataset'
    state_order(config)
    assert config.model.loads_rgb and 'as model.loads_rgb=True says' in said[0]


def test_other_configs_are_left_alone():
    for config in (Config(dict(model=resnet(), train_dataloader=dict(dataset=dict(type='CIFAR10')))), Config({})):
        before = config.to_dict()
        state_order(config)
        assert config.to_dict() == before
