"""Labels by the folders' names, and archives that give the same images as folders."""
import numpy as np
import pytest
from mmengine.runner import Runner
from mmpretrain.datasets import CustomDataset

from mmkd.datasets import ImageNetC, ImageNetVariant
from mmkd.utils import UserError
from tests.archives import jpeg, pictures, write_folder, zip_bytes

LOAD = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]


def labels(dataset) -> dict[str, int]:
    rows = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {'/'.join(row['img_path'].rsplit('/', 2)[1:]): row['gt_label'] for row in rows}


def test_wordnet_ids(tmp_path):
    files = pictures(2, ('n15075141', 'n01498041'))
    dataset = ImageNetVariant(str(write_folder(tmp_path, {**files, 'README.txt': b''})))
    assert labels(dataset) == {name: 6 if name.startswith('n01498041') else 999 for name in files}
    assert len(dataset.CLASSES) == 1000 and dataset.CLASSES[6] == 'stingray'


def test_numbers_are_not_sorted_as_text(tmp_path):
    files = {f'{c}/x.jpeg': jpeg(c) for c in (0, 2, 10, 999)}
    assert labels(ImageNetVariant(str(write_folder(tmp_path, files)))) == {
        '0/x.jpeg': 0, '2/x.jpeg': 2, '10/x.jpeg': 10, '999/x.jpeg': 999}


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('kind', [ImageNetVariant, CustomDataset])
def test_an_archive_gives_the_same_images(tmp_path, workers, kind):
    files = {f'val/{name}': content for name, content in pictures(4).items()}
    (tmp_path / 'all.zip').write_bytes(zip_bytes(files))
    batches = []
    for root in (str(write_folder(tmp_path / 'plain', files)), f'archive://{tmp_path}/all.zip'):
        dataset = kind(data_root=root, data_prefix='val', pipeline=LOAD, test_mode=True)
        loader = Runner.build_dataloader(dict(
            batch_size=2, num_workers=workers, dataset=dataset, sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate')))
        batches.append([(image.numpy(), int(sample.gt_label), sample.img_path.removeprefix(root))
                        for batch in loader for image, sample in zip(batch['inputs'], batch['data_samples'])])
    assert len(batches[0]) == len(batches[1]) == 12
    for one, other in zip(*batches):
        assert np.array_equal(one[0], other[0]) and one[1:] == other[1:]


def test_corruptions(tmp_path):
    files = {f'{corruption}/{severity}/{name}': content for corruption in ('fog', 'snow') for severity in (1, 3)
             for name, content in pictures(1).items()}
    root = str(write_folder(tmp_path, files))
    dataset = ImageNetC(root, ('snow', 'fog'), (3,))
    paths = [dataset.get_data_info(i)['img_path'].removeprefix(f'{root}/') for i in range(len(dataset))]
    assert paths == [f'{corruption}/3/{name}' for corruption in ('snow', 'fog') for name in pictures(1)]
    assert list(dataset.get_gt_labels()) == [0, 1, 2] * 2
    with pytest.raises(UserError, match='fog/2, which does not exist'):
        ImageNetC(root, ('fog',), (1, 2))
    with pytest.raises(UserError, match="no corruption 'fogg'. Did you mean fog"):
        ImageNetC(root, ('fogg',))
    with pytest.raises(UserError, match='from 1 to 5, got .6'):
        ImageNetC(root, severities=(6,))


@pytest.mark.parametrize(('files', 'root', 'message'), [
    ({'n01440764/x.txt': b''}, '', 'expects images in .*found none'),
    ({'dogs/x.jpg': b''}, '', "WordNet id .* got 'dogs'"),
    ({'1000/x.jpg': b''}, '', "0 to 999.* got '1000'"),
    ({}, 'missing', 'missing, which does not exist'),
], ids=['empty', 'name', 'number', 'missing'])
def test_bad_folders(tmp_path, files, root, message):
    write_folder(tmp_path, files)
    with pytest.raises(UserError, match=message):
        ImageNetVariant(str(tmp_path / root))
