"""The same view whatever the order, the batch, the workers and what was drawn before."""
import pickle
import random

import mmengine
import numpy as np
import pytest
import torch
from mmengine.dataset import ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmengine.registry import DATASETS

from mmkd.datasets.replay import ReplayedDataset, ViewIndex
from mmkd.datasets.replay.mixing import mix
from mmkd.datasets.replay.views import words_of
from mmkd.utils import UserError

from .pictures import CLASSES, MIXING, PIPELINE, config, dataset, loader, seen, write_pictures


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp('pictures'))


def codes(views: ReplayedDataset, indices: list[int], epoch: int = 0) -> list[int]:
    return [sample['data_samples'].view_checksum for sample in
            views.__getitems__([ViewIndex(index, epoch) for index in indices])]


@pytest.mark.parametrize('mixing', [None, MIXING])
def test_a_view_depends_on_nothing_but_its_three_numbers(folder, mixing):
    options = dict(mixing=mixing, checksums='all')
    views = ReplayedDataset(dataset(folder), 5, **options)
    expected = codes(views, list(range(13)))
    assert len(set(expected)) == 13
    torch.manual_seed(9), np.random.seed(9), random.seed(9)
    other = ReplayedDataset(dataset(folder), 5, **options)
    assert codes(other, list(reversed(range(13)))) == expected[::-1]
    assert [codes(other, [index])[0] for index in range(13)] == expected
    alone = [other[ViewIndex(index, 0)]['data_samples'].view_checksum for index in range(13)]
    assert alone == expected
    assert set(codes(views, list(range(13)), epoch=1)).isdisjoint(expected)
    assert set(codes(ReplayedDataset(dataset(folder), 6, **options), list(range(13)))).isdisjoint(expected)


@pytest.mark.parametrize('mixing', [None, MIXING])
def test_workers_batches_and_passes_show_the_same_views(folder, mixing):
    expected = seen(loader(folder, mixing=mixing), (0, 1))
    assert len(expected) == 26 and len(set(expected.values())) == 26
    for workers, size in ((0, 1), (2, 4), (4, 3)):
        assert seen(loader(folder, workers, size, mixing=mixing), (1, 0)) == expected


def test_the_generators_are_left_as_they_were(folder):
    views = ReplayedDataset(dataset(folder), 5)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    _ = views[ViewIndex(0, 0)], views.__getitems__([ViewIndex(1, 0), ViewIndex(2, 3)])
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_views_repeat_after_the_epochs_that_there_are(folder):
    views = ReplayedDataset(dataset(folder), 5, epochs=2, checksums='all', mixing=MIXING)
    assert codes(views, [3, 4], epoch=5) == codes(views, [3, 4], epoch=1) != codes(views, [3, 4], epoch=0)
    assert views[ViewIndex(3, 5)]['data_samples'].view == (1, 3)


def test_an_index_without_an_epoch_is_refused_unless_there_is_a_default(folder):
    with pytest.raises(UserError, match='index that says its epoch, got 3.*default_epoch=0'):
        ReplayedDataset(dataset(folder), 5)[3]
    views = ReplayedDataset(dataset(folder), 5, default_epoch=2, checksums='all')
    assert views[3]['data_samples'].view == (2, 3)
    assert [views[3]['data_samples'].view_checksum] == codes(views, [3], epoch=2)


def test_mixed_pixels_and_labels(folder):
    """Each view is mixed with its partner as that one looks unmixed, and its label likewise."""
    views = ReplayedDataset(dataset(folder), 5, mixing=MIXING)
    partner, indices = views.partners(1), [ViewIndex(index, 1) for index in range(13)]
    plain = ReplayedDataset(dataset(folder), 5, mixing=MIXING | dict(probs=[0., 0.])).__getitems__(indices)
    unmixed = ReplayedDataset(dataset(folder), 5).__getitems__(indices)
    assert all(torch.equal(*(each['inputs'] for each in pair)) for pair in zip(plain, unmixed, strict=True))
    assert all(torch.equal(sample['data_samples'].gt_score, torch.eye(3)[int(sample['data_samples'].gt_label)])
               for sample in plain)
    kinds = set()
    for index in range(13):
        found = views[ViewIndex(index, 1)]
        draw = views.mixing.draw(words_of(5, 1, index)[3])
        own, other = plain[index], plain[partner[index]]
        pixels, share = mix(draw, own['inputs'], other['inputs'])
        alone = partner[index] == index
        assert torch.equal(found['inputs'], own['inputs'] if alone else pixels)
        assert alone or not torch.equal(found['inputs'], own['inputs']) or share > 0.95
        score = share * own['data_samples'].gt_score + (1 - share) * other['data_samples'].gt_score
        assert torch.allclose(found['data_samples'].gt_score, own['data_samples'].gt_score if alone else score)
        assert torch.equal(found['data_samples'].gt_label, own['data_samples'].gt_label)
        kinds.add(draw.augment['kind'])
    assert kinds == {'Mixup', 'CutMix'}


def test_a_partner_in_the_batch_is_decoded_once(folder, monkeypatch):
    data, read = dataset(folder), []
    load = type(data).__getitem__
    monkeypatch.setattr(type(data), '__getitem__', lambda self, index: read.append(index) or load(self, index))
    views = ReplayedDataset(data, 5, mixing=MIXING)
    first = next(index for index in range(13) if views.partners(0)[index] != index)
    both = [ViewIndex(first, 0), ViewIndex(int(views.partners(0)[first]), 0)]
    views.__getitems__(both)
    assert sorted(read) == sorted(both)
    views.__getitems__(both[:1])
    assert len(read) == 4


def test_some_all_or_none_have_a_checksum(folder):
    def count(**options):
        views = ReplayedDataset(RepeatDataset(dataset(folder), 20), 5, **options)
        samples = [each['data_samples'] for each in views.__getitems__([ViewIndex(i, 0) for i in range(260)])]
        return {sample.view[1]: sample.view_checksum for sample in samples if 'view_checksum' in sample}
    every, some = count(checksums='all'), count()
    assert len(every) == 260 and count(checksums='none') == {}
    assert 2 <= len(some) <= 20 and some.items() <= every.items()


class Answers:
    """What a teacher said, in a form that a worker can be sent."""

    def row(self, epoch: int, index: int) -> np.ndarray:
        return np.array([epoch, index, 7], np.uint8)


def test_answers_ride_on_the_samples(folder):
    made = loader(folder, workers=2, epochs=3, answers=Answers())
    made.sampler.set_epoch(4)
    for batch in made:
        for sample in batch['data_samples']:
            assert sample.teacher_answer.tolist() == [1, sample.view[1], 7]
            assert sample.to('cpu').teacher_answer.tolist() == [1, sample.view[1], 7]


def test_wrappers_of_other_data_sets(folder):
    balanced = ClassBalancedDataset(dataset(folder), oversample_thr=0.5)
    joined = ConcatDataset([dataset(folder), dataset(folder)])
    for inner in (RepeatDataset(dataset(folder), 2), joined, balanced):
        found = seen(loader(folder, data=inner))
        assert len(found) == len(inner) > 13 and len(set(found.values())) == len(inner)  # repeats look otherwise
        assert seen(loader(folder, 2, data=inner)) == found
        assert loader(folder, data=inner).dataset.metainfo['classes'] == CLASSES


def test_built_by_name_and_pickled(folder):
    views = DATASETS.build(dict(type='mmkd.ReplayedDataset', dataset=config(folder), seed=5, checksums='all',
                                mixing=mmengine.ConfigDict(MIXING)))
    assert len(views) == 13 and views.CLASSES == CLASSES and views.num_classes == 3
    assert codes(pickle.loads(pickle.dumps(views)), [1, 2]) == codes(views, [1, 2])
    with pytest.raises(AttributeError, match='nothing'):
        _ = views.nothing


def test_a_generator_of_a_transforms_own_shows(folder):
    """It cannot be replayed; whoever compares checksums finds it."""
    pipeline = PIPELINE[:1] + [dict(type='CenterCrop', crop_size=16), dict(type='OwnGenerator'), PIPELINE[-1]]
    views = ReplayedDataset(dataset(folder, pipeline), 5, checksums='all')
    assert codes(views, [1]) != codes(views, [1])


@pytest.mark.parametrize(('options', 'match'), [
    (dict(seed=-1), 'seed from 0'), (dict(epochs=0), 'epochs from 1'), (dict(default_epoch=-1), 'default_epoch from 0'),
    (dict(seed=None), 'seed'), (dict(seed=1.5), 'seed'), (dict(checksums='few'), "'some', 'all' or 'none'"),
    (dict(mixing=dict(augments=dict(type='ResizeMix', alpha=1.))), 'ResizeMix'), (dict(epoch=3), "'epoch'"),
])
def test_wrong_arguments(folder, options, match):
    with pytest.raises(UserError, match=match):
        ReplayedDataset(**dict(dataset=dataset(folder), seed=0) | options)


def test_mixing_wants_classes_labels_and_one_size(folder):
    unnamed = dataset(folder)
    unnamed._metainfo = {}
    with pytest.raises(UserError, match='num_classes'):
        ReplayedDataset(unnamed, 0, mixing=MIXING)
    with pytest.raises(UserError, match='labels from 0 to 1, got'):
        ReplayedDataset(dataset(folder), 0, mixing=MIXING, num_classes=2, default_epoch=0).__getitems__(range(13))
    sizes = PIPELINE[:1] + [dict(type='RandomChoiceResize', scales=[(8, 8), (12, 12)]), PIPELINE[-1]]
    with pytest.raises(UserError, match='views of one size, got'):
        ReplayedDataset(dataset(folder, sizes), 0, mixing=MIXING, default_epoch=0).__getitems__(range(13))
    with pytest.raises(UserError, match='End the pipeline with PackInputs'):
        ReplayedDataset(dataset(folder, PIPELINE[:2]), 0, default_epoch=0)[0]
