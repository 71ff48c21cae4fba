"""What one step tells of losses, gradients and memory."""
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn

from mmkd.recipes.training_step import SavedBytes, first_step


class Net(BaseModel):
    """Has one layer that is used, one that is not, and one behind a weight of 0."""

    def __init__(self):
        super().__init__()
        self.used, self.unused, self.idle = nn.Linear(3, 1), nn.Linear(3, 1), nn.Linear(3, 1)
        self.frozen = nn.Linear(3, 1).requires_grad_(False)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return dict(loss=self.used(inputs).square().mean() + self.frozen(inputs).mean(),
                    loss_idle=0 * self.idle(inputs).mean(), acc=inputs.mean())


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().double()


def run(net, inputs=None):
    batch = dict(inputs=torch.arange(6.).reshape(2, 3).double() if inputs is None else inputs)
    return first_step(net, batch, OptimWrapper(torch.optim.SGD(net.parameters(), lr=0.1)))


def test_gradients(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    step = run(net)
    assert step.without == ['unused.weight', 'unused.bias']
    assert step.zero == ['idle.weight', 'idle.bias']
    assert step.broken == []
    assert step.losses.keys() == {'loss', 'loss_idle'} and step.losses['loss_idle'] == 0
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())


def test_gradients_of_a_former_step_do_not_count(net):
    net.unused.weight.grad = torch.ones_like(net.unused.weight)
    assert 'unused.weight' in run(net).without


def test_infinite_loss(net):
    step = run(net, torch.tensor([[float('inf'), 0, 0]], dtype=torch.float64))
    assert 'used.weight' in step.broken and step.losses['loss'] != step.losses['loss']


def test_a_model_that_nothing_trains(net):
    net.requires_grad_(False)
    assert run(net).without == []


def test_saved_bytes():
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    inputs = torch.rand(5, 8)
    with SavedBytes(model) as saved:
        model(inputs)
    # the first layer's input and the ReLU's output, which is also the second layer's input; no weights
    assert saved.total == 4 * (5 * 8 + 5 * 16)
