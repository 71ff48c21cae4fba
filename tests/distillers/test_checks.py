"""Checks against the length and the data of the training."""
import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from torch import nn

from mmkd.distillers.checks import check_sample_indices, check_schedules
from mmkd.utils import UserError


class Memory(nn.Module):
    """A loss that keeps something of each training image."""

    def __init__(self, num_samples):
        super().__init__()
        self.num_samples = num_samples

    def forward(self, student, teacher, target=None, indices=None):
        return student.mean()


class Pack:
    """Packs what mmpretrain's PackInputs would."""

    def __init__(self, *meta):
        self.meta = meta

    def __call__(self, data):
        return dict(data_samples={key: data[key] for key in self.meta})


def dataset(length=6, meta=('sample_idx',)):
    data = BaseDataset(lazy_init=True, serialize_data=False)
    data.data_list = [dict(img=i) for i in range(length)]
    data._fully_initialized = True
    data.pipeline = Pack(*meta)
    return data


@pytest.fixture
def with_memory(build):
    distiller = build()
    distiller.terms['nkd'].loss = Memory(6)
    return distiller


def test_schedules(build, recipe):
    recipe['terms']['fd']['weight'] = dict(value=1., stop=10)
    distiller = build()
    check_schedules(distiller, 10, 1000)
    with pytest.raises(UserError, match=r"term 'fd': .* within the 9 epochs .* up to 10\. Set model.terms.fd.weight"):
        check_schedules(distiller, 9, 1000)
    with pytest.raises(UserError, match="term 'fd': weight counts epochs, but the training does not"):
        check_schedules(distiller, 0, 1000)


def test_sample_indices(with_memory):
    check_sample_indices(with_memory, dataset())
    check_sample_indices(with_memory, RepeatDataset(dataset(), 5))
    check_sample_indices(with_memory, ConcatDataset([dataset()]))


@pytest.mark.parametrize(('data', 'pattern'), [
    (lambda: dataset(meta=()), "term 'nkd' expects data samples with sample_idx, got none. Add 'sample_idx' to meta_"),
    (lambda: dataset(7), 'num_samples of at least 7, .* got 6. Set model.terms.nkd.loss.num_samples=7'),
    (lambda: RepeatDataset(dataset(7), 2), 'num_samples of at least 7'),
    (lambda: ConcatDataset([dataset(3), dataset(3)]), 'expects one dataset, got 2 joined ones'),
])
def test_sample_indices_that_fail(with_memory, data, pattern):
    with pytest.raises(UserError, match=pattern):
        check_sample_indices(with_memory, data())


def test_losses_that_need_no_indices(build):
    check_sample_indices(build(), dataset(meta=()))
