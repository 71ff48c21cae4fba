"""Choosing settings of methods."""
import math

import pytest
from mmengine.config import Config
from PIL import Image

from mmkd.experiments.tuning import (
    Tried,
    best_of,
    described,
    read_best,
    read_grids,
    setting_name,
    settings_of,
    survivors,
    tuning_table,
)
from mmkd.experiments.tuning_figure import draw_tuning
from mmkd.utils import UserError

NAN = math.nan


def test_each_method_has_the_same_budget_and_its_own_setting():
    grid = {'a': [1, 2, 3], 'b': [4, 5]}
    assert settings_of(grid, 100) == [{}, *({'a': a, 'b': b} for a in (1, 2, 3) for b in (4, 5))]
    some = settings_of(grid, 4, seed=1)
    assert len(some) == 4 and some[0] == {} and some == settings_of(grid, 4, seed=1) != settings_of(grid, 4, seed=2)
    assert settings_of({}, 6) == [{}] and settings_of(grid, 1) == [{}]
    assert all(setting in settings_of(grid, 5, seed=1) for setting in some)  # a larger budget keeps them
    for values in (3, [], 'text'):
        with pytest.raises(UserError, match='a list of values for a'):
            settings_of({'a': values}, 6)


def test_the_recipes_own_setting_and_repetitions_are_left_out():
    config = Config(dict(model=dict(terms=dict(a=dict(weight=10), b=dict(loss=[dict(x=1)])))))
    grid = {'model.terms.a.weight': [3, 10., 3], 'model.terms.b.weight': [1, 2], 'model.terms.b.loss.0.x': [1]}
    assert [tuple(setting.values()) for setting in settings_of(grid, 9, config=config)] == [
        (), (3, 1, 1), (3, 2, 1), (10., 2, 1)]
    assert setting_name({}) == 'own' and setting_name({'a': 1, 'b': 2}) == setting_name({'b': 2, 'a': 1})


def test_the_best_of_those_that_ended():
    tried = [Tried({}, 80.), Tried({'a': 1}, NAN), Tried({'a': 2}, 90.), Tried({'a': 3}, 85.)]
    assert survivors(tried, 2) == [2, 3] and survivors(tried, 9) == [0, 2, 3] and best_of(tried) == 2  # no whole run
    assert best_of([Tried({}, NAN)]) is None
    tried[2].whole, tried[3].whole = NAN, 88.
    assert best_of(tried) == 3
    tried[2].whole = 88.
    assert best_of(tried) == 2  # the first of equals


def test_what_is_shown(tmp_path):
    tried = {'kd': [Tried({}, 80., 81.), Tried({'model.terms.kd.loss.temperature': 2}, NAN)], 'nkd': [Tried({}, NAN)]}
    table = tuning_table(tried)
    assert '| kd | as the recipe | 80.00 | 81.00 | best |' in table
    assert '| kd | kd.loss.temperature=2 | diverged |  |  |' in table
    assert described({'model.terms.kd.weight': 2, 'optim_wrapper.lr': 1}) == 'kd.weight=2, optim_wrapper.lr=1'
    draw_tuning(tmp_path / 'a.png', tried, 'accuracy/top1')
    with Image.open(tmp_path / 'a.png') as picture:
        assert picture.width > 900


def test_files_of_grids(tmp_path):
    path = tmp_path / 'grids.yml'
    path.write_text('kd: {model.terms.kd.weight: [1, 1e-3, -2E4, 1.5e-2, "1e-3", e3]}\n')
    assert read_grids(path, ['kd', 'nkd']) == {'kd': {'model.terms.kd.weight': [1, .001, -2e4, .015, '1e-3', 'e3']}}
    with pytest.raises(UserError, match="got 'kd'. Did you mean kdd"):
        read_grids(path, ['kdd'])
    for text in ('[', '- a', 'kd: 3', 'kd: {1: [1]}', '!!python/object/apply:os.system [ls]'):
        path.write_text(text)
        with pytest.raises(UserError, match='--grids expects'):
            read_grids(path, ['kd'])
    for text in ('kd: {a: [1]}\nkd: {a: [2]}\n', 'kd: {a: [1], b: [1], a: [2]}'):
        path.write_text(text)
        with pytest.raises(UserError, match='--grids expects a YAML file, got .* found (kd|a) twice'):
            read_grids(path, ['kd'])
    with pytest.raises(UserError, match='--grids expects a YAML file'):
        read_grids(tmp_path / 'none.yml', ['kd'])


def test_what_was_chosen(tmp_path):
    path = tmp_path / 'best.json'
    for suite in ('', '"suite": "digits", '):  # an older file does not say it
        path.write_text(f'{{{suite}"best": {{"kd": {{"a": 1}}}}}}')
        assert read_best(path, ['kd'], 'digits') == {'kd': {'a': 1}}
    with pytest.raises(UserError, match='a setting for nkd'):
        read_best(path, ['kd', 'nkd'], 'digits')
    with pytest.raises(UserError, match='settings for the suite fashion, got those for digits'):
        read_best(path, ['kd'], 'fashion')
    with pytest.raises(UserError, match='best.json of tools/tune.py'):
        read_best(tmp_path / 'none.json', ['kd'], 'digits')
    for best in ('3', '[1]', '{"kd": null}', '{"kd": 3}', '{"kd": [1]}'):
        path.write_text(f'{{"best": {best}}}')
        with pytest.raises(UserError, match='best.json of tools/tune.py'):
            read_best(path, ['kd'], 'digits')
