"""AttentionFusionConnector against its formula."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.connectors import AttentionFusionConnector
from mmkd.utils import UserError

SIZES = [(9, 13), (5, 6), (2, 3)]


def students(widths=(4, 6, 8), sizes=SIZES):
    return [torch.randn(2, c, *size, dtype=torch.float64, requires_grad=True) for c, size in zip(widths, sizes)]


def batch_norm(features):
    mean, variance = features.mean((0, 2, 3), keepdim=True), features.var((0, 2, 3), unbiased=False, keepdim=True)
    return (features - mean) / (variance + 1e-5).sqrt()


def nearest(features, size):
    """Picks the rows and columns whose share of the way is next below."""
    (h, w), (height, width) = features.shape[2:], size
    rows = [row * h // height for row in range(height)]
    columns = [column * w // width for column in range(width)]
    return features[:, :, rows][:, :, :, columns]


def formula(connector, maps, sizes):
    residual, outputs = None, []
    for i in reversed(range(len(maps))):
        stage = connector.stages[i]
        x = batch_norm(torch.einsum('oi,nihw->nohw', stage.reduce[0].weight[:, :, 0, 0], maps[i]))
        if residual is not None:
            above = nearest(residual, x.shape[2:])
            both = torch.cat([x, above], 1)
            a, b = (1 / (1 + torch.exp(-(torch.einsum('i,nihw->nhw', stage.attention.weight[k, :, 0, 0], both)
                                         + stage.attention.bias[k]))) for k in (0, 1))
            x = a[:, None] * x + b[:, None] * above
        residual = nearest(x, sizes[i])
        outputs.insert(0, batch_norm(F.conv2d(residual, stage.expand[0].weight, padding=1)))
    return outputs


@pytest.mark.parametrize('teacher_size', [None, SIZES, [(10, 12), (5, 6), (3, 3)], [(4, 4), (7, 7), (2, 2)]])
def test_formula_and_order(teacher_size):
    maps = students()
    connector = AttentionFusionConnector([4, 6, 8], [5, 7, 9], teacher_size).double()
    outputs = connector(maps)
    sizes = teacher_size or SIZES
    assert [tuple(o.shape) for o in outputs] == [(2, c, *size) for c, size in zip((5, 7, 9), sizes)]
    for output, expected in zip(outputs, formula(connector, maps, sizes)):
        torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-12)


def test_everything_gets_a_gradient_and_shallow_stages_review_deep_ones():
    maps = students()
    connector = AttentionFusionConnector([4, 6, 8], [5, 7, 9]).double()
    outputs = connector(maps)
    shallow, deep = (torch.autograd.grad(o.pow(3).sum(), maps, retain_graph=True, allow_unused=True)
                     for o in (outputs[0], outputs[2]))
    assert all(g.abs().sum() > 0 for g in shallow)
    assert deep[0] is deep[1] is None and deep[2].abs().sum() > 0
    sum(o.pow(3).sum() for o in outputs).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in connector.parameters())


def test_pooled_features_are_the_deepest_stage():
    maps = [*students((4, 6), SIZES[:2]), torch.randn(2, 6).double()]
    connector = AttentionFusionConnector([4, 6, 6], [5, 7, 7], [*SIZES[:2], None], [*SIZES[:2], None]).double()
    assert [tuple(o.shape[1:]) for o in connector(maps)] == [(5, 9, 13), (7, 5, 6), (7, 1, 1)]


def test_other_images_are_resized_by_the_same_ratio():
    connector = AttentionFusionConnector([4, 6], [5, 7], [(8, 8), (2, 2)], student_size=[[8, 8], (4, 4)]).double()
    maps = students((4, 6), [(12, 12), (6, 6)])
    assert [tuple(o.shape[2:]) for o in connector(maps)] == [(12, 12), (3, 3)]
    sizes = [(11, 11), (4, 3)]  # the teacher's, where they are known
    assert [tuple(o.shape[2:]) for o in connector(maps, sizes)] == sizes


@pytest.mark.parametrize(('width', 'given', 'expected'), [(8, None, 8), (600, None, 512), (600, 16, 16)])
def test_middle_width(width, given, expected):
    connector = AttentionFusionConnector([4, width], [5, 7], mid_channels=given)
    assert {stage.reduce[0].out_channels for stage in connector.stages} == {expected}
    assert connector.joint


def test_what_does_not_fit():
    with pytest.raises(UserError, match='its 2 student widths, got 1 widths and 2 sizes'):
        AttentionFusionConnector([4, 6], [5])
    with pytest.raises(UserError, match='its 2 student widths, got 2 widths and 1 sizes'):
        AttentionFusionConnector([4, 6], [5, 7], [(4, 4)])
    with pytest.raises(UserError, match='expects 3 maps'):
        AttentionFusionConnector([4, 6, 8], [5, 7, 9])(students()[:2])
