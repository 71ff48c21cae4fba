"""Every distillation method between the quick start's models: it trains, all of it, without copies to the host."""
import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from mmkd.distillers.term import Term
from mmkd.utils.configs.finding import config_root, load_config

METHODS = sorted(path.stem for path in (config_root() / 'quickstart/methods').glob('*.py'))


@pytest.fixture(params=METHODS)
def distiller_and_batch(request, home, monkeypatch):
    """A method's distiller with a random teacher, and four digits."""
    monkeypatch.chdir(home)
    config = load_config(f'quickstart/methods/{request.param}.py')
    config.model.teacher.pop('checkpoint')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({**config.model, 'data_preprocessor': config.get('data_preprocessor')})
        model.init_weights()
        loader = Runner.build_dataloader({**config.train_dataloader, 'batch_size': 4}, seed=0)
        return model.train(), next(iter(loader)), config


def test_a_step_changes_every_parameter(distiller_and_batch):
    model, batch, config = distiller_and_batch
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    log = model.train_step(batch, build_optim_wrapper(model, config.optim_wrapper))
    assert all(torch.isfinite(value).all() for value in log.values())
    unchanged = [name for name, p in model.named_parameters() if p.requires_grad and torch.equal(p, before[name])]
    assert unchanged == []


def test_nothing_is_copied_to_the_host(distiller_and_batch):
    """On the meta device there are no values: reading one, as ``.item()`` or ``if tensor:`` do, raises."""
    model, batch, _ = distiller_and_batch
    data = model.data_preprocessor(batch, True)
    _, student = model._student_taps.read(model.student, data['inputs'], data['data_samples'], mode='loss')
    teacher = model._run_teachers(data['inputs'], data['data_samples'], dict(model.terms.items()), student)
    away = {role: {tap: _to_meta(value) for tap, value in tensors.items()}
            for role, tensors in (('student', student), ('teacher', teacher))}
    target, indices = torch.empty(4, dtype=torch.long, device='meta'), torch.empty(4, dtype=torch.long, device='meta')
    for term in model.terms.values():
        if hasattr(term.loss, 'bind'):
            continue  # holds parts of the teacher, which are on the CPU
        meta_term: Term = copy.deepcopy(term).to('meta')
        meta_term(away['student'], away['teacher'], target, indices).backward()


def _to_meta(value):
    if isinstance(value, list):
        return [_to_meta(item) for item in value]
    return value.detach().to('meta').requires_grad_(value.requires_grad)
