"""Validation by the terms' losses: means by hand, the same in two processes, and nothing disturbed."""
import json

import pytest
import torch

from mmkd.engine.loops import TermLossValLoop
from mmkd.engine.models import model_of
from mmkd.utils import UserError

from ...processes import run_ranks
from ..replayed.cached import keep, make_recipe, with_cache, write_files
from .conftest import Pictures, distiller_config, runner_of

LOOP = dict(type='mmkd.TermLossValLoop')
RELATIVE = dict(rel=1e-5)


def by_hand(runner, images: Pictures, batch_size: int = 4) -> dict[str, float]:
    """Means over batches of 4, 4, 4 and 2, with a distiller's own forward pass."""
    distiller = model_of(runner).eval()
    sums = dict.fromkeys(('kd', 'fd'), 0.)
    for start in range(0, len(images), batch_size):
        items = [images[i] for i in range(start, min(start + batch_size, len(images)))]
        batch = dict(inputs=[item['inputs'] for item in items], data_samples=[item['data_samples'] for item in items])
        with torch.no_grad():
            losses = distiller(**distiller.data_preprocessor(batch, False), mode='loss')
        for name in sums:
            sums[name] += losses[f'loss_{name}'].item() * len(items)
    means = {name: value / len(images) for name, value in sums.items()}
    return {f'terms/{name}': value for name, value in (means | dict(total=sum(means.values()))).items()}


def test_means_by_hand_with_a_smaller_last_batch(make_runner):
    images = Pictures(14, seed=1, labels=False)
    runner = make_runner(LOOP, images)
    found = runner.val()
    expected = by_hand(runner, images)
    assert found == {key: pytest.approx(value, **RELATIVE) for key, value in expected.items()}
    assert list(found) == ['terms/kd', 'terms/fd', 'terms/total'] and found['terms/total'] > 0
    assert runner.val_loop.run() == found  # which begins from zero


def test_the_task_loss_is_a_figure_where_it_has_a_weight(make_runner):
    runner = make_runner(LOOP, model=distiller_config(task_weight=2.))
    found = runner.val()
    assert list(found) == ['terms/kd', 'terms/fd', 'terms/task', 'terms/total']
    assert found['terms/total'] == pytest.approx(sum(found.values()) - found['terms/total'], **RELATIVE)
    assert found['terms/task'] > 0


def test_random_transforms_and_losses_draw_the_same_each_time(make_runner):
    model = distiller_config()
    model['terms'] = dict(mgd=dict(loss=dict(type='mmkd.MGDLoss'), student='stage2', teacher='stage2'))
    runner = make_runner(LOOP, Pictures(10, seed=1, labels=False, jitter=50.), model=model)
    first = runner.val()
    torch.rand(7)
    assert runner.val_loop.run() == first


def weights_after_training(make_runner, name: str, loop: dict | None, **settings) -> dict[str, torch.Tensor]:
    runner = make_runner(loop, name=name, **settings)
    runner.train()
    return model_of(runner).state_dict()


def test_training_is_the_same_with_and_without(make_runner):
    student = dict(distiller_config()['student'])
    student['backbone'] = dict(type='mmpretrain.ResNet', depth=18, base_channels=8, stem_channels=8, out_indices=(3, ),
                               norm_cfg=dict(type='BN'), style='pytorch')
    student['head'] = dict(student['head'], in_channels=64)
    student['neck'] = dict(type='mmpretrain.GlobalAveragePooling')
    plain, validated = (weights_after_training(make_runner, name, loop, model=distiller_config(student=student))
                        for name, loop in (('plain', None), ('validated', LOOP)))
    assert plain.keys() == validated.keys() and any('running_mean' in name for name in plain)
    assert all(torch.equal(plain[name], validated[name]) for name in plain)


def test_the_best_checkpoint_and_the_log(make_runner, tmp_path, monkeypatch):
    hooks = dict(checkpoint=dict(type='CheckpointHook', save_best='terms/total', rule='less'))
    seen, evaluate = [], TermLossValLoop.figures
    monkeypatch.setattr(TermLossValLoop, 'figures', lambda loop: seen.append(evaluate(loop)) or seen[-1])
    make_runner(LOOP, default_hooks=hooks, visualizer=dict(
        type='Visualizer', vis_backends=[dict(type='LocalVisBackend')], name='term losses')).train()
    seen = [figures['terms/total'] for figures in seen]
    assert len(list((tmp_path / 'run').glob('best_terms_total_epoch_*.pth'))) == 1
    rows = [json.loads(line) for path in (tmp_path / 'run').glob('*/vis_data/scalars.json')
            for line in path.read_text().splitlines()]
    assert [row['terms/total'] for row in rows if 'terms/kd' in row] == pytest.approx(seen, rel=1e-5)


def test_what_it_refuses(make_runner):
    numbering = distiller_config(terms=dict(crd=dict(
        loss=dict(type='mmkd.CRDLoss', num_samples=16, negatives=4), student='pre_logits', teacher='pre_logits')))
    with pytest.raises(UserError, match="'crd', whose CRDLoss numbers the training images"):
        make_runner(LOOP, name='crd', model=numbering).val()
    terms = distiller_config()['terms']
    for name in ('total', 'my_loss'):
        with pytest.raises(UserError, match=f"other names than 'total'.* got '{name}'"):
            make_runner(LOOP, name=name, model=distiller_config(terms={name: terms['kd']})).val()
    with pytest.raises(UserError, match='expects a model of type mmkd.Distiller'):
        make_runner(LOOP, name='plain', model=distiller_config()['student']).val()
    with pytest.raises(UserError, match=r'expects val_evaluator=\[\]'):
        make_runner(LOOP, name='metric', val_evaluator=[dict(type='Accuracy')]).val()


def test_a_teacher_with_a_cache_alone_is_refused_before_training(make_runner, tmp_path):
    write_files(tmp_path)
    recipe = make_recipe(tmp_path)
    cache = keep(tmp_path, recipe, epochs=1)
    with pytest.raises(UserError, match='TermLossValLoop expects teachers .* got the teacher with a cache alone'):
        make_runner(LOOP, model=with_cache(recipe, cache, alone=True).model).val_loop  # noqa: B018
    assert make_runner(LOOP, name='beside', model=with_cache(recipe, cache).model).val()['terms/total'] > 0


def process(rank: int, expected: dict[str, float], folder) -> None:
    runner = runner_of(folder / 'two', LOOP, Pictures(14, seed=1, labels=False, jitter=50.))
    assert runner.val() == expected
    assert [len(batch) for batch in runner.val_loop.batches] == ([4, 4] if rank == 0 else [4, 2])


@pytest.mark.processes
def test_two_processes_give_what_one_gives(make_runner, tmp_path):
    images = Pictures(14, seed=1, labels=False, jitter=50.)
    expected = make_runner(LOOP, images).val()
    run_ranks(process, tmp_path, expected, tmp_path)
