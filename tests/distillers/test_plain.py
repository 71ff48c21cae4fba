"""A distiller in plain PyTorch: any module, plain tensors, no runner, no config."""
import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.runner import Runner
from mmkd import Distiller
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset

from mmkd.connectors import ConvConnector
from mmkd.losses import KDLoss
from mmkd.utils import UserError

from ..processes import run_ranks
from .conftest import classifier

LOGITS = dict(loss=dict(type='mmkd.KDLoss', temperature=2.), student='logits', teacher='logits')


class Net(nn.Module):
    """A ConvNet as one writes it."""

    def __init__(self, width: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.BatchNorm2d(2 * width), nn.ReLU())
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, images):
        return self.fc(self.body(self.stem(images)).mean((2, 3)))


class Returning(Net):
    """Returns what a function makes of the logits."""

    def __init__(self, form, **kwargs) -> None:
        super().__init__(**kwargs)
        self.form = form

    def forward(self, images):
        return self.form(super().forward(images))


class Maps(Net):
    """Has no head."""

    def __init__(self, width: int = 8) -> None:
        super().__init__(width)
        del self.fc

    def forward(self, images):
        stem = self.stem(images)
        return stem, self.body(stem)


class Scaled(nn.Module):
    """A loss of one's own, with a parameter and a label that it needs."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, student, teacher, target):
        return self.log_scale.exp() * F.mse_loss(student, teacher) + 0. * target.sum()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(8, 3, 32, 32), torch.arange(8) % 5


def distiller_of(student=None, teacher=None, terms=None, **changes) -> Distiller:
    torch.manual_seed(1)
    changes.setdefault('input_size', 32)
    return Distiller(student or Net(), teacher or Net(16), terms or dict(kd=LOGITS), **changes)


def maps_term(**changes) -> dict:
    return dict(dict(loss=nn.MSELoss(), student='body', teacher='body', connector=nn.Conv2d(16, 32, 1)), **changes)


def test_a_loop_in_plain_pytorch(batch):
    student, teacher = Net(), Net(16)
    before = copy.deepcopy(teacher.state_dict())
    distiller = distiller_of(student, teacher, dict(kd=LOGITS, maps=maps_term()))
    assert distiller.student is student
    start = {name: p.detach().clone() for name, p in distiller.named_parameters()}
    optimizer, history = torch.optim.AdamW(distiller.parameters(), lr=0.01), []
    for _ in range(40):
        losses = distiller(*batch)
        loss = distiller.total(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert set(losses) == {'task_loss', 'loss_kd', 'loss_maps'}
    assert sum(losses.values()).item() == pytest.approx(history[-1])
    assert history[-1] < 0.5 * history[0]
    assert [name for name, p in distiller.named_parameters() if torch.equal(p, start[name])] == []
    assert not any(module.training for module in teacher.modules())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not any(p.requires_grad for p in teacher.parameters()) and student.training


def test_the_losses_are_those_of_the_tensors(batch):
    distiller = distiller_of(task_weight=0.5).eval()
    losses, teacher = distiller(*batch), distiller.teachers['teacher'].model
    student = distiller.student(batch[0])
    torch.testing.assert_close(losses['task_loss'], 0.5 * F.cross_entropy(student, batch[1]))
    torch.testing.assert_close(losses['loss_kd'], KDLoss(temperature=2.)(student, teacher(batch[0])))
    assert torch.equal(distiller(batch[0]), student)
    soft = F.one_hot(batch[1], 5).float()
    torch.testing.assert_close(distiller(batch[0], soft)['task_loss'], losses['task_loss'])


def test_the_teacher_stays_in_eval_mode_whoever_calls_train(batch):
    teacher = Net(16)
    distiller = distiller_of(teacher=teacher)
    before = teacher.stem[1].running_mean.clone()
    teacher.train()
    distiller.train()(*batch)
    assert not teacher.training and torch.equal(teacher.stem[1].running_mean, before)


def test_autocast(batch):
    distiller = distiller_of(terms=dict(kd=LOGITS, maps=maps_term()))
    with torch.autocast('cpu', torch.bfloat16):
        losses = distiller(*batch)
        assert distiller.student(batch[0]).dtype == torch.bfloat16
    assert {value.dtype for value in losses.values()} == {torch.float32}
    distiller.total(losses).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in distiller.parameters())


def test_the_state_dict_round_trips_without_the_teacher(batch):
    distiller, other = distiller_of(terms=dict(maps=maps_term())), distiller_of(terms=dict(maps=maps_term()))
    optimizer = torch.optim.SGD(distiller.parameters(), lr=0.1)
    distiller.total(distiller(*batch)).backward()
    optimizer.step()
    state = pickle.loads(pickle.dumps(distiller.state_dict()))
    assert {name.split('.')[0] for name in state} == {'student', 'terms'}
    own = {name.removeprefix('student.') for name in state if name.startswith('student.')}
    assert own == set(distiller.student.state_dict())
    theirs = {id(p) for p in distiller.teachers['teacher'].model.parameters()}
    assert not theirs & {id(p) for group in optimizer.param_groups for p in group['params']}
    other.load_state_dict(state)
    assert torch.equal(other.eval()(batch[0]), distiller.eval()(batch[0]))
    distiller.load_state_dict(Net().state_dict())  # a student's file


def train_alike(rank: int) -> None:
    distiller = distiller_of(Maps(), Maps(16), dict(maps=maps_term()), task_weight=0.)
    model = DistributedDataParallel(distiller)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        torch.manual_seed(10 * step + rank)
        optimizer.zero_grad()
        distiller.total(model(torch.randn(4, 3, 32, 32), mode='loss')).backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
    model = DistributedDataParallel(distiller_of())
    distiller.total(model(torch.randn(4, 3, 32, 32), torch.arange(4))).backward()
    mine = torch.cat([p.flatten() for m in (distiller, model) for p in m.parameters()]).detach()
    grads = torch.cat([p.grad.flatten() for p in model.parameters()])
    for value in (mine, grads):
        both = [torch.empty_like(value) for _ in range(2)]
        torch.distributed.all_gather(both, value)
        assert torch.equal(*both)


@pytest.mark.processes
def test_two_processes(tmp_path):
    run_ranks(train_alike, tmp_path)


def test_modules_of_ones_own_in_a_term(batch):
    loss, connector = Scaled(), ConvConnector(16, 32)
    distiller = distiller_of(terms=dict(own=dict(loss=loss, student='logits', teacher='logits'),
                                        maps=maps_term(connector=connector)))
    distiller.total(distiller(*batch)).backward()
    assert loss.log_scale.grad.abs() > 0 and connector.conv.weight.grad.abs().sum() > 0
    assert distiller.terms['own'].needs_target and not distiller.terms['maps'].needs_target
    assert 'terms.own.loss.log_scale' in distiller.state_dict()
    several = maps_term(student=['stem', 'body'], teacher=['stem', 'body'])
    with pytest.raises(UserError, match='a list with a connector for each of its 2 student taps, got one Conv2d'):
        distiller_of(terms=dict(maps=several))
    pair = [nn.Conv2d(8, 16, 1), nn.Conv2d(16, 32, 1)]
    fd = dict(several, loss=dict(type='mmkd.FDLoss'), connector=pair)
    assert list(distiller_of(terms=dict(maps=fd)).terms['maps'].connectors) == pair


@pytest.mark.parametrize('form', [
    lambda x: (x, 2 * x), lambda x: [x], lambda x: dict(aux=2 * x, logits=x), lambda x: dict(out=x)],
    ids=['tuple', 'list', 'logits', 'out'])
def test_forms_of_outputs(batch, form):
    torch.manual_seed(2)
    net = Returning(form)
    losses = distiller_of(net, Returning(form, width=16)).eval()(*batch)
    torch.testing.assert_close(losses['task_loss'], F.cross_entropy(Net.forward(net, batch[0]), batch[1]))


def test_students_without_a_head(batch):
    output = dict(loss=dict(type='mmkd.ATLoss'), student='output', teacher='output')
    distiller = distiller_of(Maps(), Maps(16), dict(at=output), task_weight=0.)
    assert [len(shape) for shape in distiller.tapped_shapes['student']['output']] == [4, 4]
    losses = distiller(batch[0], mode='loss')
    assert losses['task_loss'] == 0 < losses['loss_at']
    distiller.total(losses).backward()
    assert all(p.grad is not None for p in distiller.parameters())
    with pytest.raises(UserError, match=r'own loss of a Maps expects .* logits \(N, classes\), got \(8, 8, 16'):
        distiller_of(Maps(), Maps(16), dict(at=output))(*batch)


def test_mixed_with_models_of_a_config(batch):
    plain = distiller_of(Net(classes=10), classifier(16))
    assert set(plain(*batch)) == {'task_loss', 'loss_kd'}
    config = distiller_of(classifier(8), Net(16, classes=10)).eval()
    torch.testing.assert_close(config(*batch)['task_loss'], F.cross_entropy(config(batch[0]), batch[1]))
    assert len(config(batch[0], mode='predict')) == 8
    terms = {name: dict(LOGITS, teacher=f'{name}:logits') for name in 'ab'}
    several = distiller_of(Net(), dict(a=Net(16), b=Net(4)), terms)
    assert several(*batch).keys() == {'task_loss', 'loss_a', 'loss_b'}
    options = distiller_of(Net(), dict(module=Net(16), dtype='bf16', input_size=64))
    assert options.teachers['teacher'].adapter.size == (64, 64) and options(*batch)['loss_kd'].isfinite()


def test_a_teacher_gets_the_images_as_they_are_unless_the_normalisation_is_said(batch):
    teacher = classifier(16)
    assert distiller_of(Net(classes=10), teacher).teachers['teacher'].adapt(batch[0]) is batch[0]
    told = distiller_of(Net(classes=10), teacher, data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor', mean=[0.] * 3, std=[255.] * 3, to_rgb=True))
    torch.testing.assert_close(told.teachers['teacher'].adapt(batch[0]), (batch[0] * 255 - 120) / 60)


def test_a_running_average_of_a_plain_student(batch):
    distiller = distiller_of(teacher=dict(ema=dict(momentum=0.1)))
    assert set(distiller(*batch)) == {'task_loss', 'loss_kd'}
    assert any(name.startswith('averages.average.') for name in distiller.state_dict())


def test_a_runner_trains_it_too(tmp_path, batch):
    distiller = distiller_of(terms=dict(kd=LOGITS, maps=maps_term()))
    before = copy.deepcopy(distiller.state_dict())
    runner = Runner(distiller, work_dir=str(tmp_path), train_dataloader=DataLoader(TensorDataset(*batch), 4),
                    train_cfg=dict(by_epoch=True, max_epochs=1), optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)))
    runner.train()
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    assert saved.keys() == before.keys() and not torch.equal(saved['student.fc.weight'], before['student.fc.weight'])


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(terms=dict(t=dict(LOGITS, student='body.7'))), r"Net has no tap 'body.7'.*body\.0, body\.1, body\.2"),
    (dict(terms=dict(t=dict(LOGITS, student='bodi'))), "Net has no tap 'bodi'.*stem, body, fc"),
    (dict(student=Returning(lambda x: x.sum().item())), 'returns a tensor, or a tuple, list or dict of .*got a float'),
    (dict(student=Returning(lambda x: dict(a='b'))), 'dict of tensors, got a dict of a'),
    (dict(teacher=Net(classes=7)), r'over the same classes, got \(2, 5\) from the student and \(2, 7\)'),
    (dict(student=nn.Flatten()), 'student expects module to be an nn.Module with parameters, got a Flatten'),
    (dict(student=18), 'student expects a model dict .* or an nn.Module, got 18'),
    (dict(student='resnet1'), "student expects 'timm:NAME', .*, got 'resnet1'. Did you mean resnet18"),
    (dict(teacher=dict(module=Net(), dtpye='bf16')), "teacher expects module and check.*'dtpye'. Did you mean dtype"),
    (dict(terms=dict(t=dict(LOGITS, loss=nn.MSELoss(reduction='none')))), r'one number, got \(2, 5\) of MSELoss'),
])
def test_bad_input(changes, message):
    with pytest.raises(UserError, match=message) as error:
        distiller_of(**changes)
    assert '\n' not in str(error.value)


def test_one_module_cannot_be_both():
    net = Net()
    with pytest.raises(UserError, match='teacher expects parameters of its own, got some of the student'):
        distiller_of(net, net)
    assert all(p.requires_grad for p in net.parameters())
