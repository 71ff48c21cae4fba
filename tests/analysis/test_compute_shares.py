"""Shares of token mixing beside the paper's closed form and counts by hand."""
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from torch import nn
from torch.nn import functional as F

from mmkd.analysis.complexity import count_layers
from mmkd.analysis.compute_shares import CHANNEL, HEAD, OTHER, RESOLUTION, TOKEN, closed_form, compute_shares
from mmkd.backbones.convnest import ConvNeStBlock
from mmkd.distillers.models import load_model_config, student_config
from mmkd.utils import UserError


@pytest.mark.parametrize(('width', 'ratio', 'kernel'), [(48, 12, 7), (20, 4, 3), (56, 6, 5)])
def test_the_closed_form_is_the_count_of_a_block(width, ratio, kernel):
    shares = compute_shares(ConvNeStBlock(width, ratio, kernel), (width, 6, 5))
    cost = 2 * ratio * width**2 + kernel**2 * ratio * width
    assert shares.params[TOKEN] + shares.params[CHANNEL] == cost
    assert shares.of_blocks('params') == pytest.approx(closed_form(cost, ratio, kernel), rel=1e-12)
    assert shares.of_blocks('flops') == pytest.approx(closed_form(30 * cost, ratio, kernel, 30), rel=1e-12)


def test_the_papers_curve():
    values = [closed_form(1e6, ratio, 3) for ratio in (4, 8, 12, 16)]
    assert values == sorted(values)  # "exhibits an upward trend"
    assert values[2] == pytest.approx(2 / (1 + (1 + 8e6 / (81 * 12))**0.5))
    with pytest.raises(UserError, match='expects positive numbers'):
        closed_form(1e6, 0, 3)


def build(name: str) -> nn.Module:
    init_default_scope('mmpretrain')
    return MODELS.build(student_config(load_model_config(name)).model)


def test_of_a_convnest():
    model = build('quickstart/convnest-mini_digits-5shot.py')
    shares = compute_shares(model, (3, 32, 32))
    depthwise = sum(p.numel() for name, p in model.named_parameters() if name.endswith('depthwise_conv.weight'))
    assert shares.params[TOKEN] == depthwise and shares.params[HEAD] == model.head.fc.weight.numel()
    assert shares.params[RESOLUTION] == sum(p.numel() for name, p in model.named_parameters()
                                            if 'downsample' in name and p.dim() == 4)
    assert sum(shares.params.values()) == sum(p.numel() for p in model.parameters())
    assert shares.flops[OTHER] == 0 and 0 < shares.of_all('flops') < shares.of_blocks('flops') < 1


def test_of_a_transformer_with_the_products_of_attention():
    timm = pytest.importorskip('timm')
    shares = compute_shares(timm.create_model('vit_tiny_patch16_224', img_size=64, depth=1, num_classes=3), (3, 64, 64))
    width, tokens = 192, 17
    assert shares.params[TOKEN] == 4 * width**2 and shares.params[CHANNEL] == 8 * width**2
    assert shares.flops[TOKEN] == 4 * width**2 * tokens + 2 * tokens**2 * width
    assert shares.flops[CHANNEL] == 8 * width**2 * tokens and shares.params[HEAD] == 3 * width
    assert shares.params[RESOLUTION] == 3 * 16**2 * width


@pytest.mark.parametrize(('name', 'token', 'channel'), [
    ('swin_tiny_patch4_window7_224', 'layers.0.blocks.0.attn.qkv.weight', 'layers.0.blocks.0.mlp.fc1.weight'),
    ('mixer_s32_224', 'blocks.0.mlp_tokens.fc1.weight', 'blocks.0.mlp_channels.fc1.weight'),
    ('resnet18', 'layer1.0.conv1.weight', None)])
def test_of_other_networks(name, token, channel):
    timm = pytest.importorskip('timm')
    shares = compute_shares(timm.create_model(name), (3, 224, 224))
    assert shares.kinds[token] == TOKEN and (channel is None or shares.kinds[channel] == CHANNEL)
    assert shares.flops[HEAD] > 0 and shares.flops[RESOLUTION] > 0
    if 'swin' in name:
        assert shares.kinds['layers.1.downsample.reduction.weight'] == RESOLUTION


def test_of_a_detector():
    pytest.importorskip('mmdet')
    shares = compute_shares(build('quickstart/mask-rcnn_convnest-mini_digits.py'), (3, 64, 64))
    assert shares.kinds['rpn_head.rpn_conv.weight'] == HEAD and shares.params[TOKEN] > 0


class Products(nn.Module):
    """Each way of multiplying two activations, by hand."""

    def forward(self, x):  # (2, 3, 5)
        y = x @ x.transpose(1, 2)  # 2·3·3·5
        y = torch.matmul(y, x) + torch.bmm(y, x)  # 2 × 2·3·3·5
        y = y.unsqueeze(1)
        return F.scaled_dot_product_attention(y, y, y), torch.matmul(x, x[0, 0])  # 2 × 2·3·3·5, 2·3·5


def test_products_of_activations():
    counter = count_layers(nn.Sequential(nn.Linear(5, 5), Products()), (3, 5))
    assert counter.products == (90 * 5 + 30) // 2  # one image
    attention = count_layers(Wrapped(), (7, 8))
    assert attention.products == 2 * 7 * 7 * 8


class Wrapped(nn.Module):
    """Self-attention of PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


def test_a_layer_that_the_user_names():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    assert compute_shares(net, (3, 8, 8)).params[TOKEN] == 0
    assert compute_shares(net, (3, 8, 8), '^1$').params[TOKEN] == 16
    with pytest.raises(UserError, match='--token-mixing expects a regular expression'):
        compute_shares(net, (3, 8, 8), '(')
    with pytest.raises(UserError, match='has none that are counted'):
        compute_shares(nn.ReLU(), (3, 8, 8))
