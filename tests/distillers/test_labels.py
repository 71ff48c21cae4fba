"""Images without labels."""
import pytest
import torch
from mmpretrain.structures import DataSample

from mmkd.utils import UserError

from .test_distiller import optimizer_of


def unlabelled(batch: dict, kind: str) -> dict:
    """A batch of the data loader without its labels."""
    samples = dict(none=None, empty=[DataSample() for _ in batch['inputs']])[kind]
    return dict(inputs=batch['inputs'], data_samples=samples)


def terms(loss: str) -> dict:
    """A term on the logits, and one that leaves the head alone."""
    return dict(logit=dict(loss=dict(type=loss), student='logits', teacher='logits'),
                at=dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2'))


@pytest.mark.parametrize('kind', ['none', 'empty'])
def test_terms_train_alone(build, batch, kind):
    distiller = build(task_weight=0., terms=terms('mmkd.KDLoss'))
    distiller.gradients.request()
    log = distiller.train_step(unlabelled(batch, kind), optimizer_of(distiller))
    assert set(log) == {'loss', 'task_loss', 'loss_logit', 'loss_at'} and log['task_loss'] == 0
    torch.testing.assert_close(log['loss'], log['loss_logit'] + log['loss_at'])
    assert distiller.gradients.norms['task'] == 0 < distiller.gradients.norms['logit']


def test_every_parameter_gets_a_gradient(build, batch):
    distiller = build(task_weight=0., terms=dict(at=terms('mmkd.KDLoss')['at']))
    data = distiller.data_preprocessor(unlabelled(batch, 'none'), True)
    distiller.parse_losses(distiller(**data, mode='loss'))[0].backward()
    assert [name for name, p in distiller.named_parameters() if p.grad is None] == []
    assert distiller.student.head.fc.weight.grad.abs().sum() == 0


def test_the_same_terms_as_with_labels(build, batch):
    distiller = build(task_weight=0., terms=terms('mmkd.KDLoss')).eval()
    with_labels, without = (distiller(**distiller.data_preprocessor(data, True), mode='loss')
                            for data in (batch, unlabelled(batch, 'none')))
    assert all(torch.equal(with_labels[name], without[name]) for name in ('loss_logit', 'loss_at'))


@pytest.mark.parametrize(('task_weight', 'loss', 'message'), [
    (1., 'mmkd.KDLoss', r'own loss \(task_weight=1\) expects labelled images'),
    (0., 'mmkd.NKDLoss', 'NKDLoss expects class labels, got none')])
@pytest.mark.parametrize('kind', ['none', 'empty'])
def test_what_needs_labels_says_so(build, batch, kind, task_weight, loss, message):
    distiller = build(task_weight=task_weight, terms=terms(loss))
    with pytest.raises(UserError, match=message):
        distiller.train_step(unlabelled(batch, kind), optimizer_of(distiller))


@pytest.mark.parametrize('samples', [True, False])
def test_detectors(build, samples):
    pytest.importorskip('mmdet')
    from mmkd.distillers.detectors import fake_samples
    detector = dict(config='quickstart/mask-rcnn_convnest-mini_digits.py')
    at = dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2')
    distiller = build(student=detector, teacher=detector, input_size=64, task_weight=0., terms=dict(at=at)).train()
    data = fake_samples(distiller.student, 2, (64, 64)) if samples else None
    losses = distiller(torch.rand(2, 3, 64, 64), data, mode='loss')
    distiller.parse_losses(losses)[0].backward()
    assert losses['loss_at'] > 0 and all(p.grad is not None for p in distiller.parameters() if p.requires_grad)
