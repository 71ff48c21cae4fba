"""Running checks one after another."""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmkd.recipes.checks import CHECKS, check_term_weights
from mmkd.recipes.recipe import Finding, Recipe, run_checks
from mmkd.utils import UserError

from ..distillers.conftest import classifier


def test_a_check_that_fails_stops_no_other():
    recipe = Recipe(Config(dict(train_cfg=dict(max_epochs=3))))

    def user_error(_):
        yield Finding('ok', 'one')
        raise UserError('mend\n it')

    checks = dict(first=user_error, second=lambda _: 1 / 0, third=lambda recipe: [recipe.model],
                  fourth=lambda recipe: [recipe.length], fifth=lambda _: [Finding('ok', 'five')])
    assert [(name, found.level, found.text) for name, found in run_checks(recipe, checks)] == [
        ('first', 'ok', 'one'), ('first', 'error', 'mend it'),
        ('second', 'error', 'ZeroDivisionError: division by zero'), ('fifth', 'ok', 'five'),
        ('not checked', 'warning', 'third, fourth: mend the errors above first.')]


def test_length_of_a_training_by_iterations():
    assert Recipe(Config(dict(train_cfg=dict(max_epochs=None, max_iters=7)))).length == (0, 7)


def test_a_teachers_standardisation_is_there_for_the_first_step(recipe):
    """Else the check would say that the term's parameters learn nothing."""
    term = recipe['terms']['fd']
    term.update(loss=dict(type='mmkd.FitNetLoss'), teacher_norm=dict(type='mmkd.PHIS', steps=100))
    model = Recipe(Config(dict(model=recipe))).build()
    losses = model.train()(torch.rand(2, 3, 32, 32), torch.tensor([0, 1]), mode='loss')
    assert model.terms['fd'].teacher_norms[0].is_estimated and losses['loss_fd'] > 0


def test_the_check_names_an_estimate_that_outlasts_the_training(recipe):
    recipe['terms']['fd'].update(loss=dict(type='mmkd.FitNetLoss'), teacher_norm=dict(type='mmkd.PHIS', steps=100))
    short = Recipe(Config(dict(model=recipe, train_cfg=dict(max_epochs=None, max_iters=99))))
    short.build()
    first, _ = check_term_weights(short)
    assert first.level == 'error' and 'longer than the 100 iterations' in first.text


def test_the_order_of_the_channels_of_the_data_is_told(recipe):
    config = Config(dict(model=recipe, train_dataloader=dict(dataset=dict(type='CIFAR10'))))
    assert Recipe(config).config.model.loads_rgb is True and 'loads_rgb' not in config.model


@pytest.mark.parametrize('left_out', [('optim_wrapper', ), ('train_dataloader', ), ('train_cfg', ),
                                      ('train_dataloader', 'train_cfg', 'optim_wrapper')])
def test_a_config_without_a_training_has_one_error(tmp_path, left_out):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        Image.new('RGB', (32, 32)).save(tmp_path / name / '0.png')
    loader = dict(batch_size=2, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
        type='CustomDataset', data_root=str(tmp_path), pipeline=[dict(type='LoadImageFromFile'),
                                                                 dict(type='PackInputs')]))
    config = dict(model=classifier(8, classes=2), train_dataloader=loader, train_cfg=dict(max_epochs=1),
                  optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3)))
    init_default_scope('mmpretrain')
    recipe = Recipe(Config({key: value for key, value in config.items() if key not in left_out}))
    errors = [(name, found.text) for name, found in run_checks(recipe, CHECKS) if found.level == 'error']
    assert errors == [('training', 'a training expects train_dataloader, train_cfg, optim_wrapper in the config, which '
                       f'lacks {", ".join(left_out)}. Write them, as the files of configs/_base_ do.')]
