"""Whether a cache is of the teacher that a recipe names: its config, and its dtype."""
import pytest
from torch import nn

from mmkd.engine.replayed.checks import check_teachers
from mmkd.engine.replayed.plan import plan_views
from mmkd.records import Reader
from mmkd.utils import UserError

from .cached import keep, make_recipe, with_cache


@pytest.mark.parametrize(('change', 'words'), [
    (lambda teacher: teacher.backbone.update(layer_scale_init_value=1.0), 'its config.backbone.layer_scale_init_value'),
    (lambda teacher: teacher.backbone.update(norm_cfg=dict(type='LN2d', eps=1e-2)), 'its config.backbone.norm_cfg')])
def test_equal_weights_under_another_config_are_refused(folder, cache, change, words):
    recipe = with_cache(make_recipe(folder, 'config', mixing=True), cache)
    change(recipe.model.teacher)
    with pytest.raises(UserError, match=f'{words} is .* Set it as it was then'):
        plan_views(recipe)


def test_a_config_that_says_the_same_fits(folder, cache):
    recipe = with_cache(make_recipe(folder, 'same', mixing=True), cache)
    recipe.model.teacher.update(init_cfg=dict(type='Pretrained', checkpoint='none.pth'), _scope_='mmpretrain')
    recipe.model.teacher.backbone.update(
        init_cfg=dict(type='Pretrained', checkpoint='none.pth'), drop_path_rate=0.3, frozen_stages=2)
    recipe.model.teacher.head.loss = dict(type='LabelSmoothLoss', label_smooth_val=0.1)
    recipe.model.teacher.train_cfg = None
    assert plan_views(recipe).readers.keys() == {'teacher'}


def test_a_module_has_no_config_to_compare(folder, cache):
    recipe = with_cache(make_recipe(folder, 'module', mixing=True), cache)
    cached = recipe.model.teacher.cache
    teacher = {'module': nn.Linear(2, 3), 'cache': cached}
    check_teachers(dict(model=dict(teacher=teacher)), {'teacher': Reader(cached)})


@pytest.fixture(scope='module')
def in_bf16(folder):
    """A cache of a teacher that has answered in bf16."""
    return keep(folder, make_recipe(folder, 'bf16'), 'bf16', epochs=1, options=dict(dtype='bf16'))


@pytest.mark.parametrize(('kept', 'stated', 'fits'), [
    ('cache', 'fp32', True), ('cache', 'bf16', False), ('in_bf16', 'bf16', True), ('in_bf16', 'fp16', False)])
def test_a_dtype_that_the_recipe_states_is_that_of_the_cache(folder, request, kept, stated, fits):
    recipe = with_cache(make_recipe(folder, 'dtype', mixing=kept == 'cache'), request.getfixturevalue(kept))
    recipe.model.teacher.dtype = stated
    if fits:
        assert plan_views(recipe)
    else:
        with pytest.raises(UserError, match=f'expects its dtype to be .*, got {stated!r}. Leave dtype out'):
            plan_views(recipe)


@pytest.mark.parametrize(('kept', 'optimizer', 'words'), [
    ('cache', 'OptimWrapper', []), ('in_bf16', 'OptimWrapper', ['in bfloat16', 'here in float32']),
    ('in_bf16', 'AmpOptimWrapper', []), ('cache', 'AmpOptimWrapper', ['as the student', 'here in bfloat16'])])
def test_a_dtype_that_a_live_teacher_would_not_have_is_said(folder, request, monkeypatch, kept, optimizer, words):
    recipe = with_cache(make_recipe(folder, 'dtype', mixing=kept == 'cache'), request.getfixturevalue(kept))
    recipe.optim_wrapper = dict(type=optimizer, dtype='bfloat16')
    lines = []
    monkeypatch.setattr('mmkd.engine.replayed.checks.print_log', lambda text, **options: lines.append(text))
    plan_views(recipe)
    assert len(lines) == bool(words) and all(word in line for line in lines for word in words)
