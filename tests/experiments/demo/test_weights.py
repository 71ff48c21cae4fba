"""The weights that come along: whole, small, of the models that they are said to be, and made as the README says."""
import shutil

import mmkd
import pytest
import torch

from mmkd.experiments.demo import weights
from mmkd.experiments.demo.training import TEACHER
from mmkd.utils import UserError

CONFIGS = {weights.TEACHER: TEACHER, weights.STUDENT: 'quickstart/convnest-mini_digits-5shot.py'}


@pytest.mark.parametrize('name', CONFIGS)
def test_they_load_strictly(name):
    model = mmkd.get_model(CONFIGS[name])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    weights.load_shipped(model, name)
    changed = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    assert len(changed) > len(before) / 2 and all(value.dtype != torch.half for value in model.state_dict().values())
    assert weights.shipped(name).stat().st_size < 500_000


def test_a_damaged_file_is_refused(tmp_path):
    source = weights.shipped(weights.STUDENT)
    content = bytearray(source.read_bytes())
    content[-1] ^= 1
    (tmp_path / source.name).write_bytes(content)
    with pytest.raises(UserError, match='damaged'):
        weights.load_shipped(mmkd.get_model(CONFIGS[weights.STUDENT]), weights.STUDENT, tmp_path)


def test_a_missing_file_and_two_of_a_name(tmp_path):
    with pytest.raises(UserError, match='got 0'):
        weights.shipped(weights.TEACHER, tmp_path)
    for digits in ('0000000a', '0000000b'):
        shutil.copy(weights.shipped(weights.TEACHER), tmp_path / f'{weights.TEACHER}-{digits}.safetensors')
    with pytest.raises(UserError, match='got 2'):
        weights.shipped(weights.TEACHER, tmp_path)


def test_writing(tmp_path):
    """A file made of a training checkpoint has its student, rounded, and takes the place of an earlier one."""
    model = mmkd.get_model(CONFIGS[weights.STUDENT])
    (tmp_path / 'mine-original.safetensors').touch()
    for factor in (1, 2):
        state = {f'student.{name}': value * factor for name, value in model.state_dict().items()}
        torch.save(dict(state_dict=state, optimizer={}), tmp_path / 'epoch_1.pth')
        path = weights.write(tmp_path / 'epoch_1.pth', 'mine', tmp_path)
        assert set(tmp_path.glob('mine-*')) == {path, tmp_path / 'mine-original.safetensors'}
    (tmp_path / 'mine-original.safetensors').unlink()
    other = mmkd.get_model(CONFIGS[weights.STUDENT])
    weights.load_shipped(other, 'mine', tmp_path)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(value, 2 * model.state_dict()[name], rtol=1e-3, atol=1e-6)
