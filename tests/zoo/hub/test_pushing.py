"""Publishing a student on a stand-in of the hub, and taking it from there."""
import json
import logging

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from mmkd.utils import UserError
from mmkd.zoo import load_weights
from mmkd.zoo.hub import check_target, push, read_address, repository_files
from mmkd.zoo.hub.card import measured, recipe_of

from ...tools.conftest import call

WEIGHTS = {'student.backbone.conv.weight': torch.randn(4, 3), 'student.head.fc.bias': torch.randn(3),
           'terms.fd.connector.weight': torch.randn(2, 2)}
META = dict(epoch=4, iter=40, seed=1, dataset_meta=dict(classes=('cat', 'dog', 'öx')), experiment_name='digits',
            cfg="model = dict()\nvis = dict(api_key='abc123', token=\"hf_secretsecret\")\nraise SystemExit('run')\n")
HUB = dict(runtime_info=dict(best_score=91.25, best_ckpt='work_dirs/a/best_accuracy_top1_epoch_4.pth'),
           log_scalars={'val/accuracy/top1': 0, 'train/accuracy_top1': 0})
TOKEN = 'hf_writingtoken'


def training_checkpoint(folder, name='epoch_4.pth', **changes):
    torch.save(dict(meta=META, state_dict=WEIGHTS, optimizer=dict(state={0: torch.ones(2)}), message_hub=HUB) | changes,
               folder / name)
    return folder / name


@pytest.fixture
def writable(hub, monkeypatch):
    hub.token = TOKEN
    monkeypatch.setenv('HF_TOKEN', TOKEN)
    return hub


def test_there_and_back_by_the_tool(writable, tmp_path, capsys):
    training_checkpoint(tmp_path)
    assert call('model_converters/publish_student.py', 'epoch_4.pth', '--push', 'hf://me/student', cwd=tmp_path) == 0
    printed = capsys.readouterr()
    assert 'hf://me/student@c0ffee' in printed.out and TOKEN not in printed.out + printed.err
    files = writable.files['me/student']
    assert set(files) == {'model.safetensors', 'README.md', 'recipe.txt', 'classes.json'}
    assert writable.private['me/student'] is True
    tensors = load(files['model.safetensors'])
    assert tensors.keys() == {'backbone.conv.weight', 'head.fc.bias'}  # no term, no optimizer, no teacher
    assert torch.equal(tensors['head.fc.bias'], WEIGHTS['student.head.fc.bias'])
    assert json.loads(files['classes.json']) == ['cat', 'dog', 'öx']
    card = files['README.md'].decode()
    assert '| accuracy/top1 | 91.25 |' in card and "checkpoint='hf://me/student'" in card and 'epoch 4' in card
    recipe = files['recipe.txt'].decode()
    assert 'abc123' not in recipe and 'secretsecret' not in recipe and recipe.startswith('model = dict()')
    assert len(list(tmp_path.glob('student-*.pth'))) == 1  # the file as without --push
    writable.token = None
    loaded = load_weights('hf://me/student', ['backbone.conv.weight', 'head.fc.bias'])
    assert torch.equal(loaded['backbone.conv.weight'], WEIGHTS['student.backbone.conv.weight'])


def test_a_branch_of_a_repository_that_is_there(writable, tmp_path):
    writable.files['me/student'] = {'notes.txt': b'mine'}
    address = check_target('hf://me/student@v1')
    assert push(address, {'README.md': b'new'}, public=True).startswith('hf://me/student@')
    assert writable.files['me/student'] == {'notes.txt': b'mine', 'README.md': b'new'}
    assert any(path == '/api/models/me/student/branch/v1' for _, path, _ in writable.asked)
    assert 'me/student' not in writable.private  # it keeps its visibility
    push(check_target('hf://me/open'), {'README.md': b'new'}, public=True)
    assert writable.private['me/open'] is False


def test_what_the_header_says(tmp_path):
    files = repository_files(read_address('hf://me/a'), {'a': torch.ones(2)}, META, {}, 'epoch_4.pth', 'raw')
    (tmp_path / 'a.safetensors').write_bytes(files['model.safetensors'])
    with safe_open(tmp_path / 'a.safetensors', 'pt') as file:
        assert json.loads(file.metadata()['mmkd_meta'])['dataset_meta'] == dict(classes=['cat', 'dog', 'öx'])
    assert set(files) == {'model.safetensors', 'README.md', 'classes.json'}
    card = files['README.md'].decode()
    assert 'no figure that was measured' in card and 'recipe.txt' not in card


@pytest.mark.parametrize(('file', 'kind', 'changes', 'found'), [
    ('epoch_4.pth', 'raw', {}, {'accuracy/top1': 91.25}),
    ('best_accuracy_top1_epoch_4.pth', 'raw', {}, {'accuracy/top1': 91.25}),
    ('epoch_5.pth', 'raw', {}, {}),  # its best figure is of older weights
    ('renamed.pth', 'raw', {}, {}),
    ('epoch_4.pth', 'raw', dict(message_hub=dict(HUB, log_scalars={})), {'accuracy_top1': 91.25}),
    ('epoch_4.pth', 'ema', dict(meta=dict(validated_weights='ema')), {'accuracy/top1': 91.25}),
    ('epoch_4.pth', 'raw', dict(meta=dict(validated_weights='ema')), {}),  # the figure is of the average
    ('epoch_4.pth', 'ema', dict(meta=dict(validated_weights='both')), {}),
    ('epoch_4.pth', 'raw', dict(message_hub=None), {}),
    ('epoch_4.pth', 'raw', dict(message_hub=dict(runtime_info=dict(best_ckpt='x', best_score='y'))), {}),
])
def test_only_figures_of_these_weights(file, kind, changes, found):
    assert measured(dict(message_hub=HUB, meta={}) | changes, f'runs/{file}', kind) == found


def test_a_recipe_is_text_and_never_run():
    assert "raise SystemExit('run')" in recipe_of(dict(meta=META))
    assert recipe_of(dict(meta={})) is None and recipe_of({}) is None and recipe_of(dict(meta=dict(cfg=3))) is None


@pytest.mark.parametrize('secret', [
    """password="it's mine" """, r"""token='it\'s mine'""", "dict(access_key='mine')", "{'passwd': 'mine'}",
    "tracking_uri='https://me:mine@mlflow.example/path'"])
def test_what_opens_doors_is_not_in_the_recipe(secret):
    found = recipe_of(dict(meta=dict(cfg=f'a = 1\nx = {secret}\nb = "kept"\n')))
    assert 'mine' not in found and '(removed)' in found and found.startswith('a = 1') and 'b = "kept"' in found


@pytest.mark.parametrize(('url', 'said'), [
    ('hf://me', 'expects hf://ORG/NAME'),
    ('hf://me/student/other.safetensors', 'Leave the name of the file out'),
    ('me/student', 'expects hf://ORG/NAME'),
])
def test_wrong_targets(url, said):
    with pytest.raises(UserError, match=said):
        check_target(url)


def test_offline(monkeypatch):
    monkeypatch.setenv('MMKD_OFFLINE', '1')
    with pytest.raises(UserError, match='MMKD_OFFLINE is set'):
        check_target('hf://me/student')


@pytest.mark.parametrize('token', ['hf_anothertoken', None])
def test_without_the_right(writable, token, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv('HF_HOME', str(tmp_path))
    if token:
        monkeypatch.setenv('HF_TOKEN', token)
    else:
        monkeypatch.delenv('HF_TOKEN')
    with caplog.at_level(logging.DEBUG), pytest.raises(UserError, match='Log in with a token|hf auth login') as caught:
        push(check_target('hf://me/student'), {'README.md': b'new'})
    assert 'anothertoken' not in f'{caught.value} {caplog.text}' and writable.files == {}


def test_public_alone_is_a_mistake(tmp_path, capsys):
    training_checkpoint(tmp_path)
    assert call('model_converters/publish_student.py', 'epoch_4.pth', '--public', cwd=tmp_path) == 2
    assert '--public expects --push beside it' in capsys.readouterr().err
