"""Tiny models of transformers', saved as their authors save them, as students and teachers."""
import copy
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmkd.distillers import Distiller
from mmkd.distillers.inputs import teacher_normalisation
from mmkd.distillers.models import build_model, build_with_report, read_spec
from mmkd.distillers.models.huggingface.files import KINDS
from mmkd.distillers.taps import Taps, named_locations
from mmkd.distillers.teacher import teachers_classes
from mmkd.utils import UserError
from mmkd.utils.checkpoints.weights import plain
from mmkd.utils.configs.finding import load_config

from ..zoo.hub.conftest import hub  # noqa: F401  (a fixture)
from .conftest import classifier

transformers = pytest.importorskip('transformers')
if not transformers.utils.is_torch_available():
    pytest.skip('this transformers needs a newer PyTorch', allow_module_level=True)

VIT = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=32,
           patch_size=8)
DINO = dict(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, mlp_ratio=2, image_size=32, patch_size=8)
CONV = dict(hidden_sizes=[4, 8, 12, 16], depths=[1, 1, 2, 1])
SWIN = dict(embed_dim=8, depths=[1, 2, 1], num_heads=[1, 2, 2], window_size=2, image_size=32, patch_size=4)
# kind: its settings, what its last map has before the tokens of the image, channels and sides of its stages
TINY = {
    'vit': (VIT, 1, [(16, 4)] * 4), 'deit': (VIT, 2, [(16, 4)] * 4), 'beit': (VIT, 1, [(16, 4)] * 4),
    'vit_msn': (VIT, 1, [(16, 4)] * 4), 'dinov2': (DINO, 1, [(16, 4)] * 4),
    'dinov2_with_registers': (dict(DINO, num_register_tokens=3), 4, [(16, 4)] * 4),
    'dinov3_vit': (dict(VIT, num_register_tokens=3), 4, [(16, 4)] * 4),
    'dinov3_convnext': (CONV, 1, [(4, 8), (8, 4), (12, 2), (16, 1)]),
    'convnext': (CONV, 0, [(4, 8), (8, 4), (12, 2), (16, 1)]),
    'convnextv2': (CONV, 0, [(4, 8), (8, 4), (12, 2), (16, 1)]),
    'resnet': (dict(CONV, embedding_size=4, layer_type='basic'), 0, [(4, 8), (8, 4), (12, 2), (16, 1)]),
    'regnet': (dict(CONV, embedding_size=4, groups_width=4), 0, [(4, 8), (8, 4), (12, 2), (16, 1)]),
    'swin': (SWIN, 0, [(8, 8), (16, 4), (32, 2)]), 'swinv2': (SWIN, 0, [(8, 8), (16, 4), (32, 2)]),
    'mobilenet_v2': (dict(image_size=32, depth_multiplier=.25), 0, [(8, 8), (8, 4), (24, 2), (80, 1)]),
    'clip_vision_model': (VIT, 1, [(16, 4)] * 4), 'siglip_vision_model': (VIT, 0, [(16, 4)] * 4),
}
NAMES = {0: 'dog', 1: 'bird', 2: 'cat'}
PROCESSOR = dict(image_mean=[.1, .2, .3], image_std=[.5, .25, .2], do_normalize=True, do_rescale=True,
                 rescale_factor=1 / 255)
QUICK = ('dinov2_with_registers', 'convnext', 'swin', 'siglip_vision_model')
IMAGES = torch.linspace(-2, 2, 2 * 3 * 32 * 32).sin().view(2, 3, 32, 32)


def class_of(kind: str, head: bool) -> type | None:
    stem = KINDS[kind]
    base = f'{stem}VisionModel' if kind.endswith('_vision_model') else f'{stem}Model'
    found = getattr(transformers, f'{stem}ForImageClassification' if head else base, None)
    return found if found is not None and (not head or not kind.endswith('_vision_model')) else None


def saved(folder, kind: str, head: bool = False, **changes):
    """A folder as save_pretrained writes it, and the model."""
    torch.manual_seed(0)
    cls = class_of(kind, head)
    model = cls(cls.config_class(**TINY[kind][0] | changes)).eval()
    model.save_pretrained(folder)
    (folder / 'preprocessor_config.json').write_text(json.dumps(PROCESSOR))
    return model


def built(folder, role='student', **options):
    model, report = build_with_report(read_spec(dict(hf=str(folder), **options), role), role)
    return model.eval(), report


@torch.no_grad()
@pytest.mark.parametrize('kind', [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in TINY])
@pytest.mark.parametrize('head', [False, True])
def test_as_transformers_runs_it(kind, head, tmp_path):
    if class_of(kind, head) is None:
        pytest.skip('transformers has no such class')
    theirs, (ours, _) = saved(tmp_path, kind, head), built(tmp_path)
    expected, last = theirs(IMAGES), getattr(theirs, theirs.base_model_prefix, theirs) if head else theirs
    last = last(IMAGES)[0]
    _, tapped = Taps(ours, list(named_locations(ours))).read(ours, IMAGES, mode='tensor')
    _, prefix, stages = TINY[kind]
    assert [tuple(tapped[f'stage{i}'].shape) for i in range(1, len(stages) + 1)] == [
        (2, channels, side, side) for channels, side in stages] and f'stage{len(stages) + 1}' not in tapped
    side = stages[-1][1]
    patches = last if last.dim() == 4 else last[:, prefix:].transpose(1, 2).reshape(2, -1, side, side)
    assert last.dim() == 4 or last.shape[1] - prefix == side * side
    torch.testing.assert_close(tapped['patches'], patches, rtol=0, atol=1e-6)
    if head:
        torch.testing.assert_close(tapped['logits'], expected.logits, rtol=0, atol=1e-6)
        torch.testing.assert_close(ours(IMAGES), expected.logits, rtol=0, atol=1e-6)
        assert tapped['pre_logits'].dim() == 2
    else:
        pooled = expected.get('pooler_output')
        pooled = last[:, 0] if pooled is None else pooled.flatten(1)
        torch.testing.assert_close(tapped['pre_logits'], pooled, rtol=0, atol=1e-6)
        assert 'logits' not in tapped
    assert torch.equal(tapped['stage2'], tapped['stage2'].contiguous()) and ours.fixed_input_size is None
    _, larger = Taps(ours, ['patches']).read(ours, torch.zeros(1, 3, 32, 64), mode='tensor')
    assert larger['patches'].shape[2:] == (side, 2 * side)


def test_the_stages_of_a_plain_transformer_are_quarters_of_its_blocks(tmp_path):
    model = saved(tmp_path, 'dinov2')
    ours, _ = built(tmp_path)
    with torch.no_grad():
        states = model(IMAGES, output_hidden_states=True).hidden_states
        _, tapped = Taps(ours, ['stage1', 'stage3']).read(ours, IMAGES, mode='tensor')
    for i in (1, 3):
        torch.testing.assert_close(tapped[f'stage{i}'].flatten(2).transpose(1, 2), states[i][:, 1:], rtol=0, atol=1e-6)


def distiller(student, teacher, taps=('stage2', 'stage2'), **changes) -> Distiller:
    terms = dict(fd=dict(loss=dict(type='mmkd.FDLoss'), student=taps[0], teacher=taps[1],
                         connector=dict(type='mmkd.ConvConnector')))
    return Distiller(student, teacher, changes.pop('terms', terms), input_size=32, **changes)


def step(model: Distiller) -> torch.Tensor:
    loss = model.total(model(IMAGES, torch.tensor([0, 1])))
    loss.backward()
    return loss


def test_a_teacher(tmp_path):
    saved(tmp_path, 'dinov2_with_registers')
    student = classifier(8)
    model = distiller(student, dict(hf=str(tmp_path), dtype='bf16'), ('stage2', 'patches'))
    teacher = model.teachers['teacher']
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())
    step(model)
    assert not any('embeddings' in name for name in model.state_dict())
    model.train()
    assert not teacher.model.training and copy.deepcopy(model).teachers['teacher'] is teacher


def test_the_teacher_sees_images_as_its_processor_would(tmp_path):
    saved(tmp_path, 'convnext')
    model = distiller(classifier(8), dict(hf=str(tmp_path)), data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor', mean=[10., 20., 30.], std=[2., 4., 8.], to_rgb=True))
    pixels = torch.rand(1, 3, 32, 32) * 255
    ours = (pixels - torch.tensor([10., 20., 30.]).view(3, 1, 1)) / torch.tensor([2., 4., 8.]).view(3, 1, 1)
    theirs = (pixels / 255 - torch.tensor([.1, .2, .3]).view(3, 1, 1)) / torch.tensor([.5, .25, .2]).view(3, 1, 1)
    torch.testing.assert_close(model.teachers['teacher'].adapt(ours), theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize(('changes', 'mean', 'std'), [
    ({}, [25.5, 51., 76.5], [127.5, 63.75, 51.]), (dict(do_normalize=False), [0., 0., 0.], [255., 255., 255.]),
    (dict(do_rescale=False), [.1, .2, .3], [.5, .25, .2])])
def test_what_the_processor_says(changes, mean, std, tmp_path):
    saved(tmp_path, 'resnet')
    (tmp_path / 'preprocessor_config.json').write_text(json.dumps(PROCESSOR | changes))
    preprocessor = built(tmp_path)[0].data_preprocessor
    torch.testing.assert_close(preprocessor.mean.flatten(), torch.tensor(mean))
    torch.testing.assert_close(preprocessor.std.flatten(), torch.tensor(std))
    (tmp_path / 'processor_config.json').write_text(json.dumps(dict(image_processor=PROCESSOR)))
    (tmp_path / 'preprocessor_config.json').unlink()
    torch.testing.assert_close(built(tmp_path)[0].data_preprocessor.mean.flatten(), torch.tensor([25.5, 51., 76.5]))
    (tmp_path / 'processor_config.json').unlink()
    assert getattr(built(tmp_path)[0].data_preprocessor, 'mean', None) is None


@pytest.mark.parametrize('kind', ['dinov2', 'convnext', 'swin'])
def test_a_student(kind, tmp_path):
    weights = saved(tmp_path / 'model', kind, head=True, num_labels=5).state_dict()
    torch.manual_seed(0)
    model = distiller(dict(hf=str(tmp_path / 'model')), classifier(8))
    model.init_weights()  # as MMEngine's runner does: pre-trained weights stay
    own = model.student.model.state_dict()
    assert own.keys() == weights.keys() and all(torch.equal(own[name], weights[name]) for name in own)
    step(model)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in trained)  # as data-parallel training asks for
    other = distiller(dict(hf=str(tmp_path / 'model'), pretrained=False), classifier(8))
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(IMAGES), model.eval()(IMAGES))
        assert torch.equal(copy.deepcopy(model)(IMAGES), model(IMAGES))
    assert model(IMAGES, mode='predict')[0].pred_score.shape == (5, )


def test_a_published_student_loads_again(tmp_path):
    saved(tmp_path / 'model', 'convnext', head=True, num_labels=5)
    model = distiller(dict(hf=str(tmp_path / 'model'), pretrained=False), classifier(8))
    published = plain({name: value for name, value in model.state_dict().items() if name.startswith('student.')})
    torch.save(dict(state_dict=published), tmp_path / 'student.pth')
    again, report = built(tmp_path / 'model', checkpoint=str(tmp_path / 'student.pth'))
    assert report.endswith(f'{len(published)} of {len(published)} tensors matched')
    with torch.no_grad():
        assert torch.equal(again(IMAGES), model.eval()(IMAGES))


def test_a_student_without_a_head(tmp_path):
    saved(tmp_path, 'vit')
    model = distiller(dict(hf=str(tmp_path)), classifier(8), task_weight=0.)
    model.total(model(IMAGES, mode='loss')).backward()
    with pytest.raises(UserError, match='own loss and the predictions of a ViTModel expect a classifier'):
        built(tmp_path)[0](IMAGES, None, mode='predict')


@pytest.fixture
def said(monkeypatch):
    """What is logged."""
    lines = []
    monkeypatch.setattr('mmkd.distillers.models.huggingface.loading.print_log', lambda line, **_: lines.append(line))
    return lines


def edited(folder, edit):
    weights = load_file(folder / 'model.safetensors')
    edit(weights)
    save_file(weights, folder / 'model.safetensors', metadata={'format': 'pt'})


def test_weights_that_are_not_all_there(tmp_path, said):
    saved(tmp_path, 'vit', head=True)
    built(tmp_path)
    assert said[-1].endswith('ViTForImageClassification: 72 of 72 tensors matched.')
    edited(tmp_path, lambda weights: weights.pop('classifier.weight'))
    with pytest.raises(UserError, match='71 of 72 tensors matched; missing classifier.weight. transformers would make'):
        built(tmp_path)
    model, _ = built(tmp_path, num_classes=7)
    assert 'a new head: classifier.bias, classifier.weight' in said[-1] and model(IMAGES).shape == (2, 7)
    layer = next(name for name in load_file(tmp_path / 'model.safetensors') if '.2.' in name)
    edited(tmp_path, lambda weights: weights.pop(layer))
    with pytest.raises(UserError, match='missing .*2'):
        built(tmp_path, num_classes=7)


def test_a_deeper_model_is_not_cut_off(tmp_path):
    saved(tmp_path, 'dinov2')
    config = json.loads((tmp_path / 'config.json').read_text())
    names = dict(num_hidden_layers=3, stage_names=None, out_features=None, out_indices=None)
    (tmp_path / 'config.json').write_text(json.dumps(config | names))
    with pytest.raises(UserError, match='unexpected encoder.layer.3'):
        built(tmp_path)


def test_a_pooler_that_was_never_trained_is_left_out(tmp_path, said):
    theirs = saved(tmp_path, 'vit')
    edited(tmp_path, lambda weights: [weights.pop(f'pooler.dense.{part}') for part in ('weight', 'bias')])
    ours, _ = built(tmp_path)
    assert any('no pooler, so the class token' in line for line in said)
    with torch.no_grad():
        torch.testing.assert_close(ours(IMAGES), theirs(IMAGES).last_hidden_state[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(('stem', 'head'), [('CLIP', True), ('Siglip', True), ('CLIP', False), ('Siglip', False)])
def test_of_two_towers_the_one_that_sees(stem, head, tmp_path, said):
    torch.manual_seed(0)
    text = dict(VIT, vocab_size=40, max_position_embeddings=8, bos_token_id=0, eos_token_id=1, pad_token_id=1)
    config = getattr(transformers, f'{stem}Config')(text_config=text, vision_config=VIT)
    theirs = getattr(transformers, f'{stem}Model')(config).eval()
    theirs.save_pretrained(tmp_path)
    (tmp_path / 'preprocessor_config.json').write_text(json.dumps(PROCESSOR))
    ours, _ = built(tmp_path, **dict(num_classes=3) if head else {})
    assert 'left out: ' in said[-1] and 'text' in said[-1]
    assert not any('text_model' in name for name in ours.state_dict())
    _, tapped = Taps(ours, ['patches', 'stage4', 'pre_logits']).read(ours, IMAGES, mode='tensor')
    with torch.no_grad():
        seen = theirs.vision_model(IMAGES)
    last = seen.last_hidden_state[:, 1 if stem == 'CLIP' else 0:].transpose(1, 2).reshape(2, 16, 4, 4)
    torch.testing.assert_close(tapped['patches'], last, rtol=0, atol=1e-6)
    if not head:
        torch.testing.assert_close(tapped['pre_logits'], seen.pooler_output, rtol=0, atol=1e-6)


@pytest.mark.parametrize('pretrained', [True, False])
def test_half_precision_on_disk(pretrained, tmp_path):
    model = saved(tmp_path, 'dinov3_vit')
    positions = dict(model.named_buffers())
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    assert {value.dtype for value in load_file(tmp_path / 'model.safetensors').values()} == {torch.bfloat16}
    ours, _ = built(tmp_path, pretrained=pretrained)
    assert {value.dtype for value in ours.state_dict().values()} == {torch.float32}
    found = dict(ours.model.named_buffers())
    fresh = dict(type(model)(type(model.config)(**TINY['dinov3_vit'][0])).named_buffers())
    assert found.keys() == positions.keys() and all(torch.equal(found[name], fresh[name]) for name in found)


def rewrite(folder, **changes):
    (folder / 'config.json').write_text(json.dumps(json.loads((folder / 'config.json').read_text()) | changes))


@pytest.mark.parametrize(('change', 'match'), [
    (lambda f: rewrite(f, model_type='bert'), "expects a vision model, got .*, whose config.json says 'bert'"),
    (lambda f: rewrite(f, model_type='mine', auto_map=dict(AutoModel='run.Mine')), "config.json says 'mine'"),
    (lambda f: rewrite(f, model_type='timm_wrapper'), 'is a model of timm. Write timm=…'),
    (lambda f: rewrite(f, quantization_config=dict(quant_method='bitsandbytes', load_in_8bit=True)), 'quantised'),
    (lambda f: (f / 'config.json').write_text('{"model_type": '), 'hf model .* cannot be used'),
    (lambda f: (f / 'config.json').unlink(), 'hf model .* has no config.json'),
    (lambda f: (f / 'model.safetensors').unlink(), 'hf model .* cannot be used: .*model.safetensors'),
    (lambda f: (f / 'model.safetensors').write_bytes(b'short'), 'hf model .* cannot be used'),
    (shutil.rmtree, 'expects a name on the hub or an existing folder'),
])
def test_folders_that_do_not_do(change, match, tmp_path):
    folder = tmp_path / 'model'
    saved(folder, 'resnet')
    change(folder)
    with pytest.raises(UserError, match=match) as caught:
        built(folder)
    assert '\n' not in str(caught.value)


def test_no_pickle_and_no_code(tmp_path):
    """Weights that only pickle has are refused; neither a module nor a kernel that a repository names is run."""
    model = saved(tmp_path, 'vit')
    (tmp_path / 'run.py').write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\nclass Mine: ...\n")
    rewrite(tmp_path, auto_map=dict(AutoModel='run.Mine', AutoConfig='run.Mine'), attn_implementation='evil/kernel',
            _attn_implementation='evil/kernel')
    built(tmp_path)
    assert not (tmp_path / 'was_run').exists()
    (tmp_path / 'model.safetensors').unlink()
    torch.save(model.state_dict(), tmp_path / 'pytorch_model.bin')
    with pytest.raises(UserError, match='model.safetensors'):
        built(tmp_path)


@pytest.mark.parametrize(('options', 'match'), [
    (dict(num_clases=3), "got 'num_clases'. Did you mean num_classes"),
    (dict(num_classes='3'), 'num_classes'),
])
def test_wrong_arguments(options, match, tmp_path):
    saved(tmp_path, 'resnet')
    with pytest.raises(UserError, match=match):
        built(tmp_path, **options)


def test_a_kind_without_a_classifier(tmp_path):
    saved(tmp_path, 'dinov3_convnext')
    with pytest.raises(UserError, match="no classifier for 'dinov3_convnext'. Leave num_classes out"):
        built(tmp_path, num_classes=3)


def test_a_config_file(tmp_path):
    (tmp_path / 'student.py').write_text("model = dict(hf='me/model', num_classes=4)\n")
    assert load_config(tmp_path / 'student.py').model == dict(
        type='mmkd.HuggingFaceModel', model_name='me/model', num_classes=4)


@pytest.fixture
def repositories(hub, monkeypatch, tmp_path):  # noqa: F811
    """The stand-in of the hub, for a client that reads its address when it is imported."""
    import os
    address = os.environ['HF_ENDPOINT']
    monkeypatch.setattr('huggingface_hub.constants.ENDPOINT', address)
    monkeypatch.setattr('huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE',
                        address + '/{repo_id}/resolve/{revision}/{filename}')
    for name in ('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE'):
        monkeypatch.setattr(f'huggingface_hub.constants.{name}', str(tmp_path / 'hf'), raising=False)
    return hub


def test_from_the_hub(repositories, tmp_path, monkeypatch):
    saved(tmp_path / 'a', 'resnet')
    repositories.files['me/resnet'] = {path.name: path.read_bytes() for path in (tmp_path / 'a').iterdir()}
    ours, local = built('me/resnet')[0], built(tmp_path / 'a')[0]
    with torch.no_grad():
        assert torch.equal(ours(IMAGES), local(IMAGES))
    torch.testing.assert_close(ours.data_preprocessor.mean, local.data_preprocessor.mean)
    monkeypatch.setenv('MMKD_OFFLINE', '1')
    before = len(repositories.asked)
    built('me/resnet')
    assert len(repositories.asked) == before


@pytest.mark.parametrize(('name', 'match'), [
    ('me/none', "hf model 'me/none' is not on the hub, or private"),
    ('me/gated', 'is gated. Accept its terms'),
    ('me/pickles', 'safetensors'),
    ('me/empty', "hf model 'me/empty' has no config.json"),
])
def test_what_the_hub_has_not(repositories, name, match, tmp_path):
    saved(tmp_path / 'a', 'resnet')
    files = {path.name: path.read_bytes() for path in (tmp_path / 'a').iterdir()}
    repositories.files |= {'me/pickles': {name: files[name] for name in ('config.json', 'preprocessor_config.json')}
                           | {'pytorch_model.bin': b''}, 'me/empty': {}}
    with pytest.raises(UserError, match=match):
        built(name)
    assert not any('/api/' in path and 'discussions' in path for _, path, _ in repositories.asked)




def test_a_model_that_is_not_here_while_offline(monkeypatch):
    monkeypatch.setenv('MMKD_OFFLINE', '1')
    with pytest.raises(UserError, match='is not in the cache, and MMKD_OFFLINE is set'):
        build_model(read_spec(dict(hf='nobody/nothing'), 'the model'), 'student')


def test_weights_of_other_shapes_are_named(tmp_path):
    package = pytest.importorskip('transformers')
    config = package.ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                               image_size=32, patch_size=8, num_labels=3)
    package.ViTForImageClassification(config).save_pretrained(tmp_path)
    package.ViTConfig(**config.to_dict() | dict(intermediate_size=64)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r'tensors matched; missing .*weight'):
        build_model(read_spec(dict(hf=str(tmp_path)), 'the model'), 'student')


def named_classes(folder, tap: str = 'logits', **teacher) -> list:
    loss = dict(type='mmkd.KDLoss' if tap == 'logits' else 'mmkd.ATLoss')
    config = dict(student=classifier(8, classes=3), teacher=dict(hf=str(folder), **teacher), input_size=32,
                  terms=dict(own=dict(loss=loss, student=tap, teacher=tap)))
    return teachers_classes(config, Distiller(**copy.deepcopy(config)).teachers)


def test_the_classes_of_a_teacher_are_those_of_its_config(tmp_path):
    saved(tmp_path / 'named', 'convnext', head=True, id2label=NAMES, label2id={name: i for i, name in NAMES.items()})
    found, = named_classes(tmp_path / 'named')
    assert found.declared == dict(dog=0, bird=1, cat=2)
    assert found.where == f"the teacher's config, {tmp_path / 'named'},"
    assert named_classes(tmp_path / 'named', 'stage2') == []
    saved(tmp_path / 'unnamed', 'convnext', head=True, num_labels=3)
    assert named_classes(tmp_path / 'unnamed') == []


def test_a_model_whose_preprocessor_is_not_stated_takes_rgb(tmp_path):
    saved(tmp_path, 'convnext')
    spec = read_spec(dict(hf=str(tmp_path)), 'teacher')
    model = build_model(spec, 'student')
    assert [teacher_normalisation(model, spec.cfg, loads_rgb)['to_rgb'] for loads_rgb in (True, False)] == [False, True]
