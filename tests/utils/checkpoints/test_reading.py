"""Safe reading and strict loading of checkpoints."""
import os
import pickle
from argparse import Namespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from torch import nn

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import load_strictly, not_finite, read_checkpoint, trust_checkpoints, weights_of


class RunsCode:
    """What a malicious checkpoint would hold."""

    def __reduce__(self):
        return os.mkdir, ('pwned', )


def test_training_checkpoints_of_mmengine_need_no_trust(tmp_path):
    buffer = HistoryBuffer()
    buffer.update(np.float64(0.5), 2)
    contents = dict(message_hub=dict(log_scalars=dict(loss=buffer)), meta=dict(epoch=1, seed=np.int64(3)),
                    state_dict=dict(weight=torch.ones(2)))
    torch.save(contents, tmp_path / 'epoch_1.pth')
    read = read_checkpoint(tmp_path / 'epoch_1.pth')
    assert read['message_hub']['log_scalars']['loss'].current() == 0.5
    assert torch.equal(weights_of(read, '')['weight'], torch.ones(2))


def test_the_arguments_of_a_timm_or_deit_training_need_no_trust(tmp_path):
    args = Namespace(model='resnet50', lr=5e-3, img_size=[3, 224, 224])
    torch.save(dict(epoch=3, arch='resnet50', args=args, state_dict_ema=dict(weight=torch.ones(2)),
                    optimizer=dict(state={})), tmp_path / 'model_best.pth.tar')
    read = read_checkpoint(tmp_path / 'model_best.pth.tar')
    assert read['args'] == args and weights_of(read, '').keys() == {'weight'}
    torch.save(dict(args=Namespace(hook=RunsCode())), tmp_path / 'evil.pth')
    with pytest.raises(UserError, match='may run code, so it was refused'):
        read_checkpoint(tmp_path / 'evil.pth')


def test_safetensors(tmp_path):
    safetensors = pytest.importorskip('safetensors.torch')
    weights = dict(weight=torch.randn(3, 2), half=torch.ones(2, dtype=torch.bfloat16))
    safetensors.save_file(weights, tmp_path / 'model.safetensors', metadata=dict(format='pt'))
    read = weights_of(read_checkpoint(tmp_path / 'model.safetensors'), '')
    assert read.keys() == weights.keys() and all(torch.equal(read[name], value) for name, value in weights.items())
    assert read['half'].dtype == torch.bfloat16


@pytest.mark.parametrize('kept', [0, 4, 40, 120])
def test_truncated_safetensors(tmp_path, kept):
    safetensors = pytest.importorskip('safetensors.torch')
    content = safetensors.save(dict(weight=torch.randn(100)))
    (tmp_path / 'cut.safetensors').write_bytes(content[:kept])
    with pytest.raises(UserError, match='cut.safetensors is truncated or no safetensors file .* copy it again'):
        read_checkpoint(tmp_path / 'cut.safetensors')


def test_pickle_by_the_name_of_safetensors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip('safetensors')
    torch.save(dict(state_dict=RunsCode()), 'evil.safetensors')
    with pytest.raises(UserError, match='no safetensors file'):
        read_checkpoint('evil.safetensors', trust=True)
    assert not (tmp_path / 'pwned').exists()


@pytest.mark.parametrize('core', [b'core', b'_core'])
def test_checkpoints_of_both_major_versions_of_numpy(tmp_path, core):
    path = tmp_path / 'epoch_1.pth'
    torch.save(dict(array=np.arange(3), number=np.float64(0.5)), path, _use_new_zipfile_serialization=False)
    own = b'_core' if b'numpy._core.' in path.read_bytes() else b'core'
    path.write_bytes(path.read_bytes().replace(b'numpy.%s.' % own, b'numpy.%s.' % core))
    read = read_checkpoint(path)
    assert read['array'].tolist() == [0, 1, 2] and read['number'] == 0.5


def test_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=RunsCode()), 'evil.pth')
    with pytest.raises(UserError, match='may run code, so it was refused'):
        read_checkpoint('evil.pth')
    (tmp_path / 'old.pth').write_bytes(pickle.dumps(RunsCode()))
    with pytest.raises(UserError, match='refused|corrupt'):
        read_checkpoint('old.pth')
    assert not (tmp_path / 'pwned').exists()
    read_checkpoint('evil.pth', trust=True)
    assert (tmp_path / 'pwned').exists()


@pytest.mark.parametrize('kept', [0, 10, 300, 900])
def test_truncated(tmp_path, kept):
    torch.save(dict(state_dict=dict(weight=torch.randn(100))), tmp_path / 'whole.pth')
    (tmp_path / 'cut.pth').write_bytes((tmp_path / 'whole.pth').read_bytes()[:kept])
    with pytest.raises(UserError, match='cut.pth is (truncated|corrupt)'):
        read_checkpoint(tmp_path / 'cut.pth')


def test_missing(tmp_path):
    with pytest.raises(UserError, match='expects an existing file'):
        read_checkpoint(tmp_path / 'none.pth')


@pytest.mark.parametrize('wrap', [
    lambda weights: weights,
    lambda weights: dict(state_dict=weights),
    lambda weights: dict(model=weights),
    lambda weights: dict(state_dict={f'module.{k}': v for k, v in weights.items()}),
    lambda weights: dict(state_dict={**{f'student.{k}': v for k, v in weights.items()},
                                     'terms.fd.connectors.0.conv.weight': torch.ones(1)}),
])
def test_wrappings(wrap):
    weights = nn.Linear(2, 3).state_dict()
    assert list(weights_of(wrap(weights), '')) == ['weight', 'bias']


def test_no_tensors():
    with pytest.raises(UserError, match='holds no tensors'):
        weights_of(dict(state_dict=dict(a=1)), 'x.pth')


def test_strict_loading():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    good = {name: torch.ones_like(value) for name, value in model.state_dict().items()}
    assert load_strictly(model, good, 'net from x.pth') == 'net from x.pth: 4 of 4 tensors matched'
    wrong = {**good, '0.weight': torch.zeros(5, 5), 'extra': torch.zeros(1)}
    del wrong['1.bias']
    with pytest.raises(UserError, match=r'2 of 4 tensors matched; missing 1.bias; unexpected extra; of another '
                       r'shape 0.weight \(5, 5\) instead of \(3, 2\)'):
        load_strictly(model, wrong, 'net')
    assert all((value == 1).all() for value in model.state_dict().values())  # nothing was loaded


def test_trust_reaches_every_checkpoint_of_the_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=RunsCode()), 'evil.pth')
    try:
        trust_checkpoints(trust=True)
        read_checkpoint('evil.pth')
        assert (tmp_path / 'pwned').exists()
    finally:
        trust_checkpoints(trust=False)
    with pytest.raises(UserError, match='refused'):
        read_checkpoint('evil.pth')


@pytest.mark.parametrize('dtype', [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16])
def test_not_finite_in_small_floats(dtype):
    weights = dict(good=torch.ones(2).to(dtype), bad=torch.tensor([1., float('nan')]).to(dtype))
    assert not_finite(weights) == ['bad']
