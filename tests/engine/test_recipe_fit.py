"""What is checked before the first image is read."""
from types import SimpleNamespace

import pytest
from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset
from mmpretrain.datasets.transforms import PackInputs
from torch import Tensor, nn
from torch.utils.data import Subset

from mmkd.distillers.schedule import Progress, WeightSchedule
from mmkd.engine.recipe_fit import check_sample_indices, check_schedules
from mmkd.utils import UserError

EPOCHS, ITERATIONS = Progress(max_epochs=10, max_iters=1000), Progress(max_iters=1000)


class Indexed(nn.Module):

    def __init__(self, num_samples: int | None = None):
        super().__init__()
        if num_samples is not None:
            self.num_samples = num_samples

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor, indices: Tensor):
        pass


class Images(BaseDataset):

    def load_data_list(self):
        return [dict(img_path=str(number), gt_label=number % 2) for number in range(6)]

    def get_cat_ids(self, idx: int):
        return [idx % 2]


def images(*transforms) -> Images:
    dataset = Images(pipeline=[], metainfo=dict(classes=('a', 'b')))
    dataset.pipeline.transforms = [lambda data: data, *transforms]
    return dataset


def check(dataset: object = None, weight: object = 1., loss: nn.Module | None = None,
          length: Progress = EPOCHS) -> None:
    uses_indices = isinstance(loss, Indexed)
    term = SimpleNamespace(name='crd', weight=WeightSchedule.of(weight), loss=loss, uses_indices=uses_indices)
    distiller = SimpleNamespace(terms=dict(crd=term))
    check_schedules(distiller, length)
    check_sample_indices(distiller, dataset)


@pytest.mark.parametrize(('weight', 'length', 'message'), [
    (dict(stop=20), EPOCHS, r"term 'crd': weight expects a schedule within the 10 epochs .*, got one up to 20"),
    (dict(stop=5), ITERATIONS, r"term 'crd': weight counts epochs, but the training does not. Set by_epoch=False"),
    (dict(decay='cosine'), ITERATIONS, r"term 'crd': weight counts epochs, but the training does not"),
    (dict(stop=2000, by_epoch=False), EPOCHS, 'within the 1000 iterations of the training, got one up to 2000')])
def test_schedules_beyond_the_training(weight, length, message):
    with pytest.raises(UserError, match=message):
        check(weight=weight, length=length)


def test_schedules_within_the_training():
    check(weight=dict(decay='linear', stop=10))
    check(weight=dict(decay='linear', warmup=100, by_epoch=False), length=ITERATIONS)
    check(weight=0.5, length=ITERATIONS)


WRAPPERS = [lambda dataset: dataset, lambda dataset: RepeatDataset(dataset, times=3),
            lambda dataset: ConcatDataset([dataset]), lambda dataset: ClassBalancedDataset(dataset, oversample_thr=0.1),
            lambda dataset: Subset(RepeatDataset(dataset, times=2), [1, 2])]


@pytest.mark.parametrize('wrap', WRAPPERS)
def test_losses_with_indices(wrap):
    check(wrap(images(PackInputs())), loss=Indexed(6))  # repeated images have one index each
    check(wrap(images(PackInputs())), loss=Indexed())
    check(wrap(images(PackInputs(meta_keys=()))))  # a loss without indices does not care
    with pytest.raises(UserError, match=r"term 'crd': Indexed expects 'sample_idx' among .*, got img_path. Add it"):
        check(wrap(images(PackInputs(meta_keys=('img_path', )))), loss=Indexed(6))
    with pytest.raises(UserError, match='at most num_samples=5 training images, got 6. Set num_samples=6 in its loss'):
        check(wrap(images(PackInputs())), loss=Indexed(5))


def test_the_last_transform_that_packs_counts():
    check(images(PackInputs(meta_keys=()), PackInputs()), loss=Indexed(6))
    check(images(), loss=Indexed(6))  # some other transform may do it


def test_joined_datasets_share_their_indices():
    with pytest.raises(UserError, match='expects one training set, got 2, whose indices begin at 0 each'):
        check(ConcatDataset([images(PackInputs()), images(PackInputs())]), loss=Indexed(12))
