from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset

from mmkd.records import canonical, first_difference, sample_facts, weights_hash

NAMES = ['a/1.png', 'a/2.png', 'b/3.png']


class Images(BaseDataset):
    METAINFO = dict(classes=('a', 'b'))

    def __init__(self, root, names=NAMES, labels=(0, 0, 1), **kwargs):
        self.entries = list(zip(names, labels, strict=True))
        super().__init__(data_root=root, **kwargs)

    def load_data_list(self):
        return [dict(img_path=f'{self.data_root}/{name}', gt_label=label) for name, label in self.entries]

    def get_cat_ids(self, idx):
        return [self.entries[idx][1]]


def listed(*args, **kwargs):
    return sample_facts(Images(*args, **kwargs))['sample_list']


def test_the_root_does_not_count():
    assert listed('/data') == listed('/elsewhere/data')


@pytest.mark.parametrize('other', [
    dict(names=NAMES[::-1]), dict(labels=(0, 1, 1)), dict(names=[*NAMES[:2], 'b/4.png']),
    dict(names=NAMES[:2], labels=(0, 0)), dict(metainfo=dict(classes=('b', 'a')))])
def test_order_names_labels_and_classes_count(other):
    assert listed('/data') != listed('/data', **other)


def test_wrappers_count():
    images, other = Images('/data'), Images('/data', names=NAMES[::-1])
    found = [sample_facts(dataset)['sample_list'] for dataset in (
        images, RepeatDataset(images, 2), RepeatDataset(images, 3), ConcatDataset([images, other]),
        ConcatDataset([other, images]), ClassBalancedDataset(images, 0.9))]
    assert len(set(found)) == len(found) and sample_facts(RepeatDataset(images, 2))['samples'] == 6
    assert found[1] == sample_facts(RepeatDataset(Images('/other'), 2))['sample_list']


def test_images_in_memory_count():
    class Memory(Images):
        def load_data_list(self):
            return [dict(img=np.full((2, 2), self.value, np.uint8), gt_label=0)]

    first, second = (type('Memory', (Memory, ), dict(value=value))('/data') for value in (1, 2))
    assert sample_facts(first) != sample_facts(second)


def test_any_sequence_has_a_length():
    assert sample_facts([1, 2, 3])['samples'] == 3 and sample_facts([1, 2]) != sample_facts([1, 2, 3])


def test_weights_count_and_not_their_order():
    state = OrderedDict(a=torch.ones(2), b=torch.zeros(2, dtype=torch.int64), c=torch.tensor(1.).bfloat16())
    same = OrderedDict(reversed(state.items()))
    assert weights_hash(state) == weights_hash(same)
    for change in (dict(a=torch.ones(2, 1)), dict(a=torch.tensor([1., 2.])), dict(a=torch.ones(2).half()),
                   dict(d=torch.ones(0))):
        assert weights_hash(state) != weights_hash(state | change)


def test_settings_as_plain_data():
    assert canonical(dict(b=(1, 2), a=np.float32(0.5), c=torch.ones(1), d=float('inf'), e=BaseDataset)) == dict(
        a=0.5, b=[1, 2], c=[1.0], d='inf', e='BaseDataset')
    assert 'object at 0x' not in str(canonical(dict(a=object())))


def test_the_first_difference_is_found():
    here = dict(a=[1, dict(b=2)], c=3)
    assert first_difference(here, here, 'x') is None
    assert first_difference(here, dict(a=[1, dict(b=3)], c=4), 'x') == 'x.a[1].b is 2 in the cache and 3 in the recipe'
    assert first_difference(here, dict(a=here['a']), 'x') == 'x.c is 3 in the cache, and is not there in the other'
    assert 'in the recipe, and is not there' in first_difference(dict(), dict(z=1), 'x')
