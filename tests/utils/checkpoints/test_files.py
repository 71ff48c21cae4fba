"""What a file is, and whether it is whole, before anything of it is loaded."""
import io
import json
import random
import re
import zipfile

import pytest
import torch

from mmkd.utils import UserError
from mmkd.utils.checkpoints.files import check_name, sha256_of
from mmkd.utils.checkpoints.reading import damage, read_checkpoint

WEIGHTS = {'backbone.conv.weight': torch.arange(900.).reshape(30, 30) / 7, 'head.bias': torch.ones(7),
           'norm.num_batches_tracked': torch.tensor(3)}


def saved(**options: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(state_dict=WEIGHTS, meta=dict(epoch=1)), buffer, **options)
    return buffer.getvalue()


def archive(**entries: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as file:
        for name, text in entries.items():
            file.writestr(name, text)
    return buffer.getvalue()


def test_an_entry_that_is_marked_as_a_folder_is_refused(tmp_path):
    """PyTorch 2.4 then gives weights that are whatever lay in memory."""
    content = bytearray(saved())
    places = [match.start() for match in re.finditer(b'PK\x01\x02', content)]  # the directory's entries
    assert len(places) > 5
    for place in places:
        changed = bytearray(content)
        changed[place + 38] ^= 0x10  # external attributes
        (tmp_path / 'w.pth').write_bytes(changed)
        with pytest.raises(UserError, match='is damaged: its entry .* is not what was written'):
            read_checkpoint(tmp_path / 'w.pth')


def test_six_hundred_changed_bytes_are_refused_or_harmless(tmp_path):
    path, content, draw = tmp_path / 'w.pth', saved(), random.Random(0)
    outcomes = dict(refused=0, harmless=0)
    for _ in range(600):
        changed = bytearray(content)
        changed[draw.randrange(len(content))] ^= draw.randrange(1, 256)
        path.write_bytes(changed)
        try:
            read = read_checkpoint(path)
        except UserError as error:
            assert '\n' not in str(error) and 'trust' not in str(error)
            outcomes['refused'] += 1
            continue
        assert read['meta'] == dict(epoch=1) and read['state_dict'].keys() == WEIGHTS.keys()
        assert all(torch.equal(value, WEIGHTS[name]) for name, value in read['state_dict'].items())
        outcomes['harmless'] += 1
    assert sum(outcomes.values()) == 600 and outcomes['refused'] > 400


@pytest.mark.parametrize(('content', 'message'), [
    (b'', 'it is empty'), (b'<!DOCTYPE html><html></html>', r'a web page \(HTML'),
    (b'\n <?xml version="1.0"?>', 'a web page'), (b'{"error": "not found"}', 'text in JSON'),
    (b'[1, 2]', 'text in JSON'), (b'Not Found', 'it is text'), (random.Random(0).randbytes(4096), 'no format that is'),
    (bytes(4096), 'no format that is known'), (b'\x89HDF\r\n\x1a\n' + bytes(100), 'HDF5 file, as of Keras'),
    (b'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'a pointer of Git LFS'),
    (b'\x1f\x8b\x08' + bytes(100), 'a gzip archive'), (archive(a='b'), 'an archive of other files, such as a'),
    (archive(), 'empty archive'), (saved()[:-30], 'is truncated'), (saved()[:100], 'is truncated'),
    (saved()[50:], 'is '), (archive(**{'m/constants.pkl': '', 'm/data.pkl': ''}), 'a model of TorchScript'),
    (b'\xf0' + bytes(7) + b'{"a"', 'header is longer'), (b'\x04' + bytes(7) + b'{"a"}', 'header cannot be read'),
    (saved(_use_new_zipfile_serialization=False)[:-40], 'truncated'),
])
def test_a_file_that_is_none_is_said_to_be_what_it_is_and_not_to_be_trusted(tmp_path, content, message):
    path = tmp_path / 'model.pth'
    path.write_bytes(content)
    with pytest.raises(UserError, match=f'checkpoint .*model.pth .*{message}.*copy it again') as error:
        read_checkpoint(path)
    assert 'trust' not in str(error.value) and '\n' not in str(error.value)
    assert damage(path)


def test_torchscript_is_what_torch_writes(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / 'script.pt')
    with pytest.raises(UserError, match='a model of TorchScript'):
        read_checkpoint(tmp_path / 'script.pt')


@pytest.mark.parametrize('name', ['w.pth', 'w.bin', 'w', 'pytorch_model.safetensors.pth'])
def test_safetensors_by_any_name(tmp_path, name):
    safetensors = pytest.importorskip('safetensors.torch')
    safetensors.save_file(WEIGHTS, tmp_path / name)
    assert all(torch.equal(value, WEIGHTS[key]) for key, value in read_checkpoint(tmp_path / name).items())
    assert not damage(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-5])
    with pytest.raises(UserError, match='bytes of tensors are announced'):
        read_checkpoint(tmp_path / name)


def test_both_formats_of_pytorch_are_whole(tmp_path):
    for new in (True, False):
        (tmp_path / 'w.pth').write_bytes(saved(_use_new_zipfile_serialization=new))
        assert not damage(tmp_path / 'w.pth')
        assert torch.equal(read_checkpoint(tmp_path / 'w.pth')['state_dict']['head.bias'], WEIGHTS['head.bias'])


def test_the_hash_in_a_name(tmp_path):
    (tmp_path / 'w.pth').write_bytes(saved())
    digits = sha256_of(tmp_path / 'w.pth')
    good = (tmp_path / 'w.pth').rename(tmp_path / f'model-{digits[:8]}.pth')
    assert read_checkpoint(good)
    bad = good.rename(tmp_path / 'model-0123abcd.pth')
    with pytest.raises(UserError, match=f'its name says sha256 0123abcd, it has {digits[:8]}. If you made it yourself'):
        read_checkpoint(bad)
    check_name(bad.rename(tmp_path / 'model-20240131.pth'))  # a date


def test_a_header_of_safetensors_without_tensors(tmp_path):
    text = json.dumps(dict(__metadata__=dict(format='pt'))).encode()
    (tmp_path / 'none.safetensors').write_bytes(len(text).to_bytes(8, 'little') + text)
    assert not damage(tmp_path / 'none.safetensors')
