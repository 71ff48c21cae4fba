"""CrossAttentionConnector against its formula."""
import pytest
import torch
import torch.nn.functional as F

from mmkd.connectors import CrossAttentionConnector
from mmkd.registry import MODELS
from mmkd.utils import UserError


def connector(**changes):
    torch.manual_seed(0)
    arguments = dict(student_channels=3, teacher_channels=8, student_size=(5, 4), teacher_size=(2, 3), num_heads=2)
    out = CrossAttentionConnector(**arguments | changes).double()
    for norm in (out.patchify[1], out.norm):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    return out


def student_map(batch=2, size=(5, 4)):
    return torch.randn(batch, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def closed_form(cap, student, queries, scale):
    """The formula, one sample, one head and one query at a time."""
    conv = F.conv2d(student, cap.patchify[0].weight, padding=1)
    mean, variance = conv.mean((0, 2, 3), keepdim=True), conv.var((0, 2, 3), keepdim=True, unbiased=False)
    weight, bias = (p[None, :, None, None] for p in (cap.patchify[1].weight, cap.patchify[1].bias))
    maps = torch.relu((conv - mean) / (variance + 1e-5).sqrt() * weight + bias) + cap.position
    outs = torch.zeros(len(student), 8, *queries.shape[2:], dtype=torch.float64)
    width = 8 // cap.num_heads
    for n in range(len(student)):
        tokens = torch.stack([maps[n, :, y, x] for y in range(maps.shape[2]) for x in range(maps.shape[3])])
        keys, values = (tokens @ part.T + b for part, b in zip(cap.key_value.weight.split(8),
                                                               cap.key_value.bias.split(8)))
        for y in range(queries.shape[2]):
            for x in range(queries.shape[3]):
                hidden = torch.relu(cap.query[0].weight @ queries[n, :, y, x] + cap.query[0].bias)
                query = cap.query[2].weight @ hidden + cap.query[2].bias
                heads = []
                for h in range(cap.num_heads):
                    part = slice(h * width, (h + 1) * width)
                    attention = (keys[:, part] @ query[part] * scale / width**0.5).exp()
                    heads.append(attention @ values[:, part] / attention.sum())
                out = cap.proj.weight @ torch.cat(heads) + cap.proj.bias
                out = (out - out.mean()) / (out.var(unbiased=False) + 1e-5).sqrt() * cap.norm.weight + cap.norm.bias
                ffn = cap.ffn[2].weight @ torch.relu(cap.ffn[0].weight @ out + cap.ffn[0].bias) + cap.ffn[2].bias
                outs[n, :, y, x] = out + ffn
    return outs


@pytest.mark.parametrize('scale', [5., 1.])
def test_closed_form(scale):
    cap, student = connector(softmax_scale=scale), student_map()
    expected = closed_form(cap, student, cap.queries.expand(2, -1, -1, -1), scale)
    torch.testing.assert_close(cap(student), expected, rtol=1e-9, atol=1e-12)


def test_closed_form_with_queries():
    cap, student = connector(learned_queries=False), student_map()
    queries = torch.randn(2, 8, 4, 2, dtype=torch.float64)
    out = cap(student, queries)
    assert out.shape == (2, 8, 4, 2)
    torch.testing.assert_close(out, closed_form(cap, student, queries, 5.), rtol=1e-9, atol=1e-12)
    with pytest.raises(UserError, match='expects queries in each call, got none'):
        cap(student)


def test_gradients():
    cap, student = connector(), student_map().requires_grad_()
    queries = torch.randn(2, 8, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cap, (student,))
    assert torch.autograd.gradcheck(cap, (student, queries))


@pytest.mark.parametrize('learned', [True, False])
def test_every_parameter_learns(learned):
    cap = MODELS.build(dict(type='mmkd.CrossAttentionConnector', student_channels=3, teacher_channels=8,
                            student_size=(5, 4), teacher_size=(2, 3), learned_queries=learned))
    out = cap(student_map().float(), None if learned else torch.randn(2, 8, 2, 3))
    (out * torch.randn(out.shape)).sum().backward()
    # A bias of the keys moves all logits of a query alike: the softmax does not see it.
    still = [name for name, p in cap.named_parameters() if not p.grad.abs().max() > 1e-9]
    assert not still
    assert cap.key_value.bias.grad[:8].abs().max() < 1e-5 < cap.key_value.bias.grad[8:].abs().max()


def test_other_sizes_of_maps():
    cap = connector().eval()
    student = student_map(size=(10, 8))
    assert cap(student).shape == (2, 8, 4, 6)  # in proportion
    assert cap(student, size=(3, 3)).shape == (2, 8, 3, 3)
    # A position embedding and queries that are the same everywhere stay so, whatever the size.
    with torch.no_grad():
        cap.position.copy_(torch.randn(1, 3, 1, 1).expand_as(cap.position))
        cap.queries.copy_(torch.randn(1, 8, 1, 1).expand_as(cap.queries))
    flat = torch.ones(1, 3, 1, 1, dtype=torch.float64)
    cap.patchify[0].weight.data[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0  # sees no border
    small, large = cap(flat.expand(1, 3, 5, 4)), cap(flat.expand(1, 3, 9, 7), size=(3, 5))
    torch.testing.assert_close(large, small[:, :, :1, :1].expand(1, 8, 3, 5))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('value', [1e4, -1e4, 0.])
def test_finite_at_extremes(dtype, value):
    cap = connector().float()
    student = torch.full((1, 3, 5, 4), value, dtype=dtype, requires_grad=True)
    cap(student).square().sum().backward()
    assert student.grad.isfinite().all() and all(p.grad.isfinite().all() for p in cap.parameters())


def test_heads_have_to_divide_the_width():
    with pytest.raises(UserError, match='num_heads to divide teacher_channels=8, got 3'):
        connector(num_heads=3)
