"""Hyper-parameters read off a config, under the names of the papers."""
from mmengine.config import Config

from tests.configs.recipe_facts import recipe_facts


def distillation(**model: object) -> Config:
    """A recipe with one term that reads two stages, and one that reads the logits."""
    terms = dict(
        fd=dict(loss=dict(type='mmkd.FDLoss', beta=2.0), student=['stage3', 'stage4'], teacher=('stage2', 'stage4')),
        kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits', weight=0.1))
    student = dict(type='mmpretrain.ImageClassifier', backbone=dict(type='ResNet', depth=18))
    return Config(dict(model=dict(type='mmkd.Distiller', student=student, terms=terms, **model)))


def test_teacher_and_taps():
    facts = recipe_facts(distillation(teacher=dict(config='a.py', checkpoint='slak-tiny_in1k'), task_weight=0.9))
    assert facts['teacher'] == 'slak-tiny_in1k' and facts['task_weight'] == 0.9
    assert (facts['term.fd.student'], facts['term.fd.teacher']) == (['stage3', 'stage4'], ['stage2', 'stage4'])
    assert (facts['term.kd.student'], facts['term.kd.teacher']) == ('logits', 'logits')
    assert (facts['term.fd.weight'], facts['term.kd.weight'], facts['term.fd.beta']) == (1.0, 0.1, 2.0)


def test_several_teachers_or_none_with_a_checkpoint():
    assert 'teacher' not in recipe_facts(distillation(teacher=dict(a=dict(timm='a'), b=dict(timm='b'))))
    assert 'teacher' not in recipe_facts(distillation(teacher=dict(ema=dict(momentum=0.1))))


def test_flips_crops_and_sizes():
    pipeline = [dict(type='Resize', scale=(1333, 800)), dict(type='RandomResizedCrop', scale=224),
                dict(type='RandomFlip', prob=0.5)]
    config = dict(model=dict(type='ImageClassifier'), train_dataloader=dict(dataset=dict(pipeline=pipeline)))
    facts = recipe_facts(Config(config))
    assert (facts['train_resize'], facts['train_size'], facts['random_flip']) == ([1333, 800], 224, 0.5)
    assert facts['crop_ratio'] == [0.08, 1.0]
    pipeline[1]['crop_ratio_range'] = (0.2, 1.0)
    assert recipe_facts(Config(config))['crop_ratio'] == [0.2, 1.0]


def test_learning_rates_of_parts():
    keys = {'backbone.layer4': dict(lr_mult=0.7), 'norm': dict(decay_mult=0.)}
    wrapper = dict(optimizer=dict(type='AdamW'), paramwise_cfg=dict(custom_keys=keys))
    facts = recipe_facts(Config(dict(model=dict(type='FasterRCNN'), optim_wrapper=wrapper)))
    assert facts['lr_mult.backbone.layer4'] == 0.7 and 'lr_mult.norm' not in facts


def config(pipeline: list[dict], **optim_wrapper: object) -> Config:
    return Config(dict(
        model=dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18)),
        optim_wrapper=dict(optimizer=dict(type='Lamb', lr=5e-3), **optim_wrapper),
        train_dataloader=dict(dataset=dict(type='ImageNet', pipeline=pipeline))))


def test_mixed_precision():
    assert recipe_facts(config([], type='AmpOptimWrapper'))['amp'] is True
    assert 'amp' not in recipe_facts(config([], type='OptimWrapper'))
    assert 'amp' not in recipe_facts(config([]))


def test_crop_and_flip():
    facts = recipe_facts(config([dict(type='RandomResizedCrop', scale=224), dict(type='RandomFlip', prob=0.5)]))
    assert facts['crop'] == 'RandomResizedCrop' and facts['train_size'] == 224 and facts['flip'] is True
    resized = recipe_facts(config([dict(type='ResizeEdge', scale=224)]))
    assert resized['train_size'] == 224 and not {'crop', 'flip'} & set(resized)


def test_the_arguments_of_the_backbone():
    backbone = dict(type='mmkd.ConvNeSt', arch='tiny', expansion_ratio=4, out_indices=(0, 1), init_cfg=dict(type='A'))
    facts = recipe_facts(Config(dict(model=dict(type='ImageClassifier', backbone=backbone))))
    assert {name: value for name, value in facts.items() if name.startswith('backbone.')} == {
        'backbone.arch': 'tiny', 'backbone.expansion_ratio': 4, 'backbone.out_indices': [0, 1]}


def test_an_arch_of_ones_own_is_read_entry_by_entry():
    backbone = dict(type='mmkd.ConvNeSt', arch=dict(depths=(3, 3, 6, 3), channels=[72, 144, 288, 576]))
    facts = recipe_facts(Config(dict(model=dict(type='ImageClassifier', backbone=backbone))))
    assert facts['backbone.depths'] == [3, 3, 6, 3] and facts['backbone.channels'] == [72, 144, 288, 576]
    assert 'backbone.arch' not in facts and 'backbone.type' not in facts


def test_of_a_distillation_the_students_backbone():
    student = dict(type='ImageClassifier', _scope_='mmpretrain', backbone=dict(type='mmkd.ConvNeSt', arch='atto'))
    teacher = dict(type='ImageClassifier', _scope_='mmpretrain', backbone=dict(type='mmkd.SLaK', arch='tiny'))
    model = dict(type='mmkd.Distiller', student=student, teacher=teacher, terms={})
    assert recipe_facts(Config(dict(model=model)))['backbone.arch'] == 'atto'
