"""Building: the same records however it is done, and nothing lost."""
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.dist import get_rank

from mmkd.cache import building
from mmkd.cache.source import Source
from mmkd.datasets.replay import ViewIndex
from mmkd.records import Header, Reader, decode
from mmkd.records.coding import top1
from mmkd.records.shards import Shard
from mmkd.utils import UserError
from mmkd.utils.files.small import lock_folder

from ..processes import run_ranks
from .recipes import MIXING, SAMPLES, built, recipe, save_teacher, shards


def mixed(**options):
    return recipe(**{'data_preprocessor.batch_augments': MIXING} | options)


def test_records_are_what_the_teacher_says(cache):
    source, reader = Source(recipe()), Reader(cache)
    for epoch, index in ((0, 0), (1, 49), (0, 17)):
        sample = source.dataset[ViewIndex(index, epoch)]
        with torch.no_grad():
            tensors, _ = source.answers(source.loader.collate_fn([sample]))
        kept = reader.rows(epoch, [index])
        found = decode(kept, reader.header.format)['logits']
        assert (found - tensors['logits']).abs().max() <= 1e-6 * tensors['logits'].abs().max()
        assert kept['checksum'][0] == sample['data_samples'].view_checksum
        assert kept['label'][0] == int(sample['data_samples'].gt_label)


def test_epochs_have_other_views(cache):
    first, second = (Reader(cache).rows(epoch, range(SAMPLES))['checksum'] for epoch in (0, 1))
    assert (first != second).all()


@pytest.mark.parametrize('config', [recipe, mixed], ids=['plain', 'mixed'])
def test_workers_change_nothing(tmp_path, config):
    found = [shards(built(tmp_path / str(workers), config(), workers=workers)) for workers in (0, 2, 4)]
    assert found[0] == found[1] == found[2] and len(found[0]) == 2


def build_as_rank(rank, place, out, like_training):
    os.chdir(place)
    torch.set_num_threads(1)
    assert get_rank() == rank
    built(out, recipe(), like_training=like_training)


@pytest.mark.processes
def test_two_processes_write_what_one_writes(place, tmp_path):
    (tmp_path / 'ranks').mkdir()
    run_ranks(build_as_rank, tmp_path / 'ranks', place, tmp_path / 'two', False)
    assert shards(tmp_path / 'two') == shards(built(tmp_path / 'one'))


def test_processes_without_an_epoch_of_their_own_share_one(place, tmp_path):
    assert [(shard.start, shard.stop) for shard in building.shards_of(1, SAMPLES, 16, 2)] == [(0, 32), (32, 50)]
    built(tmp_path / 'one', epochs=1)
    header = Header.read(tmp_path / 'one')
    halves = replace(header, build=header.build | dict(parts=2))
    (tmp_path / 'two').mkdir()
    halves.write(tmp_path / 'two')
    built(tmp_path / 'two', epochs=1)
    assert list(shards(tmp_path / 'two')) == ['epoch_00000.0-32.records', 'epoch_00000.32-50.records']
    first, second = (Reader(tmp_path / name).rows(0, range(SAMPLES)) for name in ('one', 'two'))
    assert (first == second).all()


@pytest.mark.processes
def test_the_batches_of_a_training_with_two_processes(place, tmp_path):
    (tmp_path / 'ranks').mkdir()
    run_ranks(build_as_rank, tmp_path / 'ranks', place, tmp_path / 'two', True)
    header = Header.read(tmp_path / 'two')
    assert header.build['processes'] == 2 and Reader(tmp_path / 'two').epochs_there() == [0, 1]
    alone = Reader(built(tmp_path / 'one', like_training=True))
    for epoch in (0, 1):
        assert (Reader(tmp_path / 'two').rows(epoch, range(SAMPLES))['checksum']
                == alone.rows(epoch, range(SAMPLES))['checksum']).all()


class Killed(BaseException):
    """Ends a building as a signal would."""


@pytest.mark.parametrize('config', [recipe, mixed], ids=['plain', 'mixed'])
@pytest.mark.parametrize('like_training', [False, True], ids=['by index', 'like training'])
def test_killed_and_resumed_in_the_middle_of_an_epoch(tmp_path, monkeypatch, config, like_training):
    whole, asked, answers = shards(built(tmp_path / 'whole', config(), like_training=like_training)), [], Source.answers

    def counting(self, batch):
        asked.append(len(batch['inputs']))
        if len(asked) == 7:  # one to find the shapes, four of the first epoch, one of the second
            raise Killed
        return answers(self, batch)

    monkeypatch.setattr(Source, 'answers', counting)
    with pytest.raises(Killed):
        built(tmp_path / 'killed', config(), like_training=like_training)
    assert sorted(path.suffix for path in (tmp_path / 'killed').glob('epoch*')) == ['.part', '.records']
    asked[:] = [0] * 10
    built(tmp_path / 'killed', config(), like_training=like_training)
    assert shards(tmp_path / 'killed') == whole
    assert sum(asked[10:]) == 1 + SAMPLES - 16  # nothing is asked twice


def test_more_epochs_are_added(tmp_path):
    built(tmp_path, epochs=1)
    first = shards(tmp_path)
    built(tmp_path, epochs=3)
    assert shards(tmp_path).items() > first.items() and len(shards(tmp_path)) == 3
    assert Header.read(tmp_path).epochs == 3
    built(tmp_path, epochs=1)
    assert Header.read(tmp_path).epochs == 3


def test_the_last_batch_is_not_dropped(tmp_path):
    for like_training in (False, True):
        out = built(tmp_path / str(like_training), recipe(**{'train_dataloader.drop_last': True}),
                    like_training=like_training)
        assert Reader(out).epochs_there() == [0, 1]


def test_the_size_is_told_beforehand(tmp_path):
    lines = []
    built(tmp_path, lines=lines)
    size = sum(map(len, shards(tmp_path).values()))
    assert f'2 epochs of 50 views: {size:,} bytes, 0 of them there' in lines
    assert size == Header.read(tmp_path).bytes() == 2 * (50 * 76 + 512)
    assert "the teacher's top-1 is" in lines[-1]


def test_the_accuracy_is_that_of_all_records(cache):
    reader = Reader(cache)
    for epoch in (0, 1):
        rows = reader.rows(epoch, range(SAMPLES))
        assert Shard(epoch, 0, SAMPLES).counts(cache / f'epoch_0000{epoch}.records') == top1(rows, reader.header.format)


def test_features_are_kept_whole_or_pooled(tmp_path):
    whole = Reader(built(tmp_path / 'whole', taps=['stage2'], epochs=1))
    pooled = Reader(built(tmp_path / 'pooled', taps=['stage2'], pool=True, dtype='fp16', epochs=1))
    maps, means = (decode(each.rows(0, range(8)), each.header.format)['stage2'] for each in (whole, pooled))
    assert maps.dim() == 4 and means.shape == maps.shape[:2]
    torch.testing.assert_close(means, maps.mean((2, 3)), rtol=1e-3, atol=1e-3)


def test_the_taps_of_terms_are_kept(tmp_path):
    term = dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2',
                connector=dict(type='mmkd.ConvConnector'))
    out = built(tmp_path, recipe(**{'model.terms.fd': term}), epochs=1)
    assert list(Header.read(out).format.taps) == ['stage2']


def test_mixed_labels_and_pixels(tmp_path):
    plain, other = Reader(built(tmp_path / 'plain')), Reader(built(tmp_path / 'mixed', mixed()))
    assert other.header.views['mixing'] and not plain.header.views['mixing']
    same = plain.rows(0, range(SAMPLES))['checksum'] == other.rows(0, range(SAMPLES))['checksum']
    assert same.mean() < 0.3


@pytest.mark.parametrize(('options', 'words'), [
    ({'train_dataloader.dataset.dataset.ann_file': 'meta/train_5_per_class_seed1.txt'}, 'the list of samples'),
    ({'train_dataloader.dataset.dataset.pipeline.1.padding': 2}, r'pipeline\[1\].padding is 4 in the cache and 2'),
    ({'train_dataloader.dataset.times': 2}, 'the number of samples is 50 in the cache and 100'),
    ({'data_preprocessor.to_rgb': False}, 'normalisation.to_rgb'),
    ({'data_preprocessor.batch_augments': MIXING}, 'mixing'),
    ({'replay': dict(seed=1)}, 'the seed of the views'),
    ({'model.teacher.dtype': 'bf16'}, "the teacher's dtype is as the student in the cache and bfloat16"),
    ({'model.teacher.checkpoint': 'other.pth'}, "the teacher's weights")])
def test_another_recipe_in_the_same_folder_is_refused(place, cache, tmp_path, options, words):
    save_teacher(place / 'other.pth', seed=1)
    out = tmp_path / 'cache'
    shutil.copytree(cache, out)
    before = shards(out)
    with pytest.raises(UserError, match=f'holds a cache of something else: .*{words}.*Name another folder'):
        built(out, recipe(**options), topk='all')
    assert shards(out) == before


def test_other_records_in_the_same_folder_are_refused(cache):
    with pytest.raises(UserError, match='the record.topk is all in the cache and 10 in the recipe'):
        built(cache)
    with pytest.raises(UserError, match='like_training True instead of False'):
        built(cache, topk='all', like_training=True)


def test_two_builders_in_one_folder(tmp_path):
    with lock_folder(tmp_path), pytest.raises(UserError, match='in use by another run'):
        built(tmp_path)


def test_a_full_disk_is_seen_beforehand(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(building.shutil, 'disk_usage', lambda path: usage._replace(free=1000))
    with pytest.raises(UserError, match='expects 8,624 bytes of free space, and the disk has 1,000. Keep less'):
        built(tmp_path)


@pytest.mark.parametrize(('options', 'request_', 'words'), [
    ({}, dict(epochs=0), '--epochs expects 1 or more'),
    ({}, dict(teacher='b'), "--teacher expects a teacher of the recipe, got 'b'"),
    ({}, dict(taps=['stage9']), 'has no tap'),
    ({}, dict(taps=['stage2@all']), 'one by one'),
    ({'randomness.seed': None}, dict(like_training=True), '--like-training expects a recipe that says its seed'),
    ({'model.teacher': dict(ema=dict(momentum=0.1))}, {}, 'running average'),
    ({'train_dataloader.sampler': dict(type='InfiniteSampler')}, dict(like_training=True), 'got InfiniteSampler')])
def test_what_cannot_be_built_is_refused(tmp_path, options, request_, words):
    config = recipe(**{key: value for key, value in options.items() if key != 'model.teacher'})
    if 'model.teacher' in options:
        config.model.teacher = options['model.teacher']
    with pytest.raises(UserError, match=words):
        built(tmp_path, config, **request_)


def test_answers_that_are_not_finite_are_named_with_their_sample(place, tmp_path):
    state = torch.load(place / 'teacher.pth')
    state['state_dict']['head.fc.weight'].mul_(0).add_(3e38)  # finite, and its products are not
    torch.save(state, place / 'huge.pth')
    with pytest.raises(UserError, match='finite numbers.*The batch begins with sample 0 of epoch 0'):
        built(tmp_path, recipe(**{'model.teacher.checkpoint': 'huge.pth'}))


def test_infinite_samplers_are_built_by_index(tmp_path):
    out = built(tmp_path, recipe(**{'train_dataloader.sampler': dict(type='InfiniteSampler', shuffle=True)}))
    assert Reader(out).epochs_there() == [0, 1]


def test_like_training_asks_in_the_order_of_the_training(tmp_path, monkeypatch):
    seen, encoded = [], Source.encoded

    def spy(self, *args):
        found = encoded(self, *args)
        seen.append(found[0])
        return found

    monkeypatch.setattr(Source, 'encoded', spy)
    built(tmp_path, like_training=True, epochs=1)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(SAMPLES, generator=generator).tolist()
    assert [index for batch in seen for _, index in batch] == order
    assert [len(batch) for batch in seen] == [16, 16, 16, 2]
    np.testing.assert_array_equal(sorted(order), range(SAMPLES))


def test_finished_shards_of_another_recipe_are_not_taken_for_done(cache, tmp_path):
    out = tmp_path / 'cache'
    shutil.copytree(cache, out)
    (out / 'header.json').unlink()
    before = shards(out)
    with pytest.raises(UserError, match='epoch_00000.records expects epoch 0 of the cache that it lies in'):
        built(out, mixed(), topk='all')
    assert shards(out) == before and not (out / 'header.json').exists()
    built(out, topk='all')  # those of this one are
    assert shards(out) == before


def test_like_training_with_another_batch_size_is_refused(tmp_path):
    built(tmp_path, epochs=1, like_training=True)
    with pytest.raises(UserError, match='batch_size 8 instead of 16'):
        built(tmp_path, recipe(**{'train_dataloader.batch_size': 8}), like_training=True)


def test_records_without_a_header_are_not_taken_for_those_of_a_training(cache, tmp_path):
    """They do not say in which batches the teacher was asked, which decides the last bits."""
    out = tmp_path / 'cache'
    shutil.copytree(cache, out)
    (out / 'header.json').unlink()
    before = shards(out)
    with pytest.raises(UserError, match='expects its header.json, .* got records without one'):
        built(out, topk='all', like_training=True)
    assert shards(out) == before
