"""Listing and getting models."""
import mmkd
import pytest
import torch

from mmkd.apis import get_model, list_models
from mmkd.distillers import Distiller
from mmkd.utils import UserError

RECIPE = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'


def test_list_models():
    assert {'convnest-tiny_32xb128_in1k', 'slak-tiny_32xb128_in1k'} <= set(list_models())
    assert list_models() == sorted(list_models())
    assert list_models('convnest*') and all(name.startswith('convnest') for name in list_models('convnest*'))
    assert list_models('nothing*') == []


def test_listing_builds_nothing(monkeypatch):
    def refuse(self, *args, **kwargs):
        raise AssertionError(f'{type(self).__name__} was built')

    monkeypatch.setattr(torch.nn.Module, '__init__', refuse)
    assert list_models()
    with pytest.raises(AssertionError, match='was built'):
        get_model('convnest-atto')


def test_plain_models_are_listed():
    assert {'convnest-atto', 'slak-base', 'convnext-tiny', 'swin-large'} <= set(list_models())
    assert {'convnest-tiny', 'convnest-tiny_32xb128_in1k'} <= set(list_models('convnest-t*'))


@pytest.mark.parametrize('name', ['convnest-atto', 'resnet18', 'mobilenet-v1'])
def test_number_of_classes(name):
    out = get_model(name, num_classes=7).eval()(torch.rand(1, 3, 64, 64), mode='tensor')
    assert (out[-1] if isinstance(out, tuple) else out).shape == (1, 7)


def test_features_only():
    model = get_model('convnest-atto', features_only=True).eval()
    with torch.no_grad():
        maps = model(torch.rand(2, 3, 64, 96))
    assert [tuple(out.shape) for out in maps] == [
        (2, 20, 16, 24), (2, 40, 8, 12), (2, 80, 4, 6), (2, 160, 2, 3)]
    with torch.device('meta'):
        maps = get_model('deit-tiny', features_only=True)(torch.rand(1, 3, 224, 224))
    assert len(maps) == 4 and maps[0].shape == (1, 192, 14, 14)


def test_pretrained_weights_with_other_classes(tmp_path, monkeypatch):
    torch.manual_seed(0)
    source = get_model('convnest-atto')
    torch.save(dict(state_dict=source.state_dict()), tmp_path / 'atto.pth')
    config = 'configs/_base_/models/convnest-atto.py'
    for module in ('mmkd.apis.models', 'mmkd.distillers.models.names', 'mmkd.zoo.index'):
        monkeypatch.setattr(f'{module}.model_index', lambda: {'mine': dict(
            Config=config, Weights=(tmp_path / 'atto.pth').as_uri())})
    monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'cache'))
    model = get_model('mine', pretrained=True, num_classes=5)
    assert model.head.fc.weight.shape == (5, 160)
    theirs = source.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in model.state_dict().items() if 'head' not in name)


@pytest.mark.parametrize('number', [0, '10', 2.5, True])
def test_wrong_number_of_classes(number):
    with pytest.raises(UserError, match=f'num_classes to be a whole number of at least 1, got {number!r}'):
        get_model('convnest-atto', num_classes=number)


def test_names_at_the_top():
    assert mmkd.get_model is get_model and mmkd.list_models is list_models


def test_by_name_with_an_entry_changed():
    with torch.device('meta'):
        model = get_model('convnest-tiny_32xb128_in1k', **{'model.head.num_classes': 7})
    assert type(model.backbone).__name__ == 'ConvNeSt' and model.backbone.depths == (3, 3, 14, 3)
    assert model.head.fc.out_features == 7


@pytest.mark.parametrize('config', [RECIPE, f'mmkd::{RECIPE}'])
def test_of_a_recipe_the_student_without_teacher(config):
    model = get_model(config)
    assert not isinstance(model, Distiller) and model.training
    assert model(torch.rand(1, 3, 32, 32), mode='tensor').shape == (1, 10)


@pytest.fixture
def files(tmp_path) -> dict:
    """A student, the training checkpoint of a distiller with it, and what is published of that."""
    torch.manual_seed(0)
    student = get_model(RECIPE)
    state = student.state_dict()
    torch.save(dict(state_dict={f'student.{name}': value for name, value in state.items()} | {
        'terms.fd.loss.weight': torch.ones(1)}, meta={}), tmp_path / 'epoch_1.pth')
    torch.save(dict(state_dict=state, meta={}), tmp_path / 'student.pth')
    torch.save(dict(state_dict=dict(list(state.items())[1:])), tmp_path / 'less.pth')
    return state


@pytest.mark.parametrize('file', ['epoch_1.pth', 'student.pth'])
def test_of_a_recipe_with_a_file(files, tmp_path, file):
    model = get_model(RECIPE, checkpoint=tmp_path / file)
    assert all(torch.equal(value, files[name]) for name, value in model.state_dict().items())
    other = get_model(RECIPE, checkpoint=str(tmp_path / file), num_classes=3, features_only=True)
    assert torch.equal(next(other.model.backbone.parameters()), next(iter(files.values())))
    assert other.model.head.fc.out_features == 3


def test_a_file_of_as_many_classes_as_are_asked_for(tmp_path):
    saved = get_model(RECIPE, num_classes=3).state_dict()
    torch.save(dict(state_dict=saved), tmp_path / 'three.pth')
    model = get_model(RECIPE, checkpoint=tmp_path / 'three.pth', num_classes=3)
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    with pytest.raises(UserError, match='of another shape head'):
        get_model(RECIPE, checkpoint=tmp_path / 'three.pth', num_classes=4)


def test_files_that_do_not_fit(files, tmp_path):
    with pytest.raises(UserError, match='of .* tensors matched; missing'):
        get_model(RECIPE, checkpoint=tmp_path / 'less.pth')
    with pytest.raises(UserError, match='pretrained=True or a checkpoint, got both'):
        get_model('slak-tiny_in1k', True, checkpoint=tmp_path / 'student.pth')
    with pytest.raises(UserError, match='expects an existing file'):
        get_model(RECIPE, checkpoint=tmp_path / 'none.pth')


@pytest.mark.parametrize(('name', 'pretrained', 'message'), [
    ('convnest-tinny_32xb128_in1k', False, 'Did you mean convnest-tiny_32xb128_in1k'),
    ('convnest-tiny_32xb128_in1k', True, 'no published weights yet'),
    (RECIPE, True, 'name of an indexed model with pretrained=True'),
    ('convnest/none.py', False, 'existing file'),
])
def test_mistakes(name, pretrained, message):
    with pytest.raises(UserError, match=message):
        get_model(name, pretrained)
