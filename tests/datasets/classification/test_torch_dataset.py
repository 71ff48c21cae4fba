"""PyTorch data sets with mmpretrain's transforms."""
import numpy as np
import pytest
import torch
from PIL import Image

from mmkd.datasets.classification.torch_dataset import TorchDataset, as_bgr, label_of, split_item
from mmkd.utils import UserError
from mmkd.utils.given import Given

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
STEPS = [dict(type='mmpretrain.LoadImageFromFile'), dict(type='mmpretrain.PackInputs')]


@pytest.mark.parametrize('picture', [
    Image.fromarray(PIXELS), PIXELS, torch.from_numpy(PIXELS).permute(2, 0, 1),
    torch.from_numpy(PIXELS).permute(2, 0, 1) / 255])
def test_every_kind_of_picture_is_the_same(picture):
    assert (as_bgr(picture, 0) == PIXELS[..., ::-1]).all()


def test_items():
    dataset = TorchDataset(Given([(PIXELS, 1), (PIXELS, torch.tensor(0))], 'data'), ['a', 'b'], STEPS)
    assert len(dataset) == 2 and dataset.metainfo['classes'] == ('a', 'b')
    item = dataset[0]
    assert item['inputs'].shape == (3, 4, 4) and int(item['data_samples'].gt_label) == 1
    assert item['data_samples'].sample_idx == 0 and int(dataset[1]['data_samples'].gt_label) == 0
    assert (item['inputs'].numpy() == PIXELS[..., ::-1].transpose(2, 0, 1)).all()
    assert 'gt_label' not in TorchDataset([PIXELS], None, STEPS)[0]['data_samples']
    assert split_item(dict(image=1, label=2)) == (1, 2) and split_item((3, )) == (3, None)


@pytest.mark.parametrize(('picture', 'message'), [
    (torch.randn(3, 4, 4), 'Leave Normalize out of its transforms'),
    (torch.rand(5, 4, 4), r'a PIL image, .* got \(5, 4, 4\)'),
    ('a.png', 'got str'),
])
def test_no_pictures(picture, message):
    with pytest.raises(UserError, match=f'item 7 of the data set expects .*{message}'):
        as_bgr(picture, 7)


@pytest.mark.parametrize('label', [2, -1, 0.5, True, 'a', None])
def test_no_labels(label):
    with pytest.raises(UserError, match='item 3 of the data set expects a label from 0 to 1'):
        label_of(label, 3, 2)


def test_a_config_cannot_have_one():
    with pytest.raises(UserError, match='call mmkd.distill again'):
        TorchDataset('the data set that mmkd.distill was given to train')


class Named(list):
    """A data set that names its classes."""

    def __init__(self, *classes):
        super().__init__([(PIXELS, number) for number in range(len(classes))])
        self.classes = list(classes)


def test_the_order_of_classes_is_the_data_sets():
    with pytest.raises(UserError, match='its own order, got dog in the place of cat'):
        TorchDataset(Named('cat', 'dog'), ['dog', 'cat'])
    for classes in (['cat', 'dog'], ['Katze', 'Hund'], ['cat', 'dog', 'emu'], None):
        assert len(TorchDataset(Named('cat', 'dog'), classes)) == 2
