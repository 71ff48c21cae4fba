"""timm's ViT under mmpretrain's names, and ScaleKD's, which keeps a class token that it does not use."""
import pytest
import torch
from mmpretrain.models import ImageClassifier

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import load_strictly
from mmkd.zoo import load_weights
from mmkd.zoo.converters import convert, vit

ARCH = dict(embed_dims=12, num_layers=2, num_heads=3, feedforward_channels=48)


def classifier(head: str = 'VisionTransformerClsHead', neck: dict | None = None, **backbone) -> ImageClassifier:
    return ImageClassifier(
        backbone=dict(type='VisionTransformer', arch=ARCH, img_size=32, patch_size=8, **backbone), neck=neck,
        head=dict(type=head, in_channels=12, num_classes=7)).eval()


def wide(model: torch.nn.Module) -> torch.nn.Module:
    """Weights at which every part counts."""
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=.3)
    return model.eval()


@torch.no_grad()
def test_timm():
    timm = pytest.importorskip('timm.models.vision_transformer')
    torch.manual_seed(0)
    theirs = wide(timm.VisionTransformer(img_size=32, patch_size=8, embed_dim=12, depth=2, num_heads=3, num_classes=7))
    converted, family = convert(theirs.state_dict())
    assert family == 'vit' and not vit.matches(converted)
    ours = classifier()
    load_strictly(ours, converted, 'ViT')
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(images, mode='tensor'), theirs(images), rtol=0, atol=1e-5)


def test_names_of_others():
    timm = pytest.importorskip('timm.models.vision_transformer')
    weights = timm.VisionTransformer(img_size=32, patch_size=8, embed_dim=12, depth=1, num_heads=3).state_dict()
    assert not vit.matches(weights | dict(dist_token=torch.ones(1)))
    for name in ('blocks.0.attn.q_norm.weight', 'blocks.0.ls1.gamma', 'fc_norm.weight'):
        with pytest.raises(UserError, match=f"VisionTransformer, got '{name}'"):
            vit.convert(weights | {name: torch.ones(1)})


@torch.no_grad()
@pytest.mark.parametrize(('out_type', 'neck'), [('featmap', dict(type='GlobalAveragePooling')), ('avg_featmap', None)])
def test_a_class_token_that_the_model_has_none_of(out_type, neck, tmp_path):
    torch.manual_seed(0)
    model = wide(classifier('LinearClsHead', neck, with_cls_token=False, out_type=out_type))
    own = model.state_dict()
    published = own | {'backbone.cls_token': torch.randn(1, 1, 12), 'backbone.pos_embed': torch.cat(
        [torch.randn(1, 1, 12), own['backbone.pos_embed']], dim=1)}
    torch.save(dict(state_dict={f'student.{name}': value for name, value in published.items()}), tmp_path / 'vit.pth')
    weights = load_weights(str(tmp_path / 'vit.pth'), own)
    other = classifier('LinearClsHead', neck, with_cls_token=False, out_type=out_type)
    load_strictly(other, weights, 'ViT')
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(other(images, mode='tensor'), model(images, mode='tensor'))
    assert load_weights(str(tmp_path / 'vit.pth'), published).keys() == published.keys()
