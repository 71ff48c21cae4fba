"""A file that cannot be loaded is named, in this process and from a worker."""
import pytest
from mmengine.dataset import DefaultSampler, default_collate
from mmengine.registry import init_default_scope
from mmpretrain.datasets import CustomDataset
from torch.utils.data import DataLoader

from mmkd.datasets.verification.broken_images import name_broken_images
from mmkd.utils import UserError
from tests.archives import jpeg, write_folder


@pytest.fixture
def dataset(tmp_path):
    init_default_scope('mmpretrain')
    write_folder(tmp_path, {f'a/{i}.jpg': jpeg(i) for i in range(4)})
    made = CustomDataset(data_prefix=str(tmp_path), pipeline=[dict(type='LoadImageFromFile'),
                                                              dict(type='PackInputs')])
    name_broken_images(made)
    return made


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize(('content', 'message'), [
    (None, 'expects the image {}, which does not exist'), (b'', 'cannot read {} '), (b'<html>', 'cannot read {} ')])
def test_the_file_is_named(dataset, tmp_path, workers, content, message):
    path = tmp_path / 'a/2.jpg'
    path.unlink() if content is None else path.write_bytes(content)
    loader = DataLoader(dataset, 2, sampler=DefaultSampler(dataset, False), num_workers=workers,
                        collate_fn=lambda items: items)
    with pytest.raises(UserError) as caught:
        list(loader)
    assert message.format(path) in str(caught.value)
    assert '\n' not in str(caught.value) and 'Traceback' not in str(caught.value)


def test_whole_images_and_other_errors_are_left_alone(dataset, monkeypatch):
    assert len(default_collate([dataset[0], dataset[1]])['data_samples']) == 2
    monkeypatch.setattr(type(dataset.pipeline.transforms[1]), 'transform', lambda self, data: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dataset[0]
