"""The models that a command names."""
import pytest
import torch
from mmengine.config import Config

from mmkd.analysis.command.models import AnalysedModel, build_models, split_model
from mmkd.export.network import input_form
from mmkd.utils import UserError

MINI = 'quickstart/convnest-mini_digits-5shot.py'
RECIPE = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'


@pytest.mark.parametrize(('text', 'expected'), [
    ('a.py', ('a.py', None)), ('a.py=b.pth', ('a.py', 'b.pth')),
    ('a.py=https://host/b.pth?download=1', ('a.py', 'https://host/b.pth?download=1'))])
def test_splitting(text, expected):
    assert split_model(text) == expected


def test_splitting_where_names_have_equals_signs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'lr=0.1').mkdir()
    (tmp_path / 'lr=0.1/config').touch()
    for config in ('lr=0.1/config', 'lr=0.1/config.py'):
        assert split_model(f'{config}=wd=0/b.pth') == (config, 'wd=0/b.pth')
    assert split_model('lr=0.1/config') == ('lr=0.1/config', None)


@pytest.mark.parametrize('text', ['a.py=', '=b.pth', ''])
def test_one_half_is_missing(text):
    with pytest.raises(UserError, match='expects MODEL or MODEL=CHECKPOINT'):
        split_model(text)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A training checkpoint of the recipe's student, whose weights are all 0.25."""
    model = build_models([f'{MINI}=random'])[0].model
    path = tmp_path_factory.mktemp('weights') / 'epoch_1.pth'
    state = {f'student.{key}': torch.full_like(value, 0.25) for key, value in model.state_dict().items()}
    torch.save(dict(state_dict=state, meta=dict()), path)
    return path


def test_of_a_recipe_the_student_with_its_weights(weights):
    model, = build_models([f'{RECIPE}={weights}'], ['distilled'])
    assert model.label == 'distilled' and not model.model.training
    assert all((parameter == 0.25).all() for parameter in model.model.parameters())
    count = len(model.model.state_dict())
    assert model.weights == f'{weights} ({count} of {count} tensors matched)'
    assert model.config.val_dataloader and model.settings()['mean'] == pytest.approx([123.675, 116.28, 103.53])


def test_random_weights_are_said_and_always_the_same():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, = build_models(['convnest-atto'])
    assert torch.equal(before, torch.get_rng_state())
    other, = build_models(['convnest-atto=random'])
    assert one.label == 'convnest-atto (random weights)' and one.weights == 'random' and one.config is not None
    assert all(map(torch.equal, one.model.state_dict().values(), other.model.state_dict().values()))


def test_a_timm_model_has_its_own_normalisation():
    model, = build_models(['timm:vit_tiny_patch16_224=random'])
    assert model.label == 'vit_tiny_patch16_224 (random weights)' and model.config is None
    assert model.settings()['mean'] == model.settings()['std'] == [127.5] * 3 and model.settings()['to_rgb']


def test_the_backbone_of_a_detector():
    model, = build_models(['quickstart/mask-rcnn_convnest-mini_digits.py=random'])
    assert type(model.model).__name__ == 'MaskRCNN' and model.settings()['to_rgb']


def test_names_that_are_the_same_get_their_checkpoints(weights):
    models = build_models([f'{MINI}={weights}', f'{MINI}=random'])
    assert [model.label for model in models] == [
        f'convnest-mini_digits-5shot={weights}', 'convnest-mini_digits-5shot=random (random weights)']


@pytest.mark.parametrize(('texts', 'labels', 'message'), [
    ([MINI, MINI], ['one'], '--labels expects one label a model, got 1 for 2 models'),
    ([MINI, MINI], ['one', 'one'], '--labels expects labels that differ, got one, one'),
    (['convnest-ato'], None, "got 'convnest-ato'. Did you mean convnest-atto"),
    (['timm:resnet19'], None, 'expects the name of a timm model'),
    ([f'{MINI}=nowhere.pth'], None, 'checkpoint expects an existing file, got nowhere.pth')])
def test_what_cannot_be_built(texts, labels, message):
    with pytest.raises(UserError, match=message.replace('.', r'\.')):
        build_models(texts, labels)


def test_a_checkpoint_of_another_model(weights):
    with pytest.raises(UserError, match='tensors'):
        build_models([f'quickstart/slak-mini_digits.py={weights}'])


def test_normalising():
    images = torch.tensor([10, 20, 30], dtype=torch.uint8).reshape(1, 3, 1, 1)
    settings = dict(mean=[1., 2., 3.], std=[1., 2., 4.])
    rgb = AnalysedModel('', '', torch.nn.Identity(), '', dict(settings, to_rgb=True))
    assert rgb.normalise(images).flatten().tolist() == [9, 9, 6.75]
    bgr = AnalysedModel('', '', torch.nn.Identity(), '', dict(settings, to_rgb=False))
    assert bgr.normalise(images).flatten().tolist() == [29, 9, 1.75]
    grey = AnalysedModel('', '', torch.nn.Identity(), '', dict(mean=[1.], std=[2.], to_rgb=True), channels=1)
    assert grey.normalise(images).flatten().tolist() == pytest.approx([(0.299 * 10 + 0.587 * 20 + 0.114 * 30 - 1) / 2])


@pytest.mark.parametrize('to_rgb', [True, False])
def test_the_order_is_that_of_training_and_export(tmp_path, to_rgb):
    """``to_rgb`` turns RGB around where the data come in it."""
    (tmp_path / 'cifar.py').write_text(
        "_base_ = 'mmkd::_base_/models/resnet20_cifar.py'\n"
        f'data_preprocessor = dict(num_classes=100, mean=[1., 2., 3.], std=[40., 50., 60.], to_rgb={to_rgb})\n'
        'model = dict(data_preprocessor=dict(_delete_=True, **data_preprocessor))\n'
        "val_dataloader = dict(dataset=dict(type='CIFAR100', pipeline=[dict(type='PackInputs')]))\n")
    model, = build_models([f'{tmp_path / "cifar.py"}=random'])
    form = input_form(model.model, Config.fromfile(tmp_path / 'cifar.py').model, loaded_rgb=True)
    assert (form.order == 'RGB') is model.settings()['to_rgb'] is not to_rgb
    trained = model.model.data_preprocessor(dict(inputs=[torch.arange(3).reshape(3, 1, 1)]))['inputs']
    assert torch.equal(model.normalise(torch.arange(3).reshape(1, 3, 1, 1)), trained)


def test_cifar_is_in_rgb_already():
    model, = build_models(['mmpretrain::resnet/resnet18_8xb16_cifar10.py=random'])
    assert Config.fromfile(model.config.filename).data_preprocessor.to_rgb is False
    assert model.settings()['to_rgb']
