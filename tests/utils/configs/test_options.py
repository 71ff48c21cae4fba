"""Overriding a config's entries: one override leaves all others alone, and a key that nothing reads is refused."""
from functools import reduce
from operator import getitem

import pytest

from mmkd.distillers.models import read_spec, student_config
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller
from mmkd.utils.configs.finding import config_root, load_config
from mmkd.utils.configs.options import merge_options

RECIPE = 'convnest/convnest-small_slak-small-nkd_64xb64_in1k.py'
STUDENT = 'convnest/convnest-small_64xb64_in1k.py'
RATE = 'model.backbone.drop_path_rate'
SCALE = 'model.backbone.layer_scale_init_value'
NEW_STYLE = """
from mmengine.config import read_base
from mmengine.optim import OptimWrapper
from torch.optim import SGD
from mmkd.distillers import Distiller
from mmkd.losses import KDLoss
from mmpretrain.models import TimmClassifier
student = dict(type=TimmClassifier, model_name='resnet10t', num_classes=10)
model = dict(type=Distiller, student=student, teacher=student, input_size=64,
             terms=dict(kd=dict(loss=dict(type=KDLoss), student='logits', teacher='logits')))
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.1))
"""


def backbone(options: dict) -> dict:
    return student_config(load_config(RECIPE, options)).model['backbone']


def write(path, **files: str):
    for name, text in files.items():
        (path / f'{name}.py').write_text(text)
    return path


def test_a_key_below_the_students_options_leaves_the_others_alone():
    before = backbone({})
    assert before['drop_path_rate'] == 0.1
    after = backbone({f'model.student.options.{SCALE}': 1e-5})
    assert after == {**before, 'layer_scale_init_value': 1e-5}
    assert backbone({f'model.student.options.{RATE}': 0.3}) == {**before, 'drop_path_rate': 0.3}
    both = {f'model.student.options.{RATE}': 0.3, f'model.student.options.{SCALE}': 1e-5}
    assert backbone(both) == {**before, 'drop_path_rate': 0.3, 'layer_scale_init_value': 1e-5}


def test_of_a_teacher_and_of_one_of_several():
    options = {f'model.teacher.options.{RATE}': 0.2, f'model.teacher.options.{SCALE}': 1e-5}
    assert load_config(RECIPE, options).model.teacher.options == dict(
        model=dict(backbone=dict(drop_path_rate=0.2, layer_scale_init_value=1e-5)))
    config = load_config(RECIPE)
    config.model.teacher = dict(a=dict(config=STUDENT, options={RATE: 0.3}), b=dict(config=STUDENT))
    from mmkd.utils.configs.options import merge_options
    merge_options(config, {f'model.teacher.a.options.{SCALE}': 1e-5})
    assert config.model.teacher.a.options.model.backbone == dict(drop_path_rate=0.3, layer_scale_init_value=1e-5)


@pytest.mark.parametrize(('base', 'child'), [
    (f"{{'{RATE}': 0.3}}", f"{{'{SCALE}': 1e-5}}"),
    (f"{{'{RATE}': 0.3}}", 'dict(model=dict(backbone=dict(layer_scale_init_value=1e-5)))'),
    ('dict(model=dict(backbone=dict(drop_path_rate=0.3)))', f"{{'{SCALE}': 1e-5}}"),
    (f"{{'{RATE}': 0.9}}", f"{{'model.backbone': dict(drop_path_rate=0.3), '{SCALE}': 1e-5}}"),
    (f"{{'{RATE}': 0.9, '{SCALE}': 9.}}", f"{{'{SCALE}': 1e-5, 'model': dict(backbone=dict(drop_path_rate=0.3))}}")])
def test_options_inherit_in_either_form(tmp_path, base, child):
    write(tmp_path, base=f"_base_ = '{config_root()}/{RECIPE}'\nmodel = dict(student=dict(options={base}))",
          child=f"_base_ = './base.py'\nmodel = dict(student=dict(options={child}))",
          last="_base_ = './child.py'\nmodel = dict(student=dict(options={'model.backbone.width_multiplier': 1}))")
    assert load_config(tmp_path / 'last.py').model.student.options == dict(model=dict(backbone=dict(
        drop_path_rate=0.3, layer_scale_init_value=1e-5, width_multiplier=1)))
    options = load_config(tmp_path / 'last.py', {f'model.student.options.{RATE}': 0.5}).model.student.options
    assert options.model.backbone.drop_path_rate == 0.5


def test_options_in_python_take_dotted_and_nested_keys_together():
    options = {RATE: 0.3, 'model': dict(backbone=dict(layer_scale_init_value=1e-5))}
    found = read_spec(dict(config=STUDENT, options=options), 'student').cfg['backbone']
    assert (found['drop_path_rate'], found['layer_scale_init_value']) == (0.3, 1e-5)


def test_a_key_with_dots_is_found_and_none_gives_way(tmp_path):
    write(tmp_path, a="model = dict(type='A')\noptim_wrapper = dict(clip_grad=None, paramwise_cfg=dict(custom_keys={"
          "'backbone.stem': dict(lr_mult=0.5)}))")
    config = load_config(tmp_path / 'a.py', {
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.stem.lr_mult': 0.1, 'optim_wrapper.clip_grad.max_norm': 5.})
    assert config.optim_wrapper.paramwise_cfg.custom_keys == {'backbone.stem': dict(lr_mult=0.1)}
    assert config.optim_wrapper.clip_grad == dict(max_norm=5.)


@pytest.mark.parametrize('key', ['model.terms.nkd.weight', 'optim_wrapper.clip_grad'])
def test_a_dict_takes_the_place_of_a_number_whole(key):
    config = load_config(RECIPE, {'model.terms.nkd.weight': 0.1, 'optim_wrapper.clip_grad': None})
    merge_options(config, {key: dict(a=0.5, b=3)})
    merge_options(config, {f'{key}.b': 5})
    assert reduce(getitem, key.split('.'), config._cfg_dict) == dict(a=0.5, b=5)


@pytest.mark.parametrize(('key', 'message'), [
    ('modle.type', 'nothing reads modle. Did you mean model.type'),
    ('optimizer.lr', 'nothing reads optimizer. Did you mean optim_wrapper.optimizer.lr?'),
    ('lr', 'Did you mean optim_wrapper.optimizer.lr?'),
    ('train_pipeline.0.type',
     'a variable of the config file, .* Did you mean train_dataloader.dataset.pipeline.0.type'),
    ('env_cfg.cudnn_benchmak', 'Did you mean cudnn_benchmark'),
    ('optim_wrapper.paramwise_cfg.norm_decay_mul', 'Did you mean norm_decay_mult'),
    ('train_cfg.max_epoch', 'Did you mean max_epochs'),
    ('val_dataloader.batchsize', 'Did you mean batch_size'),
    ('default_hooks.chekpoint.interval', 'Did you mean default_hooks.checkpoint.interval'),
    ('train_dataloader.dataset.pipeline.77.type', "expects numbers from 0 to 5 after .*, got '77'"),
    ('model.input_size.height', "nothing below it after 'model.input_size', got 'height'"),
    ('model.student.options.modle.backbone.depth', 'nothing reads modle')])
def test_a_key_that_nothing_reads_is_refused_with_the_nearest(key, message):
    with pytest.raises(UserError, match=message):
        student_config(load_config(RECIPE, {'model.input_size': 224, key: 1}))


@pytest.mark.parametrize('options', [
    {'optim_wrapper.clip_grad.max_norm': 5}, {'env_cfg.dist_cfg.backend': 'gloo'}, {'val_dataloader': None},
    {'find_unused_parameters': True}, {'default_hooks.mine.type': 'A', 'default_hooks.mine.interval': 1},
    {'model.terms.kd.loss.type': 'mmkd.KDLoss'}, {'train_cfg.val_begin': 3}, {'randomness.deterministic': True}])
def test_a_new_key_that_is_read_passes(options):
    config = load_config(RECIPE, options)
    for key, value in options.items():
        for part in key.split('.'):
            config = config[part]
        assert config == value
        config = load_config(RECIPE, options)


@pytest.mark.parametrize(('text', 'message'), [
    ('custom_hoks = [dict(type="EMAHook")]', 'got custom_hoks. Did you mean custom_hooks?'),
    ('param_schedulers = [dict(type="LinearLR")]', 'Did you mean param_scheduler?'),
    ('randomness = dict(sed=3)', "got 'sed'. Did you mean seed"),
    ('optim_wrapper = dict(paramwise_cfg=dict(custom_keys={"a": dict(decay_mul=0)}))', 'Did you mean decay_mult?'),
    ('optim_wrapper = dict(optimizer=dict(lr=float("nan")))', 'got NaN for optim_wrapper.optimizer.lr'),
    ('default_hooks = dict(checkpoint=dict(type="CheckpointHook", intervall=1))', 'Did you mean interval?'),
    ('optim_wrapper = dict(clip_grad=dict(max_norm=-1))', 'max_norm to be a number at least 0, got -1'),
    ('custom_hooks = 3', 'expects custom_hooks to be a list or a tuple, got 3'),
    ('model = [1]', r'expects model to be a dict, got \[1\]')])
def test_a_file_with_entries_that_nobody_would_miss_is_refused(tmp_path, text, message):
    write(tmp_path, a=text)
    with pytest.raises(UserError, match=message):
        load_config(tmp_path / 'a.py')


def test_an_entry_that_a_hook_of_the_users_may_read_can_be_overridden(tmp_path):
    write(tmp_path, a='mine = dict(b=1)\nbase_lr = 1.')
    assert load_config(tmp_path / 'a.py', {'mine.b': 2}).mine.b == 2
    with pytest.raises(UserError, match='base_lr is a variable'):
        load_config(tmp_path / 'a.py', {'base_lr': 2})


def test_variables_of_a_file_are_no_mistake(tmp_path):
    write(tmp_path, a='train_dataloaders = dict(batch_size=4)\ntrain_dataloader = train_dataloaders\n'
                      'test_pipeline = []')
    assert load_config(tmp_path / 'a.py').train_dataloader.batch_size == 4


def test_types_given_as_classes(tmp_path):
    write(tmp_path, new=NEW_STYLE)
    config = load_config(tmp_path / 'new.py', {'model.task_weight': 0.5, 'optim_wrapper.optimizer.lr': 0.2})
    assert is_distiller(config.model) and config.optim_wrapper.optimizer.lr == 0.2
    from mmengine.registry import MODELS, init_default_scope
    init_default_scope('mmpretrain')
    assert type(MODELS.build(student_config(config).model)).__name__ == 'TimmClassifier'
    distiller = MODELS.build(config.model)
    assert (type(distiller).__name__, distiller.task_weight) == ('Distiller', 0.5)
