"""CRDLoss against the closed form; its memories, also with two processes."""
import copy

import pytest
import torch
from mmengine.dist import all_gather, broadcast
from torch.nn.functional import normalize

from mmkd.losses import CRDLoss
from mmkd.utils import UserError

from ...processes import run_ranks

N, K, T = 20, 7, .07


class ClosedForm:
    """The loss and its memories, sample by sample."""

    def __init__(self, loss):
        self.loss = copy.deepcopy(loss)
        self.student, self.teacher = loss.memory_student.clone(), loss.memory_teacher.clone()
        self.z = None

    def embed(self, layer, features):
        rows = features @ layer.weight.T + layer.bias
        return rows / rows.pow(2).sum(1, keepdim=True).sqrt()

    def __call__(self, student, teacher, indices, negatives):
        student = self.embed(self.loss.embed_student, student)
        teacher = self.embed(self.loss.embed_teacher, teacher)
        candidates = torch.cat([indices[:, None], negatives], 1)
        sides = [torch.stack([torch.stack([torch.exp(memory[c] @ anchor / T) for c in row])
                              for anchor, row in zip(anchors, candidates)])
                 for anchors, memory in ((student, self.teacher), (teacher, self.student))]
        if self.z is None:
            self.z = [side.detach().mean() * N for side in sides]
        total, noise = 0., K / N
        for side, z in zip(sides, self.z):
            p = side / z
            total -= (p[:, 0] / (p[:, 0] + noise)).log().sum() + (noise / (p[:, 1:] + noise)).log().sum()
        for memory, new in ((self.student, student), (self.teacher, teacher)):
            old = memory.clone()
            for row, index in zip(new.detach(), indices):
                entry = .5 * old[index] + .5 * row
                memory[index] = entry / entry.norm()
        return total / len(indices)


def make(**kwargs):
    return CRDLoss(**dict(dict(num_samples=N, student_channels=5, teacher_channels=9, embedding=6, negatives=K),
                          **kwargs)).double()


def batch(*indices):
    n = len(indices)
    return (torch.randn(n, 5, dtype=torch.float64), 3 * torch.randn(n, 9, dtype=torch.float64),
            torch.tensor(indices))


def test_closed_form_over_three_batches():
    torch.manual_seed(1)
    loss = make()
    expected = ClosedForm(loss)
    # The last batch has a sample twice: its last occurrence counts.
    for step, indices in enumerate([(3, 0, 7, 19), (3, 4, 0, 8), (5, 3, 5)]):
        student, teacher, indices = batch(*indices)
        torch.manual_seed(step)
        value = loss(student, teacher, indices=indices)
        torch.manual_seed(step)
        negatives = torch.randint(N, (len(indices), K))
        torch.testing.assert_close(value, expected(student, teacher, indices, negatives), rtol=1e-9, atol=0)
        torch.testing.assert_close(loss.memory_student, expected.student, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(loss.memory_teacher, expected.teacher, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(loss.log_z.exp(), torch.stack(expected.z), rtol=1e-9, atol=0)


def test_maps_are_averaged():
    loss = make().eval()
    student, teacher = torch.randn(3, 5, 4, 2).double(), torch.randn(3, 9, 2, 2).double()
    values = []
    for features in ((student, teacher), (student.mean((2, 3)), teacher.mean((2, 3)))):
        torch.manual_seed(0)
        values.append(loss(*features, indices=torch.arange(3)))
    torch.testing.assert_close(*values, rtol=1e-12, atol=0)


def test_eval_mode_changes_nothing():
    loss = make().eval()
    before = copy.deepcopy(loss.state_dict())
    with torch.no_grad():
        assert loss(*batch(0, 1)[:2], indices=torch.arange(2)).isfinite()
    assert all(torch.equal(value, before[name]) for name, value in loss.state_dict().items())
    loss.train()(*batch(0, 1)[:2], indices=torch.arange(2))
    changed = {name for name, value in loss.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {'memory_student', 'memory_teacher', 'log_z', 'z_is_set'}
    assert torch.equal(loss.memory_student[2:], before['memory_student'][2:])


def test_gradients():
    torch.manual_seed(0)
    loss, (student, teacher, indices) = make(), batch(4, 0, 2)
    student.requires_grad_()
    teacher.requires_grad_()
    loss(student, teacher, indices=indices).backward()
    assert teacher.grad is None and student.grad.abs().max() > 0
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in loss.parameters())
    loss.eval()

    def value(features):
        torch.manual_seed(3)
        return loss(features, teacher, indices=indices)

    assert torch.autograd.gradcheck(value, student)


def test_two_batches_before_one_backward():
    loss = make()
    (loss(*batch(0, 1)[:2], indices=torch.arange(2)) + loss(*batch(1, 2)[:2], indices=torch.arange(2))).backward()
    assert all(p.grad.isfinite().all() for p in loss.parameters())


def test_state_dict_goes_on_where_it_was():
    loss = make()
    for _ in range(2):
        loss(*batch(0, 1)[:2], indices=torch.arange(2))
    other = make()
    other.load_state_dict(copy.deepcopy(loss.state_dict()))
    student, teacher, indices = batch(1, 6)
    values = []
    for each in (loss, other):
        torch.manual_seed(0)
        values.append(each(student, teacher, indices=indices))
    assert torch.equal(*values)
    assert all(torch.equal(a, b) for a, b in zip(loss.state_dict().values(), other.state_dict().values()))


def test_learns():
    torch.manual_seed(0)
    loss = make(embedding=16)
    student, teacher, indices = *(torch.randn(N, width).double() for width in (5, 9)), torch.arange(N)
    optimizer = torch.optim.Adam(loss.parameters(), 1e-2)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        values.append(loss(student, teacher, indices=indices))
        values[-1].backward()
        optimizer.step()
    assert values[-1] < .7 * values[0]


def test_never_waits_for_the_device():
    # A meta tensor has no values: whatever would copy one to the host, or branch on one, raises.
    loss = make().to('meta')
    student, teacher, indices = (tensor.to('meta') for tensor in batch(0, 1, 2))
    for mode in (True, False):
        loss.train(mode)(student.requires_grad_(), teacher, indices=indices).backward()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('n', [1, 2, 5])
@pytest.mark.parametrize('temperature', [.07, 1e-3])
def test_finite_at_extremes(dtype, n, temperature):
    loss = make(temperature=temperature).float()
    for value in (1e4, -1e4, 0.):
        student = torch.full((n, 5), value, dtype=dtype, requires_grad=True)
        result = loss(student, torch.full((n, 9), -1e4, dtype=dtype), indices=torch.arange(n))
        result.backward()
        assert result.dtype == torch.float32 and result.isfinite() and student.grad.isfinite().all()
    assert all(value.isfinite().all() for value in loss.state_dict().values())


def make_alike() -> CRDLoss:
    """The same memories and embeddings in both processes."""
    loss = CRDLoss(30, 5, 9, embedding=6, negatives=8)
    for tensor in loss.state_dict().values():
        broadcast(tensor)
    return loss


def share_memories(rank: int) -> None:
    torch.manual_seed(rank)
    loss = make_alike()
    initial = loss.memory_student.clone()
    for step in range(3):
        # Sample 2 is in both processes, and twice in the second one.
        indices = torch.tensor([[0, 1, 2], [2, 3 + step, 2]])[rank]
        loss(torch.randn(3, 5), torch.randn(3, 9), indices=indices)
    for name in ('memory_student', 'memory_teacher', 'log_z'):
        first, second = all_gather(getattr(loss, name))
        assert torch.equal(first, second), name
    changed = (loss.memory_student != initial).any(1).nonzero().flatten().tolist()
    assert changed == [0, 1, 2, 3, 4, 5], changed


def average_z(rank: int) -> None:
    torch.manual_seed(rank)
    loss = make_alike().double()
    student, teacher = torch.randn(3, 5).double(), torch.randn(3, 9).double()
    torch.manual_seed(10 + rank)
    negatives = torch.randint(30, (3, 8))
    candidates = torch.cat([torch.arange(3).unsqueeze(1), negatives], 1)
    anchors = normalize(loss.embed_student(student), dim=1).detach()
    own = 30 * (torch.einsum('nd,nkd->nk', anchors, loss.memory_teacher[candidates]) / .07).exp().mean()
    torch.manual_seed(10 + rank)
    loss(student, teacher, indices=torch.arange(3))
    torch.testing.assert_close(loss.log_z[0].exp(), torch.stack(all_gather(own)).mean(), rtol=1e-9, atol=0)


def in_two_processes(rank: int) -> None:
    share_memories(rank)
    average_z(rank)


@pytest.mark.processes
def test_two_processes_have_the_same_memories(tmp_path):
    """And Z is the mean of the processes' own."""
    run_ranks(in_two_processes, tmp_path)


@pytest.mark.parametrize(('indices', 'words'), [
    (None, "got none. Keep 'sample_idx'"),
    (torch.tensor([0, N]), f'from 0 to {N - 1}, got 0 to {N}'),
    (torch.tensor([-1, 0]), 'got -1 to 0'),
    (torch.tensor([0, 1, 2]), r'each of 2 samples, got torch.int64 of shape \(3,\)'),
    (torch.tensor([0., 1.]), 'got torch.float32'),
])
def test_wrong_indices(indices, words):
    with pytest.raises(UserError, match=words):
        make()(*batch(0, 1)[:2], indices=indices)


@pytest.mark.parametrize(('kwargs', 'words'), [
    (dict(negatives=N), f'negatives={N} and num_samples={N}'),
    (dict(negatives=0), 'negatives to be a whole number of at least 1, got 0'),
    (dict(temperature=0), 'temperature to be a finite number from 0.001 to 1000, got 0'),
    (dict(momentum=1.), 'momentum to be a finite number from 0 to below 1, got 1.0'),
])
def test_wrong_arguments(kwargs, words):
    with pytest.raises(UserError, match=words):
        make(**kwargs)


def test_entries_start_with_unit_length_and_are_normalised():
    loss = make(num_samples=4000, embedding=128)
    assert abs(loss.memory_student.square().sum(1).mean() - 1) < .02
    loss(*batch(0, 1)[:2], indices=torch.arange(2))
    torch.testing.assert_close(loss.memory_teacher[:2], normalize(loss.memory_teacher[:2]), rtol=1e-12, atol=0)
