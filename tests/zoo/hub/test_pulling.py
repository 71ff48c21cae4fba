"""Pulling a checkpoint with Hugging Face's own client from a stand-in of the hub."""
import json
import logging
import pickle
import sys
from pathlib import Path

import pytest
import torch
from mmengine.model import PretrainedInit
from safetensors.torch import save

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.zoo import find_checkpoint, load_weights
from mmkd.zoo.checkpoint_meta import read_meta
from mmkd.zoo.loading import load_any
from mmkd.zoo.pretrained import PretrainedBackboneInit

from .stand_in import COMMIT

WEIGHTS = {'backbone.conv.weight': torch.arange(20000.).reshape(20, 1000), 'head.fc.bias': torch.ones(3)}
META = dict(dataset_meta=dict(classes=['cat', 'dog', 'ox']), epoch=7)
FILE = save(WEIGHTS, metadata={'format': 'pt', 'mmkd_meta': json.dumps(META)})
URL = 'hf://me/student'


@pytest.fixture
def repository(hub):
    hub.files['me/student'] = {'model.safetensors': FILE, 'plain.safetensors': save(WEIGHTS), 'notes.txt': b'words'}
    return hub


def test_once_and_then_from_the_cache(repository, monkeypatch):
    path = find_checkpoint(URL)
    assert Path(path).read_bytes() == FILE and COMMIT in path
    downloads = [asked for asked in repository.asked if asked[0] == 'GET' and asked[1].startswith('/large/')]
    assert len(downloads) == 1
    for same in (URL, f'{URL}@main', f'{URL}@{COMMIT}/model.safetensors'):
        assert find_checkpoint(same) == path
    assert [asked for asked in repository.asked if asked[0] == 'GET' and asked[1].startswith('/large/')] == downloads
    monkeypatch.setenv('MMKD_OFFLINE', '1')
    before = len(repository.asked)
    assert find_checkpoint(URL) == path and len(repository.asked) == before
    with pytest.raises(UserError, match='is not in the cache, and .* offline'):
        find_checkpoint('hf://me/other')


def test_wherever_a_checkpoint_is_named(repository):
    loaded = load_weights(URL, WEIGHTS)
    assert loaded.keys() == WEIGHTS.keys() and all(torch.equal(loaded[name], WEIGHTS[name]) for name in WEIGHTS)
    assert read_meta(URL)['meta'] == dict(dataset_meta=META['dataset_meta'])
    assert load_any(URL)['meta']['epoch'] == 7
    assert load_weights(f'{URL}/plain.safetensors', WEIGHTS).keys() == WEIGHTS.keys()
    backbone = torch.nn.Module()
    backbone.conv = torch.nn.Linear(1000, 20, bias=False)
    PretrainedBackboneInit(URL, prefix='backbone.')(backbone)
    assert torch.equal(backbone.conv.weight, WEIGHTS['backbone.conv.weight'])
    assert issubclass(PretrainedBackboneInit, PretrainedInit)


def test_a_connection_that_breaks(repository):
    repository.cut = 1
    path = find_checkpoint(URL)
    assert Path(path).read_bytes() == FILE
    assert len([asked for asked in repository.asked if asked[0] == 'GET' and asked[1].startswith('/large/')]) == 2


@pytest.mark.parametrize('sent', [FILE[:len(FILE) // 2], FILE[:-4] + b'ABCD', b'<html>log in</html>', b''])
def test_other_bytes_than_the_hub_has_named(repository, sent, tmp_path):
    repository.changed = sent
    with pytest.raises(UserError, match='hf://me/student/model.safetensors'):
        find_checkpoint(URL)
    kept = [path for path in (tmp_path / 'cache').rglob('*') if path.is_file() and path.name == 'model.safetensors']
    assert kept == []
    repository.changed = None
    assert Path(find_checkpoint(URL)).read_bytes() == FILE


def test_a_file_that_changes_in_the_cache(repository):
    path = Path(find_checkpoint(URL))
    path.resolve().write_bytes(FILE[:-4] + b'ABCD')
    with pytest.raises(UserError, match=r'expects sha256 \w{64}, got \w{64}. It was deleted from the cache'):
        find_checkpoint(URL)
    assert Path(find_checkpoint(URL)).read_bytes() == FILE


@pytest.mark.parametrize(('url', 'said'), [
    ('hf://me/none', 'hf://me/none/model.safetensors is not on the hub, or private'),
    ('hf://me/secret', 'is not on the hub, or private. Check the name'),
    ('hf://me/gated', 'is gated. Accept its terms on its page, and log in with: hf auth login'),
    ('hf://me/refused', r'was refused by the hub \(HTTP 403\)'),
    ('hf://me/broken', r'with HTTP 410'),
    ('hf://me/student@v9', 'hf://me/student@v9/model.safetensors has no such revision'),
    ('hf://me/student/other.safetensors', 'hf://me/student/other.safetensors has no such file'),
    ('hf://me/student/notes.txt', 'is no checkpoint: it is text'),
    ('hf://student', r'expects hf://ORG/NAME\[@REVISION\]\[/FILE\], got hf://student'),
    ('hf://me/student/../../secret', 'expects hf://ORG/NAME'),
    ('hf://me/student@', 'expects hf://ORG/NAME'),
])
def test_what_cannot_be_had(repository, url, said, monkeypatch, caplog):
    monkeypatch.setenv('HF_TOKEN', 'hf_verysecrettoken')
    with caplog.at_level(logging.DEBUG), pytest.raises(UserError, match=said) as caught:
        find_checkpoint(url)
    assert 'verysecret' not in f'{caught.value} {caplog.text}' and '\n' not in str(caught.value)


def test_the_token_goes_to_the_hub(repository, monkeypatch):
    monkeypatch.setenv('HF_TOKEN', 'hf_verysecrettoken')
    find_checkpoint(URL)
    assert 'Bearer hf_verysecrettoken' in repository.tokens


@pytest.mark.slow  # the client tries for a while
def test_no_network(repository, monkeypatch):
    monkeypatch.setenv('HF_ENDPOINT', 'http://127.0.0.1:9')
    with pytest.raises(UserError, match='the hub cannot be reached'):
        find_checkpoint(URL)


def test_pickles_are_refused_as_ever(repository):
    class Evil:
        def __reduce__(self):
            return (print, ('run', ))

    repository.files['me/student']['evil.pth'] = pickle.dumps(Evil())
    with pytest.raises(UserError, match='may run code, so it was refused'):
        read_checkpoint(find_checkpoint(f'{URL}/evil.pth'))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    monkeypatch.setattr('mmkd.zoo.hub.pulling.find_spec', lambda name: None)
    with pytest.raises(UserError, match='expects the package huggingface_hub, .* pip install huggingface_hub'):
        find_checkpoint(URL)


def test_headers_of_others_are_no_meta(tmp_path):
    for header in ({'mmkd_meta': '[1, 2]'}, {'mmkd_meta': '"text"'}, {'format': 'pt'}, None):
        (tmp_path / 'a.safetensors').write_bytes(save(WEIGHTS, metadata=header))
        assert read_checkpoint(tmp_path / 'a.safetensors').keys() == WEIGHTS.keys()
