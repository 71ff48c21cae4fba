"""What a checkpoint says of itself."""
import torch

from mmkd.zoo.checkpoint_meta import read_meta


def test_a_folder_with_a_hash_in_its_name(tmp_path):
    (tmp_path / 'run#2').mkdir()
    file = tmp_path / 'run#2/student.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=dict(CLASSES=('a', ))), file)
    assert read_meta(f'{file}#ema') == read_meta(str(file)) == dict(meta=dict(CLASSES=('a', )))
