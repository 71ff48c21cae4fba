"""Training from caches: the run of a live teacher bit for bit, and what does not fit is refused before."""
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS

from mmkd.distillers.teacher import CachedTeacher
from mmkd.engine.replayed.plan import caches_of, plan_views
from mmkd.engine.training import train_config
from mmkd.registry import MODELS, TRANSFORMS
from mmkd.utils import UserError

from ...processes import run_ranks
from .cached import REPLAY, keep, make_recipe, same, trained, with_cache, write_files


@TRANSFORMS.register_module()
class OwnNoise(BaseTransform):
    """Draws from a generator that nobody seeds."""
    generator = np.random.default_rng(1)

    def transform(self, results: dict) -> dict:
        results['img'] = results['img'] + self.generator.integers(0, 2, (1, 1, 1)).astype('uint8')
        return results


@pytest.fixture(scope='module')
def live(folder):
    """The weights after training with the teacher itself, on the same views."""
    return trained(make_recipe(folder, 'live', mixing=True, replay=REPLAY))


@pytest.mark.parametrize('alone', [False, True])
def test_cached_run_ends_with_the_bits_of_the_live_one(folder, cache, live, alone, monkeypatch):
    recipe = with_cache(make_recipe(folder, f'alone{alone}', mixing=True), cache, alone)
    monkeypatch.setattr(CachedTeacher, '_live_answers', lambda *args: pytest.fail('the teacher ran'))
    assert same(live, trained(recipe))


def test_other_views_end_otherwise(folder, live):
    """What is compared above can differ."""
    assert not same(live, trained(make_recipe(folder, 'seed', mixing=True, replay=dict(seed=6))))


def test_a_student_alone_trains_on_the_same_views(folder):
    """With ``replay`` and no teacher, as a comparison with a cache trains it."""
    def alone(name, seed):
        recipe = make_recipe(folder, name, replay=dict(seed=seed))
        recipe.model, recipe.custom_hooks = recipe.model.student, []
        return trained(recipe)

    first = alone('alone', 5)
    assert same(first, alone('alone_again', 5)) and not same(first, alone('alone_otherwise', 6))


def test_resumed_in_the_middle_of_an_epoch(folder, cache, live):
    recipe = with_cache(make_recipe(folder, 'resumed', mixing=True), cache)
    trained(recipe)  # leaves iter_4 and iter_8, in the middle of epochs of 6
    recipe.load_from, recipe.resume = str(folder / 'resumed/iter_4.pth'), True
    assert same(live, trained(recipe))


def test_resumed_beside_a_cache_that_has_grown_or_shrunk(folder, monkeypatch):
    recipe = make_recipe(folder, 'grown')
    cache = keep(folder, recipe, 'grown_cache', epochs=1)
    expected = trained(with_cache(recipe, cache))
    keep(folder, recipe, 'grown_cache', epochs=2)
    resumed = with_cache(recipe, cache)
    resumed.load_from, resumed.resume = str(folder / 'grown/iter_8.pth'), True  # in the second epoch
    said = _said(monkeypatch)
    assert same(expected, trained(resumed))
    assert any('repeat after 1 epochs, as in the interrupted run; the cache has 2' in line for line in said)
    other = with_cache(make_recipe(folder, 'shrunk'), cache)
    trained(other)
    (Path(cache) / 'epoch_00001.records').unlink()
    other.load_from, other.resume = str(folder / 'shrunk/iter_8.pth'), True
    with pytest.raises(UserError, match='settings of the interrupted run, got epochs of views 1 instead of 2'):
        trained(other)
    with pytest.raises(UserError, match='got seed of the views none instead of 0, epochs of views none instead of 2'):
        trained(make_recipe(folder, 'shrunk', load_from=other.load_from, resume=True))


def test_workers_change_nothing(folder, cache, live):
    recipe = with_cache(make_recipe(folder, 'workers', mixing=True), cache)
    recipe.train_dataloader.update(num_workers=2, persistent_workers=True)
    assert same(live, trained(recipe))


def test_average_of_the_weights_and_accumulation_follow(folder, cache):
    changes = dict(optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3), accumulative_counts=2), custom_hooks=[
        dict(type='mmkd.DistillationHook', gradient_interval=2), dict(type='mmkd.EMAHook', momentum=0.1)])
    live = trained(make_recipe(folder, 'live_ema', mixing=True, replay=REPLAY, **changes))
    assert same(live, trained(with_cache(make_recipe(folder, 'ema', mixing=True, **changes), cache)))


def test_top_k_in_any_batches_is_near_the_live_run(folder):
    recipe = make_recipe(folder, 'topk', replay=REPLAY)
    cache = keep(folder, recipe, 'topk', topk=2, batch_size=7)
    live, cached = trained(recipe), trained(with_cache(recipe, cache))
    largest = max(float((live[name].float() - cached[name].float()).abs().max()) for name in live)
    assert largest < 1e-3  # three classes: what is left belongs to one


@pytest.mark.parametrize(('change', 'words'), [
    (lambda c: c.train_dataloader.dataset.pipeline[2].update(prob=0.4), r'pipeline\[2\].prob'),
    (lambda c: c.model.student.data_preprocessor.update(mean=[100.] * 3), 'normalisation'),
    (lambda c: c.model.student.train_cfg.augments[0].update(alpha=0.5), 'mixing'),
    (lambda c: c.train_dataloader.dataset.update(ann_file='reversed.txt'), 'list of samples'),
    (lambda c: c.train_dataloader.dataset.pipeline[1].update(scale=40), 'size|pipeline'),
    (lambda c: c.update(replay=dict(seed=6)), 'seed 5.*got 6'),
    (lambda c: c.model.teacher.update(checkpoint=c.model.teacher.checkpoint.replace('teacher.pth', 'other.pth')),
     'weights'),
])
def test_other_views_or_teachers_are_refused_by_name(folder, cache, change, words):
    lines = (folder / 'list.txt').read_text().splitlines(keepends=True)
    (folder / 'reversed.txt').write_text(''.join(reversed(lines)))
    recipe = with_cache(make_recipe(folder, 'refused', mixing=True), cache)
    change(recipe)
    with pytest.raises(UserError, match=words):
        train_config(recipe, validate=False)


def test_a_view_that_differs_stops_the_run_and_is_named(folder):
    """A transform with a generator of its own draws otherwise each time."""
    recipe = make_recipe(folder, 'own')
    recipe.train_dataloader.dataset.pipeline.insert(2, dict(type='mmkd.OwnNoise'))
    cache = keep(folder, recipe, 'own')
    with pytest.raises(UserError, match=r'got another one of sample \d+ \(.*\.png\) in epoch 0'):
        train_config(with_cache(recipe, cache), validate=False)


def test_views_that_repeat_are_said(folder, cache):
    trained(with_cache(make_recipe(folder, 'repeat', mixing=True, epochs=3), cache))
    # MMEngine gives runs of one second one log, which is that of another test's folder then
    log = ''.join(path.read_text() for path in folder.rglob('*.log'))
    said = [line for line in log.splitlines() if 'views repeat' in line and 'takes 3' in line]
    assert len(said) == 1 and '2 epochs' in said[0] and 'Beyer' in said[0]


def test_features_and_parts_of_the_teacher(folder):
    """SRRL reads a map and calls the teacher's classifier: the model beside the cache lends it."""
    terms = dict(srrl=dict(loss=dict(type='mmkd.SRRLLoss'), student='stage4', teacher=['stage4', 'logits'],
                           connector=dict(type='mmkd.ConvConnector', norm=True, act=True)))
    recipe = make_recipe(folder, 'srrl', terms=terms, replay=REPLAY)
    cache = keep(folder, recipe, 'srrl', like_training=True)
    assert same(trained(recipe), trained(with_cache(recipe, cache)))
    with pytest.raises(UserError, match='Write its config and checkpoint beside the cache'):
        train_config(with_cache(recipe, cache, alone=True), validate=False)


@pytest.mark.parametrize(('loss', 'request_', 'words'), [
    (dict(type='mmkd.KDLoss', temperature=4.0), dict(topk=2), '--topk all'),
    (dict(type='mmkd.DISTLoss'), dict(topk=2), '--topk all'),
    (dict(type='mmkd.BinaryKDLoss', teacher_activation='sigmoid'), dict(topk=2), '--topk all'),
])
def test_a_record_that_cannot_serve_is_refused(folder, loss, request_, words):
    recipe = make_recipe(folder, 'little', terms=dict(kd=dict(loss=loss, student='logits', teacher='logits')))
    cache = keep(folder, recipe, 'little', epochs=1, **request_)
    with pytest.raises(UserError, match=words):
        train_config(with_cache(recipe, cache), validate=False)


def test_a_tap_or_a_whole_map_that_was_not_kept_is_refused(folder, cache):
    fitnet = dict(fit=dict(loss=dict(type='mmkd.FitNetLoss'), student='stage4', teacher='stage4',
                           connector=dict(type='mmkd.ConvConnector')))
    recipe = make_recipe(folder, 'taps', mixing=True, terms=fitnet)
    with pytest.raises(UserError, match='Build the cache with --tap stage4'):
        train_config(with_cache(recipe, cache), validate=False)
    pooled = keep(folder, recipe, 'pooled', epochs=1, pool=True)
    with pytest.raises(UserError, match='maps that are not pooled'):
        train_config(with_cache(recipe, pooled), validate=False)


def test_an_unfinished_cache_is_refused(folder):
    recipe = make_recipe(folder, 'unfinished')
    cache = keep(folder, recipe, 'unfinished', epochs=1)
    for file in Path(cache).glob('epoch_*'):
        file.unlink()
    with pytest.raises(UserError, match='whole epoch'):
        train_config(with_cache(recipe, cache), validate=False)


def test_two_teachers_with_caches_of_their_own(folder):
    recipe = make_recipe(folder, 'two', replay=REPLAY)
    first = recipe.model.teacher
    second = first | dict(checkpoint=str(folder / 'other.pth'))
    kd = recipe.model.terms.kd
    recipe.model.teacher = dict(one=first, two=second)
    recipe.model.terms = dict(one=kd | dict(teacher='one:logits'), two=kd | dict(teacher='two:logits'))
    live = trained(recipe)
    for name in ('one', 'two'):
        recipe.model.teacher[name].cache = keep(folder, recipe, f'two_{name}', like_training=True, teacher=name)
    assert caches_of(recipe).keys() == {'one', 'two'}
    assert same(live, trained(recipe))


@pytest.mark.parametrize('replay', [dict(sed=0), dict(seed=-1), dict(seed=True), dict(seed=0, epochs=0), 5])
def test_replay_is_checked(folder, replay):
    recipe = make_recipe(folder, 'checked')
    recipe._cfg_dict['replay'] = replay
    with pytest.raises(UserError, match='replay expects'):
        plan_views(recipe)


def test_a_sampler_that_is_not_told_the_epoch_is_refused(folder):
    recipe = make_recipe(folder, 'untold', replay=REPLAY)
    recipe.default_hooks.sampler_seed = None  # each epoch would have the views of the first
    with pytest.raises(UserError, match='expect the hook DistSamplerSeedHook'):
        trained(recipe)


def test_a_recipe_without_either_is_left_alone(folder):
    recipe = make_recipe(folder, 'plain', mixing=True)
    assert plan_views(recipe) is None and 'train_cfg' in recipe.model.student
    replayed = make_recipe(folder, 'plain', mixing=True, replay=REPLAY)
    assert plan_views(replayed).mixing is not None and 'train_cfg' not in replayed.model.student


def _train_as_rank(rank: int, work: str, cache: str) -> None:
    folder = Path(cache).parent
    recipe = make_recipe(folder, Path(work).name, mixing=True, replay=REPLAY, launcher='pytorch',
                         env_cfg=dict(dist_cfg=dict(backend='gloo')))
    weights = trained(with_cache(recipe, cache))
    torch.save(weights, f'{work}_{rank}.pth')
    assert all(np.isfinite(value.float().numpy()).all() for value in weights.values())


@pytest.mark.processes
def test_two_processes_train_from_the_cache_of_one(folder, cache, tmp_path):
    run_ranks(_train_as_rank, tmp_path, str(folder / 'ranks'), cache)
    ranks = [torch.load(folder / f'ranks_{rank}.pth', weights_only=True) for rank in range(2)]
    assert same(*ranks)


def test_a_teacher_that_would_see_its_input_otherwise_is_refused(tmp_path):
    write_files(tmp_path)
    config = make_recipe(tmp_path)
    cached = with_cache(config, keep(tmp_path, config))
    cached.model.teacher.input_size = 48
    with pytest.raises(UserError, match='the form of its input.size is null in the cache and .*48'):
        train_config(cached, validate=False)


def _said(monkeypatch):
    lines = []
    monkeypatch.setattr('mmkd.engine.replayed.plan.print_log', lambda text, **options: lines.append(text))
    return lines


def test_a_building_that_was_not_finished_is_said(folder, monkeypatch):
    recipe = make_recipe(folder, 'stopped', epochs=1)
    cache = keep(folder, recipe, 'stopped', epochs=3)
    (Path(cache) / 'epoch_00002.records').unlink()
    said = _said(monkeypatch)
    trained(with_cache(recipe, cache))
    assert len(said) == 1 and '2 of 3 epochs are there' in said[0] and f'--epochs 3 --out {cache}' in said[0]


@pytest.mark.parametrize(('processes', 'taken'), [(1, None), (2, 4)])
def test_repeats_of_an_endless_sampler_are_counted_over_all_processes(folder, cache, monkeypatch, processes, taken):
    """It has the length of the whole data set in each process: 12 batches of 4 from 22 pictures are 2 or 4 epochs."""
    recipe = with_cache(make_recipe(folder, 'endless', mixing=True), cache)
    recipe.train_cfg = dict(by_epoch=False, max_iters=12)
    plan = plan_views(recipe)
    loader = Runner.build_dataloader(dict(
        batch_size=4, num_workers=0, sampler=dict(type='InfiniteSampler'), collate_fn=dict(type='pseudo_collate'),
        dataset=DATASETS.build(recipe.train_dataloader.dataset)))
    loader.sampler.world_size = processes
    said = _said(monkeypatch)
    plan.wrap(loader, preprocessor=MODELS.build(recipe.model.student).data_preprocessor)
    assert len(said) == bool(taken)
    assert all(f'views repeat: the cache has 2 epochs, and the training takes {taken}.' in line for line in said)


def test_a_last_batch_of_one_image(folder):
    recipe = make_recipe(folder, 'one', replay=REPLAY)
    recipe.train_dataloader.batch_size = 7  # of 22
    cache = keep(folder, recipe, 'one', like_training=True)
    assert same(trained(recipe), trained(with_cache(recipe, cache)))


def test_mixed_precision_ends_with_the_bits_of_the_live_run(folder, monkeypatch):
    """The teacher answers in the precision in which it would run in the training."""
    monkeypatch.setattr('mmengine.optim.optimizer.amp_optimizer_wrapper.is_cuda_available', lambda: True)  # the CPU can
    amp = dict(type='AmpOptimWrapper', dtype='bfloat16', optimizer=dict(type='AdamW', lr=1e-3))
    recipe = make_recipe(folder, 'amp', replay=REPLAY, optim_wrapper=amp)
    cache = keep(folder, recipe, 'amp', like_training=True)
    live = trained(recipe)
    assert same(live, trained(with_cache(recipe, cache)))
    assert not same(live, trained(make_recipe(folder, 'no_amp', replay=REPLAY)))
