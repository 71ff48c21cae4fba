"""Resolving and reading taps."""
import copy

import pytest
import torch
from mmengine.registry import MODELS

from mmkd.distillers import Taps
from mmkd.distillers.taps import named_locations, token_grid
from mmkd.utils import UserError
from mmkd.utils.kept_state import unchanged_state

from ..conftest import classifier, resnet


def test_names_of_a_classifier_in_forward_order():
    model = MODELS.build(classifier(8))
    assert list(named_locations(model)) == ['stage1', 'stage2', 'stage3', 'stage4', 'pre_logits', 'logits']


def test_values():
    model = MODELS.build(classifier(8)).eval()
    taps = Taps(model, ['stage1', 'pre_logits', 'logits', 'backbone.stages.1.0', 'backbone'])
    logits, read = taps.read(model, torch.rand(2, 3, 32, 32))
    assert torch.equal(read['logits'], logits)
    torch.testing.assert_close(model.head.fc(read['pre_logits']), logits)
    assert read['stage1'].shape == (2, 8, 8, 8) and read['backbone.stages.1.0'].shape == (2, 16, 4, 4)
    assert read['backbone'].shape == (2, 16)  # a tuple of one tensor is unpacked


@pytest.mark.parametrize(('config', 'shapes'), [
    (dict(type='mmpretrain.ResNet', depth=18), [(64, 8, 8), (128, 4, 4), (256, 2, 2), (512, 1, 1)]),
    (dict(type='mmpretrain.SwinTransformer', arch='tiny', img_size=32, window_size=2, pad_small_map=True),
     [(96, 8, 8), (192, 4, 4), (384, 2, 2), (768, 1, 1)]),
    (dict(type='mmpretrain.MobileNetV2'), [(24, 8, 8), (32, 4, 4), (96, 2, 2), (320, 1, 1)]),
    (dict(type='mmpretrain.MobileNetV3', arch='large'), [(24, 8, 8), (40, 4, 4), (112, 2, 2), (160, 1, 1)]),
    (dict(type='mmpretrain.EfficientNet', arch='b0'), [(24, 8, 8), (40, 4, 4), (112, 2, 2), (320, 1, 1)]),
    (dict(type='mmpretrain.ConvNeXt', arch=dict(depths=[6], channels=[8]), stem_patch_size=16, out_indices=[0]),
     [(8, 2, 2)] * 4),
    (dict(type='mmkd.ConvNeSt', structure='isotropic', arch=dict(depths=[6], channels=[8])), [(8, 2, 2)] * 4),
])
def test_stages_of_other_families(config, shapes):
    model = torch.nn.Module()
    model.backbone = MODELS.build(config)
    model.eval()
    names = [f'stage{i}' for i in range(1, 5)]
    taps = Taps(model, names)
    _, read = taps.read(model.backbone, torch.rand(1, 3, 32, 32))
    assert [tuple(read[name].shape[1:]) for name in names] == shapes


VIT = dict(embed_dims=16, num_layers=10, num_heads=2, feedforward_channels=32)
MIXER = dict(embed_dims=16, num_layers=10, tokens_mlp_dims=8, channels_mlp_dims=32)


@pytest.mark.parametrize(('config', 'tokens'), [
    (dict(type='mmpretrain.VisionTransformer', arch=VIT, patch_size=16), 5),
    (dict(type='mmpretrain.BEiTViT', arch=VIT, patch_size=16), 5),
    (dict(type='mmpretrain.MlpMixer', arch=MIXER, patch_size=16), 4)])
def test_stages_of_plain_networks_are_quarters_of_their_depth(config, tokens):
    model = torch.nn.Module()
    model.backbone = MODELS.build(dict(config, img_size=32))
    model.eval()
    stages, blocks = [f'stage{i}' for i in range(1, 5)], [f'backbone.layers.{i}' for i in (1, 4, 6, 9)]
    taps = Taps(model, [*stages, *blocks])
    _, read = taps.read(model.backbone, torch.rand(1, 3, 32, 32))
    for stage, block in zip(stages, blocks):
        assert read[stage].shape == (1, 16, 2, 2) and read[block].shape == (1, tokens, 16)
        assert torch.equal(read[stage].flatten(2).transpose(1, 2), read[block][:, tokens - 4:])


def test_quarters_of_any_depth():
    def paths(depth: int) -> list[str]:
        model = torch.nn.Module()
        model.backbone = torch.nn.Module()
        model.backbone.layers = torch.nn.ModuleList(torch.nn.Identity() for _ in range(depth))
        return [location.module.removeprefix('backbone.layers.') for name, location in named_locations(model).items()
                if name.startswith('stage')]

    assert paths(24) == ['5', '11', '17', '23'] and paths(15) == ['2', '6', '10', '14']
    assert paths(4) == ['0', '1', '2', '3'] and paths(3) == ['0', '1', '2'] and paths(0) == []


def test_lists_of_modules_are_no_stages():
    model = torch.nn.Module()
    model.backbone = torch.nn.Module()  # like SegFormer's MiT, whose forward walks over the lists
    model.backbone.layers = torch.nn.ModuleList(torch.nn.ModuleList([torch.nn.Conv2d(3, 3, 2, 2)]) for _ in range(4))
    assert set(named_locations(model)) == {'logits', 'output'}  # of any module


def test_timm_models():
    pytest.importorskip('timm')
    model = MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name='resnet10t', num_classes=7)).eval()
    taps = Taps(model, ['stage1', 'stage4', 'pre_logits', 'logits'])
    logits, read = taps.read(model, torch.rand(1, 3, 64, 64))
    assert read['stage1'].shape[2:] == (16, 16) and read['stage4'].shape[2:] == (2, 2)
    assert torch.equal(read['logits'], logits) and read['pre_logits'].shape == (1, 512)


@pytest.mark.parametrize('name', ['vit_tiny_patch16_224', 'deit_tiny_distilled_patch16_224', 'eva02_tiny_patch14_224'])
def test_plain_timm_models(name):
    pytest.importorskip('timm')
    model = MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name=name, num_classes=7, img_size=28,
                              patch_size=14, depth=10, embed_dim=24, num_heads=2)).eval()
    stages = [f'stage{i}' for i in range(1, 5)]
    taps = Taps(model, [*stages, *(f'model.blocks.{i}' for i in (1, 4, 6, 9)), 'pre_logits', 'logits'])
    logits, read = taps.read(model, torch.rand(1, 3, 28, 28))
    for stage, i in zip(stages, (1, 4, 6, 9)):
        tokens = read[f'model.blocks.{i}']  # (1, class tokens + 4, 24)
        assert torch.equal(read[stage].flatten(2).transpose(1, 2), tokens[:, -4:])
    assert read['stage4'].shape == (1, 24, 2, 2) and read['pre_logits'].shape == (1, 24)
    assert torch.equal(read['logits'], logits)


def test_timm_classifiers_that_are_no_linear_layer():
    pytest.importorskip('timm')
    model = MODELS.build(dict(type='mmpretrain.TimmClassifier', model_name='repvit_m0_9', num_classes=7)).eval()
    taps = Taps(model, ['stage1', 'stage4', 'pre_logits', 'logits'])
    logits, read = taps.read(model, torch.rand(1, 3, 32, 32))
    assert read['pre_logits'].shape == (1, 384)
    torch.testing.assert_close(model.model.head(read['pre_logits']), logits)
    torch.testing.assert_close(read['stage4'].mean((2, 3)), read['pre_logits'])  # of both heads: the pooled map


def test_inputs_and_all_runs():
    model = MODELS.build(dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.ResNet', depth=18),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=7, in_channels=512))).eval()
    relu = 'backbone.layer4.1.relu'
    taps = Taps(model, ['stage4', f'{relu}@input', f'{relu}@all', relu])
    _, read = taps.read(model, torch.rand(1, 3, 64, 64))
    assert torch.equal(read[f'{relu}@input'].relu(), read['stage4']) and (read[f'{relu}@input'] < 0).any()
    assert [value.shape for value in read[f'{relu}@all']] == [(1, 512, 2, 2)] * 2  # it runs twice in a block
    assert torch.equal(read[relu], read['stage4']) and torch.equal(read[f'{relu}@all'][1], read[relu])


def test_a_pass_ends_where_the_last_tap_has_been_read():
    model = MODELS.build(classifier(8)).eval()
    runs = []
    for i, stage in enumerate(model.backbone.stages):
        stage.register_forward_pre_hook(lambda *_, i=i: runs.append(i))
    taps = Taps(model, ['stage1', 'stage2'])
    taps.read(model, torch.rand(1, 3, 32, 32), stop_early=True)  # finds out how often each module runs
    runs.clear()
    outputs, read = taps.read(model, torch.rand(1, 3, 32, 32), stop_early=True)
    assert outputs is None and set(read) == {'stage1', 'stage2'} and runs == [0, 1]
    assert model(torch.rand(1, 3, 32, 32)).shape == (1, 10)  # an ordinary pass goes on to the end


@pytest.mark.parametrize('option', ['', '@input', '@all'])
def test_a_pass_that_ends_early_reads_the_same_runs(option):
    model = MODELS.build(resnet()).eval()
    tap = f'backbone.layer3.1.relu{option}'
    taps, runs = Taps(model, [tap, 'stage1']), []
    model.backbone.layer4.register_forward_hook(lambda *_: runs.append('layer4'))
    images = torch.rand(1, 3, 64, 64)
    _, whole = taps.read(model, images)
    for early in (False, True, True):
        runs.clear()
        _, read = taps.read(model, images, stop_early=early)
        torch.testing.assert_close(read[tap], whole[tap], rtol=0, atol=0)
        assert runs == ([] if early else ['layer4'])
    assert option != '@all' or len(read[tap]) == 2


@pytest.mark.parametrize('option', ['', '@input', '@all'])
def test_twins_agree_wherever_a_module_runs_several_times(twins, batch, option):
    distiller = twins(f'backbone.layer2.1.relu{option}', terms=dict(at=dict(
        loss=dict(type='mmkd.ATLoss'), student=f'backbone.layer2.1.relu{option}',
        teacher=f'backbone.layer2.1.relu{option}'))) if option != '@all' else twins('backbone.layer2.1.relu')
    data = distiller.eval().data_preprocessor(batch, True)
    for _ in range(2):
        assert distiller(**data, mode='loss')['loss_at'].item() == pytest.approx(0, abs=1e-10)


def test_how_often_a_module_runs_may_depend_on_the_size_of_the_images():
    class Pyramid(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.halve = torch.nn.Conv2d(3, 3, 2, 2)

        def forward(self, x):
            while x.shape[-1] > 4:
                x = self.halve(x)
            return x

    model = Pyramid()
    taps = Taps(model, ['halve'])
    for size in (8, 8, 32, 32, 8):
        images = torch.rand(1, 3, size, size)
        _, read = taps.read(model, images, stop_early=True)
        assert torch.equal(read['halve'], model(images))


def test_what_cannot_run_after_the_last_tap_is_not_needed():
    model = MODELS.build(resnet()).eval()

    def fail(*_):
        raise RuntimeError('no kernel')

    model.head.register_forward_pre_hook(fail)
    images, taps = torch.rand(1, 3, 32, 32), Taps(model, ['stage4'])
    for _ in range(2):
        assert taps.read(model, images, stop_early=True)[1]['stage4'].shape == (1, 64, 1, 1)
    with pytest.raises(RuntimeError, match='no kernel'):
        taps.read(model, images)
    with pytest.raises(RuntimeError, match='no kernel'):
        Taps(model, ['logits']).read(model, images, stop_early=True)


def test_nothing_is_kept_between_passes():
    model = MODELS.build(classifier(8))
    taps = Taps(model, ['stage1'])
    model(torch.rand(1, 3, 32, 32))
    assert taps._reading is None


@pytest.mark.parametrize(('tokens', 'image', 'grid'), [
    (196, (224, 224), (14, 14)), (12, (48, 64), (3, 4)), (6, (33, 50), (2, 3)), (7, (16, 112), (1, 7))])
def test_token_grids(tokens, image, grid):
    assert token_grid(tokens, image) == grid


def test_tokens_that_are_no_rectangle():
    with pytest.raises(UserError, match='rectangle like the image of 224×224, got 197'):
        token_grid(197, (224, 224))


def test_unknown_options():
    with pytest.raises(UserError, match="@input or @all after its name, got 'stage1@last'"):
        Taps(MODELS.build(classifier(8)), ['stage1@last'])


def test_unknown_taps_list_the_nearest():
    model = MODELS.build(classifier(8))
    with pytest.raises(UserError, match=r"ImageClassifier has no tap 'stage5'. Did you mean stage\d"):
        Taps(model, ['stage5'])
    with pytest.raises(UserError, match='backbone.stages.1.0, '):
        Taps(model, ['backbone.stages.1.00'])


def normed() -> torch.nn.Module:
    return MODELS.build(dict(
        type='mmpretrain.ImageClassifier', backbone=dict(type='mmpretrain.ResNet', depth=18),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=7, in_channels=512))).eval()


@pytest.mark.parametrize('copied', [False, True])
def test_taps_follow_norms_that_are_converted(copied):
    names = ['backbone.layer1.0.bn1', 'backbone.layer4.1.bn2@input', 'stage4']
    both = torch.nn.ModuleDict(dict(model=normed()))
    both.taps = Taps(both['model'], names)
    image = torch.rand(1, 3, 64, 64)
    _, before = both.taps.read(both['model'], image)
    both = copy.deepcopy(both) if copied else both
    model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(both['model'])
    for _ in range(2):
        with unchanged_state(model):  # which takes away what is hooked to it meanwhile
            both.taps.read(model, image)
        _, after = both.taps.read(model, image)
        assert all(torch.equal(after[name], before[name]) for name in names)


def test_a_module_that_is_wrapped_is_read_once():
    model = normed()
    taps = Taps(model, ['backbone.layer1@all'])
    model.backbone.layer1 = torch.nn.Sequential(model.backbone.layer1, torch.nn.ReLU(), torch.nn.Hardtanh(0, .5))
    _, read = taps.read(model, torch.rand(1, 3, 64, 64))
    assert [value.max() <= .5 for value in read['backbone.layer1@all']] == [True]


def test_a_module_that_is_gone_and_one_that_did_not_run_are_named():
    model = normed()
    taps = Taps(model, ['backbone.layer4', 'backbone.layer3'])
    model.backbone.res_layers.remove('layer4')
    _, read = taps.read(model.backbone, torch.rand(1, 3, 64, 64))
    assert set(read) == {'backbone.layer3'}
    with pytest.raises(UserError, match="the tap 'backbone.layer4' expects its module to run in every forward pass"):
        read['backbone.layer4']
    del model.backbone.layer4
    with pytest.raises(UserError, match="'backbone.layer4' expects the ImageClassifier to keep its module"):
        taps.read(model.backbone, torch.rand(1, 3, 64, 64))
