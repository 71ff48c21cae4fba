"""The comparison with authors' code, on a stand-in for a clone that this test writes."""
import pytest

from tests.tools.conftest import call

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
