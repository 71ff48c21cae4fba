"""The check that a recipe can be validated without labels."""
import pytest
from mmengine.registry import init_default_scope

from mmkd.recipes.recipe import Recipe
from mmkd.recipes.validation import check_validation

from ..engine.replayed.cached import keep, make_recipe, with_cache, write_files


@pytest.mark.parametrize('alone', [False, True])
def test_a_teacher_with_a_cache_alone_knows_no_other_images(tmp_path, alone):
    write_files(tmp_path)
    recipe = make_recipe(tmp_path, val_cfg=dict(type='mmkd.TermLossValLoop'), val_evaluator=[])
    recipe = Recipe(with_cache(recipe, keep(tmp_path, recipe, epochs=1), alone))
    init_default_scope('mmpretrain')
    recipe.build()
    found, = check_validation(recipe)
    assert (found.level == 'error') == alone
    assert ('cannot ask the teacher for other images' if alone else 'by the losses of kd') in found.text
