"""Searching, recording and replaying the process of DistPro."""
import copy
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from mmkd.engine.hooks import DistProProcessHook, DistProSearchHook, EpochSeedHook
from mmkd.engine.hooks.distpro import _in_another_order, find_loss
from mmkd.engine.meta_gradient import meta_gradient
from mmkd.utils import UserError
from tests.datasets.replay.pictures import loader as replayed
from tests.datasets.replay.pictures import seen, write_pictures

from ...processes import run_ranks
from ..pair import Pair


class Noise(Dataset):
    """Images and labels that depend on the index alone."""

    def __init__(self, first: int = 0) -> None:
        self.first = first

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> dict:
        generator = torch.Generator().manual_seed(self.first + index)
        return dict(x=torch.randn(3, 15, 15, generator=generator), label=index % 4)


class Watch(Hook):
    """Notes alpha after each iteration, and may interrupt the run."""

    priority = 'VERY_LOW'

    def __init__(self, stop: int | None = None) -> None:
        self.alpha, self.stop = [], stop

    def after_train_iter(self, runner: Runner, **kwargs: object) -> None:
        self.alpha.append(runner.model.distpro.alpha.clone())
        if runner.iter + 1 == self.stop:
            raise KeyboardInterrupt


def loader(dataset: Dataset, shuffle: bool = True) -> dict:
    return dict(batch_size=4, num_workers=0, dataset=dataset, collate_fn=dict(type='default_collate'),
                sampler=dict(type='DefaultSampler', shuffle=shuffle))


def train(folder: Path, hook: Hook | None, watch: Watch | None = None, epochs: int = 3, **kwargs: object) -> list:
    """Trains, and returns alpha after each iteration."""
    watch = watch or Watch()
    settings = dict(
        model=Pair(drop=0.2), work_dir=str(folder), train_cfg=dict(by_epoch=True, max_epochs=epochs),
        train_dataloader=loader(Noise()), optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-2)),
        randomness=dict(seed=0), custom_hooks=[EpochSeedHook(), watch] + ([hook] if hook else []),
        experiment_name=str(folder), log_level='ERROR',
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)))
    Runner(**settings | kwargs).train()
    return watch.alpha


def process(folder: Path) -> dict:
    return json.loads((folder / 'distpro.json').read_text())


def test_search_changes_the_weights_and_records_them(tmp_path):
    alpha = train(tmp_path, DistProSearchHook(interval=2))
    assert len(alpha) == 9
    assert all(torch.equal(alpha[i], alpha[i + 1]) for i in range(0, 8, 2))
    assert not any(torch.equal(alpha[i], alpha[i + 1]) for i in range(1, 8, 2))
    recorded = process(tmp_path)
    assert recorded['times'] == [i / 9 for i in range(0, 9, 2)]
    assert torch.equal(torch.tensor(recorded['alpha']), torch.stack(alpha[::2]))
    assert recorded['pathways'][1] == 'student 2 to teacher 1, conv' and len(recorded['pathways']) == 4


def test_first_step_is_adams_along_the_meta_gradient(tmp_path):
    """With a fixed held-out batch: Adam's first step has the length of its learning rate, whatever the gradient."""
    hook = DistProSearchHook(loader(Noise(100), shuffle=False), lr=0.25)
    model = Pair()
    untouched = copy.deepcopy(model)
    alpha = train(tmp_path, hook, model=model, train_dataloader=loader(Noise(), shuffle=False))[0]
    training, held_out = (torch.utils.data.default_collate([Noise(first)[i] for i in range(4)]) for first in (0, 100))
    gradient = meta_gradient(untouched.train(), 'distpro.alpha', training, held_out, 1e-2)
    torch.testing.assert_close(alpha, 1 - 0.25 * gradient / (gradient.abs() + 1e-8), rtol=1e-5, atol=0)


def test_held_out_batches_of_the_training_data_are_in_another_order(tmp_path):
    seen = []
    hook = DistProSearchHook()

    class Look(Hook):
        def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
            seen.append((data_batch['x'], next(hook._held_out)['x']))

    train(tmp_path, hook, custom_hooks=[hook, Look()])
    assert len(seen) == 9 and not any(torch.equal(*pair) for pair in seen)


def test_replayed_process_is_the_recorded_one(tmp_path):
    searched = train(tmp_path / 'search', DistProSearchHook())
    path = str(tmp_path / 'search/distpro.json')
    again = train(tmp_path / 'replay', DistProProcessHook(path))
    assert all(torch.equal(*pair) for pair in zip(searched, again, strict=True))
    longer = train(tmp_path / 'longer', DistProProcessHook(path), epochs=6)
    torch.testing.assert_close(torch.stack(longer[::2]), torch.stack(searched), rtol=1e-6, atol=0)
    torch.testing.assert_close(longer[3], (searched[1] + searched[2]) / 2, rtol=1e-6, atol=0)


def test_search_leaves_no_trace_but_alpha(tmp_path):
    """Training with the process of a search ends with the weights of the search's own run, where nothing is drawn."""
    models = [Pair(), Pair()]
    train(tmp_path / 'search', DistProSearchHook(), model=models[0])
    train(tmp_path / 'replay', DistProProcessHook(str(tmp_path / 'search/distpro.json')), model=models[1])
    states = [model.state_dict() for model in models]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_resumed_search_ends_like_an_uninterrupted_one(tmp_path):
    whole, rest = Pair(drop=0.2), Pair(drop=0.2)
    train(tmp_path / 'whole', DistProSearchHook(), model=whole)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / 'cut', DistProSearchHook(), Watch(stop=5))
    train(tmp_path / 'cut', DistProSearchHook(), model=rest, resume=True)
    assert process(tmp_path / 'whole') == process(tmp_path / 'cut')
    assert all(torch.equal(value, rest.state_dict()[name]) for name, value in whole.state_dict().items())


def test_checkpoint_without_a_search_cannot_be_resumed(tmp_path):
    train(tmp_path, None, epochs=1)
    with pytest.raises(UserError, match='search in a checkpoint to resume'):
        train(tmp_path, DistProSearchHook(), resume=True)


def test_wrong_process(tmp_path):
    with pytest.raises(UserError, match='the distpro.json that a search wrote, got .*none.json'):
        train(tmp_path / 'a', DistProProcessHook(str(tmp_path / 'none.json')))
    (tmp_path / 'other.json').write_text(json.dumps(dict(pathways=['x'], times=[0.], alpha=[[1.]])))
    with pytest.raises(UserError, match=r"process of the pathways \['student 1 to teacher 1, conv'.*got \['x'\]"):
        train(tmp_path / 'b', DistProProcessHook(str(tmp_path / 'other.json')))


@pytest.mark.parametrize('held_out', [
    loader(Noise()) | dict(batch_size=13, drop_last=True), loader(torch.utils.data.Subset(Noise(), []), shuffle=False)])
def test_nothing_held_out_is_an_error_and_no_endless_search(tmp_path, held_out):
    with pytest.raises(UserError, match='at least one batch of held-out images, got none'):
        train(tmp_path, DistProSearchHook(held_out))


def test_wrong_arguments_and_models():
    with pytest.raises(UserError, match='interval to be a whole number of at least 1, got 0'):
        DistProSearchHook(interval=0)
    with pytest.raises(UserError, match='one DistProLoss in the model, got 0'):
        find_loss(nn.Linear(1, 1))
    with pytest.raises(UserError, match='got 2'):
        find_loss(nn.ModuleList([Pair(), Pair()]))


def test_held_out_batches_of_replayed_data_know_their_epoch(tmp_path):
    loader = replayed(write_pictures(tmp_path))
    other = _in_another_order(SimpleNamespace(train_dataloader=loader, seed=0, _randomness_cfg={}))
    expected = seen(loader, (2, ))
    assert seen(other, (2, )) == expected and len(expected) == 13  # the same views, in another order
    assert list(seen(other, (2, ))) != list(expected)


def share_held_out(rank: int, folder: Path) -> None:
    for held_out in (None, loader(Noise())):
        hook = DistProSearchHook(held_out)
        runner = Runner(
            model=Pair(), work_dir=str(folder), train_cfg=dict(by_epoch=True, max_epochs=1), launcher='pytorch',
            train_dataloader=loader(Noise()), optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-2)),
            randomness=dict(seed=0, diff_rank_seed=True), experiment_name=f'share{held_out is None}',
            log_level='ERROR', cfg=dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None)))
        hook.before_train(runner)
        shares = all_gather_object(list(hook._held_out_loader.sampler))
        assert sorted(sum(shares, [])) == list(range(12))


@pytest.mark.processes
def test_processes_share_the_held_out_images_whatever_their_seeds(tmp_path):
    run_ranks(share_held_out, tmp_path, tmp_path / 'run')
