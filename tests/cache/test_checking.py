"""Checking: it finds what has changed, and nothing where nothing has."""
import os
import shutil

import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS

from mmkd.cache import check
from mmkd.cache.checking import choose
from mmkd.records.formats import HEAD
from mmkd.utils import UserError

from .recipes import built, recipe, save_teacher


@TRANSFORMS.register_module()
class OwnGenerator(BaseTransform):
    """Adds a number from a generator that nobody else can seed."""

    def __init__(self):
        self.generator = np.random.default_rng()

    def transform(self, results):
        results['img'] = results['img'] // 2 + self.generator.integers(100, dtype=np.uint8)
        return results


@pytest.fixture
def copied(cache, tmp_path):
    """A cache that may be changed."""
    shutil.copytree(cache, tmp_path / 'cache')
    return tmp_path / 'cache'


def checked(folder, config=None, **options):
    return check(config or recipe(), folder, say=lambda line: None, **options)


def test_a_cache_is_what_its_recipe_gives(cache):
    result = checked(cache, number=100)
    assert result.problems == [] and result.difference['logits'] <= 1e-6


@pytest.mark.parametrize('request_', [dict(topk=3), dict(topk='all', dtype='fp16'), dict(taps=['stage2'], dtype='fp16'),
                                      dict(taps=['stage1'], pool=True), dict(options=dict(dtype='bf16')),
                                      dict(like_training=True)], ids=str)
def test_every_kind_of_record_is_checked(tmp_path, request_):
    result = checked(built(tmp_path, epochs=1, **request_))
    assert result.problems == [] and set(result.difference) == {'logits', *request_.get('taps', ())}


def test_another_teacher_is_found(place, cache):
    save_teacher(place / 'second.pth', seed=2)
    result = checked(cache, recipe(**{'model.teacher.checkpoint': 'second.pth'}))
    assert "the teacher's weights (their hash) is" in result.problems[0]
    assert 'logits: records and teacher differ by up to' in result.problems[1] and result.difference['logits'] > 1e-3


def test_another_pipeline_is_found(cache):
    result = checked(cache, recipe(**{'train_dataloader.dataset.dataset.pipeline.1.padding': 2}))
    assert 'pipeline[1].padding is 4 in the cache and 2 in the recipe' in result.problems[0]
    assert result.problems[1].startswith('the view of sample') and len(result.problems) == 2


def test_another_order_of_the_samples_is_found(place, cache, tmp_path):
    lines = (place / 'data/digits/meta/train_5_per_class_seed0.txt').read_text().splitlines()
    (tmp_path / 'reversed.txt').write_text('\n'.join(lines[::-1]))
    result = checked(cache, recipe(**{'train_dataloader.dataset.dataset.ann_file': f'{tmp_path}/reversed.txt'}))
    assert 'the list of samples (paths, labels or their order)' in result.problems[0]


def test_a_transform_with_its_own_generator_is_found(tmp_path):
    config = recipe()
    config.train_dataloader.dataset.dataset.pipeline.insert(1, dict(type='OwnGenerator'))
    result = checked(built(tmp_path, config, epochs=1), config)
    assert len(result.problems) == 1
    assert 'is another one each time it is loaded: a transform draws' in result.problems[0]


def test_damaged_records_are_counted(copied):
    size = os.path.getsize(copied / 'epoch_00001.records')
    with open(copied / 'epoch_00001.records', 'r+b') as file:
        file.seek(HEAD + (size - HEAD) // 50 * 20)
        file.write(b'\xff' * ((size - HEAD) // 50 + 5))
    result = checked(copied)
    assert len(result.problems) == 1 and 'has 2 damaged records, first of sample 20' in result.problems[0]


def test_a_cut_off_shard_is_named_and_the_others_are_checked(copied):
    os.truncate(copied / 'epoch_00000.records', 1000)
    result = checked(copied)
    assert len(result.problems) == 1 and 'epoch_00000.records expects' in result.problems[0]
    assert result.difference['logits'] <= 1e-6


def test_an_empty_cache_is_refused(copied):
    for path in copied.glob('*.records'):
        path.unlink()
    with pytest.raises(UserError, match='expects at least one whole epoch, got none'):
        checked(copied)


def test_views_are_chosen_from_all_epochs_and_once_each():
    chosen = choose([0, 2, 5], 10, 30, seed=0)
    assert len(set(chosen)) == 30 and {epoch for epoch, _ in chosen} == {0, 2, 5}
    assert len(choose([0], 10, 100, seed=0)) == 10
    assert choose([0, 1], 1000, 5, seed=0) != choose([0, 1], 1000, 5, seed=1)
    with pytest.raises(UserError, match='--number'):
        check(None, None, number=0)
