"""Whether the data that a teacher is asked about have its classes."""
import json

import pytest
import torch
from mmengine.registry import init_default_scope

from mmkd.cache import Request, build
from mmkd.distillers.teacher import teachers_classes
from mmkd.records import Header
from mmkd.registry import MODELS
from mmkd.utils import UserError

from ..engine.replayed.cached import make_recipe, with_cache, write_files


@pytest.fixture
def folder(tmp_path):
    """Pictures of the classes a, b, c, and teachers of them in that order and in another."""
    init_default_scope('mmpretrain')
    write_files(tmp_path, 6)
    state = torch.load(tmp_path / 'teacher.pth')['state_dict']
    for name, classes in dict(same=('a', 'b', 'c'), other=('b', 'a', 'c')).items():
        torch.save(dict(state_dict=state, meta=dict(dataset_meta=dict(classes=classes))), tmp_path / f'{name}.pth')
    return tmp_path


def asked(folder, teacher: str, name: str = 'cache', lines: list | None = None, **changes) -> str:
    recipe = make_recipe(folder, **changes)
    recipe.model.teacher.checkpoint = str(folder / f'{teacher}.pth')
    build(recipe, Request(folder / name, epochs=1, topk='all'), say=[].append if lines is None else lines.append)
    return str(folder / name)


def test_other_classes_are_refused_unless_they_are_meant(folder):
    with pytest.raises(UserError, match="do not fit: train_dataloader: 2 of 3 classes have another label than in the "
                                        r"teacher's checkpoint, .*other.pth,"):
        asked(folder, 'other')
    lines = []
    asked(folder, 'other', lines=lines, custom_hooks=[dict(type='mmkd.DataFitHook', refuse=False)])
    assert any(line.startswith('warning: train_dataloader: 2 of 3 classes') for line in lines)


def test_a_recipe_that_reads_no_scores_has_no_classes_to_compare(folder):
    at = dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2')
    asked(folder, 'other', terms=dict(at=at))


def test_a_teacher_that_is_a_cache_alone_has_the_classes_of_its_header(folder):
    cache = asked(folder, 'same')
    config = with_cache(make_recipe(folder), cache, alone=True).model
    found, = teachers_classes(config, MODELS.build(config).teachers)
    assert found.declared == dict(a=0, b=1, c=2) and found.where == f"the teacher's cache, {cache},"
    path = folder / 'cache/header.json'
    content = json.loads(path.read_text())
    assert content['teacher'].pop('classes')['declared'] == dict(a=0, b=1, c=2)
    path.write_text(json.dumps(content))
    assert teachers_classes(config, MODELS.build(config).teachers) == []  # of a header from before, nothing is said


def test_a_cache_whose_header_names_no_classes_goes_on(folder):
    """Another fact would give its shards another fingerprint."""
    cache = asked(folder, 'teacher')
    recipe = make_recipe(folder)
    recipe.model.teacher.checkpoint = str(folder / 'same.pth')
    build(recipe, Request(folder / 'cache', epochs=2, topk='all'), say=[].append)
    assert Header.read(cache).epochs == 2
