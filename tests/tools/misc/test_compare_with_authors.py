"""The comparison with authors' code, on a stand-in for a clone that this test writes."""
import sys
from pathlib import Path

import pytest

from tests.tools.conftest import call

sys.path.insert(0, str(Path(__file__).parents[3] / 'tools/misc'))
import compare_with_authors

# The temperature comes in by a factor that the test can break. What is beside the class has to be left alone.
CODE = """
from nowhere import register
import torch.nn as nn

@register
class KLDiv(nn.Module):
    def __init__(self, temperature=1.0):
        super().__init__()
        self.temperature = temperature

    def forward(self, z_s, z_t, **kwargs):
        s, t = (z_s / self.temperature).log_softmax(1), (z_t / self.temperature).softmax(1)
        return FACTOR * self.temperature**2 * (t * (t.log() - s)).sum(1).mean()

raise RuntimeError('this file may not be imported')
"""


def table(tmp_path, capsys, factor: str) -> list[str]:
    path = tmp_path / 'vanillaKD/losses/kd.py'
    path.parent.mkdir(parents=True)
    path.write_text(CODE.replace('FACTOR', factor), encoding='utf-8')
    assert call('misc/compare_with_authors.py', tmp_path, '--methods', 'KD', cwd=tmp_path) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| KD')]
    return [cell.strip() for cell in row.strip('|').split('|')]


@pytest.fixture(autouse=True)
def _default_dtype():
    import torch
    yield
    torch.set_default_dtype(torch.float32)


def test_the_same_formula(tmp_path, capsys):
    name, code, loss, gradient = table(tmp_path, capsys, '1')
    assert name == 'KD, T 4' and 'losses/kd.py' in code
    assert float(loss) < 1e-14 and float(gradient) < 1e-14


def test_another_formula(tmp_path, capsys):
    assert table(tmp_path, capsys, '2')[2:] == ['5.0e-01', '5.0e-01']


def test_a_clone_that_is_not_there(tmp_path, capsys):
    assert call('misc/compare_with_authors.py', tmp_path, '--methods', 'DKD', cwd=tmp_path) == 2
    assert 'Clone the repository' in capsys.readouterr().err


@pytest.mark.parametrize(('factor', 'expected'), [(1., 0.), (3., 2.)])
def test_gradients_of_a_losss_own_parameters(tmp_path, factor, expected):
    """The bias of a softmax has a gradient of nothing but rounding; that of the scale is compared."""
    import torch
    torch.set_default_dtype(torch.float64)
    code = 'def distance(s, t, scale, bias):\n    return ((s * scale + bias).softmax(1) - t).square().sum()\n'
    (tmp_path / 'loss.py').write_text(code, encoding='utf-8')

    def theirs(code, student, teacher, target):
        parameters = [torch.full((), 1.5, requires_grad=True), torch.zeros((), requires_grad=True)]
        return code.distance(student, teacher, *parameters), parameters

    def ours(student, teacher, target):
        scale, bias = parameters = [torch.full((), 1.5, requires_grad=True), torch.zeros((), requires_grad=True)]
        other = scale.detach() + factor * (scale - scale.detach())  # of the same value, with another gradient
        return ((student * other + bias + 1e-9).softmax(1) - teacher).square().sum(), parameters

    row = compare_with_authors.Comparison('me/.', 'loss.py', ('distance', ), 'features', theirs, ours)
    loss, gradient = compare_with_authors.differences(row, tmp_path)
    assert loss < 1e-8 and gradient == pytest.approx(expected, abs=1e-6)
