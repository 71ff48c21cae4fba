import pytest
import torch

from .recipes import WEIGHTS, built, save_teacher


@pytest.fixture(scope='session')
def place(home):
    """The digits and a teacher."""
    save_teacher(home / WEIGHTS)
    return home


@pytest.fixture(autouse=True)
def _there(place, monkeypatch):
    """Each test runs beside the digits, on one thread, so that numbers can be compared."""
    monkeypatch.chdir(place)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session')
def cache(place, tmp_path_factory):
    """A cache of two epochs with all logits; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        return built(tmp_path_factory.mktemp('caches') / 'cache', topk='all')
