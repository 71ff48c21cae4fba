import json

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import list_from_file

from mmkd.experiments.run_logs import (
    UncountedError,
    count_iterations,
    dataset_length,
    epoch_of,
    last_checkpoint,
    last_iteration,
    read_scalars,
    read_teachers,
)
from mmkd.utils import UserError


def write_part(folder, stamp, entries, tail=''):
    path = folder / stamp / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(entry) + '\n' for entry in entries) + tail)


def test_parts_of_a_run_are_merged(tmp_path):
    write_part(tmp_path, '20260101_1', [dict(loss=2., iter=20, step=20), {'accuracy/top1': 10., 'step': 1},
                                        dict(loss=9., iter=40, step=40)], tail='{"loss": 1.0, "it')
    assert last_iteration(tmp_path) == 40
    write_part(tmp_path, '20260101_2', [dict(loss=1., iter=40, step=40), {'accuracy/top1': 20., 'step': 2}])
    train, val = read_scalars(tmp_path)
    assert {step: entry['loss'] for step, entry in train.items()} == {20: 2., 40: 1.}
    assert {step: entry['accuracy/top1'] for step, entry in val.items()} == {1: 10., 2: 20.}
    assert last_iteration(tmp_path) == 40


def test_teachers_have_figures_of_their_own(tmp_path):
    write_part(tmp_path, '1', [{'teacher/accuracy/top1': 80., 'step': 0}, {'accuracy/top1': 10., 'step': 1}])
    write_part(tmp_path, '2', [{'teacher/accuracy/top1': 81., 'teacher/accuracy/top5': 99., 'step': 0}])
    assert read_teachers(tmp_path) == {'accuracy/top1': 81., 'accuracy/top5': 99.}
    assert read_scalars(tmp_path) == ({}, {1: {'accuracy/top1': 10., 'step': 1}})


def test_run_without_logs(tmp_path):
    assert read_scalars(tmp_path) == ({}, {})
    assert read_teachers(tmp_path) == {}
    assert last_iteration(tmp_path) == 0


def test_last_checkpoint(tmp_path):
    with pytest.raises(UserError, match='found none'):
        last_checkpoint(tmp_path)
    (tmp_path / 'last_checkpoint').write_text('/moved/since/epoch_12.pth')
    with pytest.raises(UserError, match='missing or cut off'):
        last_checkpoint(tmp_path)
    torch.save(dict(state_dict={}), tmp_path / 'epoch_12.pth')
    assert last_checkpoint(tmp_path) == tmp_path / 'epoch_12.pth'
    assert epoch_of(last_checkpoint(tmp_path)) == 12
    content = (tmp_path / 'epoch_12.pth').read_bytes()
    (tmp_path / 'epoch_12.pth').write_bytes(content[:len(content) // 2])
    with pytest.raises(UserError, match='missing or cut off'):
        last_checkpoint(tmp_path)


@pytest.mark.parametrize('name, epochs, expected', [
    ('slak-mini_digits', 2, 2 * 21),  # 1,297 images, 64 at a time
    ('convnest-mini_digits-5shot', 3, 3 * 20),
    ('mask-rcnn_convnest-mini_digits', 4, 4 * 1),  # 8 scenes, 8 at a time
    ('upernet_convnest-mini_digits', 4, 4 * 2),
])
def test_count_iterations(home, name, epochs, expected, monkeypatch):
    from mmkd.utils.configs.finding import find_config
    config = Config.fromfile(find_config(f'quickstart/{name}.py'), import_custom_modules=False)
    monkeypatch.chdir(home)
    config.train_cfg.max_epochs = epochs
    assert count_iterations(config) == expected
    config.train_cfg = dict(max_iters=7)
    assert count_iterations(config) == 7


@pytest.mark.parametrize(('option', 'batches'), [
    ({}, 430), ({'train_dataloader.dataset.indices': 550}, 5), ({'train_dataloader.dataset.indices': -256}, 2),
    ({'train_dataloader.dataset.indices': [3, 4]}, 1), ({'train_dataloader.dataset.indices': None}, 469),
    ({'train_dataloader.dataset.indices': None, 'train_dataloader.dataset.test_mode': True}, 79)])
def test_the_photographs_of_fashion_mnist_are_counted(tmp_path, option, batches):
    from mmkd.utils.configs.finding import find_config
    for name, items in (('train', 60000), ('t10k', 10000)):
        (tmp_path / f'{name}-labels-idx1-ubyte').write_bytes((2049).to_bytes(4, 'big') + items.to_bytes(4, 'big'))
    config = Config.fromfile(find_config('fashion/convnest-mini_fashion.py'), import_custom_modules=False)
    config.merge_from_dict({'train_dataloader.dataset.data_root': str(tmp_path), 'train_cfg.max_epochs': 3} | option)
    assert count_iterations(config) == 3 * batches


def test_missing_data_are_named(tmp_path):
    dataset = dict(type='CustomDataset', data_root=str(tmp_path), ann_file='meta/train.txt')
    config = Config(dict(train_cfg=dict(max_epochs=1), train_dataloader=dict(batch_size=1, dataset=dataset)))
    with pytest.raises(UserError, match='meta/train.txt cannot be read'):
        count_iterations(config)


@pytest.mark.parametrize('text', ['{"images": [1,', '[]', '{"img": []}', '{"images": 3}', '3', b'\xff\xfe'])
def test_damaged_and_other_annotations_are_named(tmp_path, text):
    (tmp_path / 'a.json').write_bytes(text if isinstance(text, bytes) else text.encode())
    dataset = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='a.json')
    with pytest.raises(UserError, match='a.json expects '):
        dataset_length(dict(type='RepeatDataset', times=2, dataset=dataset))


def test_the_lists_of_openmmlab_are_counted(tmp_path):
    content = dict(metainfo={}, data_list=[dict(img_path='a.png', gt_label=[1])] * 7)
    (tmp_path / 'a.json').write_text(json.dumps(content))
    assert dataset_length(dict(type='MultiLabelDataset', data_root=str(tmp_path), ann_file='a.json')) == 7


@pytest.mark.parametrize(('name', 'content', 'uncounted'), [
    ('a.mat', b'MATLAB 5.0\xff', True), ('a.pkl', b'\x80\x04\x95\xff', True), ('a.csv', b'id,box\n', True),
    ('a.json', b'[{"image": "a.png"}]', True), ('a.json', b'{"images": [1,', False), ('a.txt', b'\xff', False)])
def test_forms_that_only_a_dataset_reads_are_told_from_damaged_files(tmp_path, name, content, uncounted):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name) as caught:
        dataset_length(dict(type='StanfordCars', data_root=str(tmp_path), ann_file=name))
    assert isinstance(caught.value, UncountedError) == uncounted


@pytest.mark.parametrize(('kind', 'name'), [
    ('CustomDataset', 'a.lst'), ('ODVGDataset', 'a.jsonl'), ('ADE20KDataset', 'a')])
def test_lists_of_other_names_are_counted(tmp_path, kind, name):
    (tmp_path / name).write_text('a.png 0\nb.png 1\n')
    assert dataset_length(dict(type=kind, data_root=str(tmp_path), ann_file=name)) == 2


def test_lists_are_counted_as_they_are_read(tmp_path):
    dataset = dict(type='CustomDataset', data_root=str(tmp_path), ann_file='a.txt')
    (tmp_path / 'a.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(UserError, match='a.txt expects lines of text in UTF-8'):
        dataset_length(dataset)
    (tmp_path / 'a.txt').write_text('a\u2028b.png 0\nc.png 1\nd.png 1', encoding='utf-8')
    assert dataset_length(dataset) == len(list_from_file(str(tmp_path / 'a.txt'))) == 3
    assert dataset_length(dict(type='ConcatDataset', datasets=[dataset, dataset])) == 6


def test_folders_are_counted_as_they_are_read(tmp_path):
    for name in ('x/1.png', 'x/2.JPG', 'y/z/3.png', 'y/notes.txt', 'y/4_leftImg8bit.png'):
        (tmp_path / 'p' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'p' / name).write_text('')
    for prefix in ('p', dict(img='p'), dict(img_path='p')):
        assert dataset_length(dict(type='CustomDataset', data_root=str(tmp_path), data_prefix=prefix)) == 4
    root = str(tmp_path / 'p')
    assert dataset_length(dict(type='CityscapesDataset', data_root=root)) == 1
    assert dataset_length(dict(type='BaseSegDataset', data_root=root, img_suffix='.png')) == 3
    with pytest.raises(UserError, match='none cannot be read'):
        dataset_length(dict(type='CustomDataset', data_root=root, data_prefix='none'))


@pytest.mark.parametrize('line', [b'{"loss_kd": 1.0, "iter": 1}', b'3', b'[]', b'null', b'\xff\xfe{}', b'"text"',
                                  b'{"loss_kd": 1.0, "iter": "1", "step": "1"}', b'{"step": true}', b'[' * 9999])
def test_damaged_lines_are_left_out(tmp_path, line):
    teacher = {'teacher/acc': 'high', 'teacher/kl': 1., 'step': 0}
    write_part(tmp_path, '1', [dict(loss_kd=2., iter=20, step=20), teacher])
    path = tmp_path / '1/vis_data/scalars.json'
    path.write_bytes(line + b'\n' + path.read_bytes() + line + b'\n')
    assert read_scalars(tmp_path) == ({20: dict(loss_kd=2., iter=20, step=20)}, {})
    assert read_teachers(tmp_path) == {'kl': 1.} and last_iteration(tmp_path) == 20
