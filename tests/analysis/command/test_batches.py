"""Which images are taken, and at which size."""
import numpy as np
import pytest
import torch
from PIL import Image

from mmkd.analysis.command.batches import ImageBatches, enough_memory, even_order
from mmkd.analysis.command.images import ImageSource
from mmkd.utils import UserError


class Numbered(ImageSource):
    """Image i is filled with i; some cannot be read."""

    def __init__(self, labels, count=None, broken=(), shape=(4, 4)):
        super().__init__('numbers', labels)
        self.count, self.broken, self.shape = count or len(labels), broken, shape

    def __len__(self):
        return self.count

    def describe(self, index):
        return f'number {index}'

    def read(self, index):
        if index in self.broken:
            raise OSError('cut off')
        return np.full((*self.shape, 3), index, np.uint8)


def numbers(batches: ImageBatches) -> list[int]:
    return [int(image[0, 0, 0]) for images, _ in batches for image in images]


def test_spread_evenly_over_the_classes():
    labels = [0] * 50 + [1] * 5 + [2] * 20
    drawn = [labels[number] for number in numbers(ImageBatches(Numbered(labels), 15, 4))]
    assert [drawn.count(label) for label in range(3)] == [5, 5, 5]
    assert sorted(even_order(labels, 75, 0)) == list(range(75))
    assert [labels[index] for index in even_order(labels, 75, 0)[15:]].count(1) == 0


def test_the_seed_says_which():
    source = Numbered([0, 1] * 20)
    one, same, other = (numbers(ImageBatches(source, 10, seed=seed)) for seed in (0, 0, 1))
    assert one == same != other


def test_without_classes_and_in_order():
    source = Numbered(None, 20)
    batches = ImageBatches(source, 5, 2, first=True)
    assert numbers(batches) == [0, 1, 2, 3, 4]
    assert len(batches) == 3 and [len(images) for images, _ in batches] == [2, 2, 1]
    assert all(labels is None for _, labels in batches)
    assert sorted(numbers(ImageBatches(source))) == list(range(20)) != numbers(ImageBatches(source))


def test_others_take_the_place_of_unreadable_images():
    batches = ImageBatches(Numbered(list(range(6)), broken=(1, 2)), 3, 2, first=True)
    assert numbers(batches) == numbers(batches) == [0, 3, 4]
    assert batches.unreadable == {'number 1': 'cut off', 'number 2': 'cut off'}
    assert [labels.tolist() for _, labels in batches] == [[0, 3], [4]]


def test_fewer_images_than_asked_for():
    batches = ImageBatches(Numbered(list(range(6)), broken=(1, 2)), 100, first=True)
    assert numbers(batches) == [0, 3, 4, 5] and batches.settings()['number'] == 4
    assert batches.settings()['unreadable'] == {'number 1': 'cut off', 'number 2': 'cut off'}


def test_the_first_unreadable_images_are_named_once(capsys):
    batches = ImageBatches(Numbered(list(range(12)), broken=range(9)), first=True)
    assert numbers(batches) == numbers(batches) == [9, 10, 11] and len(batches.unreadable) == 9
    said = capsys.readouterr().err.splitlines()
    assert said[0] == 'left out, cannot be read: number 0 (cut off)'
    assert len(said) == 6 and said[5] == 'left out: more images; the results name all of them'


def test_none_can_be_read():
    with pytest.raises(UserError, match='numbers expects images that can be read, got none; number 0: cut off'):
        list(ImageBatches(Numbered([0, 1], broken=(0, 1)), first=True))


@pytest.mark.parametrize('options', [dict(number=0), dict(batch_size=0), dict(size=-1)])
def test_numbers_out_of_range(options):
    with pytest.raises(UserError, match='expects 1 or more'):
        ImageBatches(Numbered([0]), **options)


def test_the_size():
    assert ImageBatches(Numbered([0, 1])).size == 4
    assert ImageBatches(Numbered([0, 1], shape=(4, 6))).size == 224
    assert next(iter(ImageBatches(Numbered([0], shape=(4, 6)), size=8)))[0].shape == (1, 3, 8, 8)


class Wide(Numbered):
    """Its middle is white, its sides are black."""

    def read(self, index):
        image = np.zeros((8, 16, 3), np.uint8)
        image[:, 4:12] = 255
        return image


def test_resizing_is_bicubic_and_ignores_the_aspect_unless_it_cuts():
    stretched, _ = next(iter(ImageBatches(Wide([0]), size=24)))
    expected = Image.fromarray(Wide([0]).read(0)).resize((24, 24), Image.Resampling.BICUBIC)
    assert torch.equal(stretched[0].permute(1, 2, 0), torch.from_numpy(np.array(expected)))
    cut, _ = next(iter(ImageBatches(Wide([0]), size=8, crop=True)))
    assert (cut == 255).all()


def test_too_little_memory():
    batches = ImageBatches(Numbered([0, 1]), batch_size=2)
    for error in (MemoryError(), RuntimeError('CUDA out of memory. Tried to allocate')):
        with pytest.raises(UserError, match='mine needs more memory than there is for 2 images of 4×4. Lower --size or '
                           '--batch-size or --taps.'), batches.enough_memory('mine', ' or --taps'):
            raise error
    with pytest.raises(RuntimeError, match='another fault'), batches.enough_memory('mine'):
        raise RuntimeError('another fault')


@pytest.mark.parametrize('error', [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory"),
                                   torch.cuda.OutOfMemoryError('CUDA out of memory')])
def test_too_little_memory_for_a_command(error):
    with pytest.raises(UserError, match=r'resnet needs more memory than there is. Lower --size.'), \
            enough_memory('resnet', '--size'):
        raise error


@pytest.mark.parametrize('text', ['other', 'a tensor of rank 4 is wanted for this memory format'])
def test_other_errors_stay(text):
    with pytest.raises(RuntimeError, match=text), enough_memory('resnet', '--size'):
        raise RuntimeError(text)
