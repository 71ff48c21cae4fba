"""ScaleKDLoss against the paper's equations, with the cosine transform written out."""
import copy
import math

import pytest
import torch
from torch import nn

from mmkd.losses import ScaleKDLoss
from mmkd.registry import MODELS
from mmkd.utils import UserError

STUDENT, TEACHER = [(3, 6, 5), (5, 3, 2)], [(4, 4, 6), (8, 2, 3)]
LAST_STAGE = nn.Conv2d(4, 8, 2, stride=2).double().requires_grad_(False)


def build(tpp=True, **changes):
    torch.manual_seed(0)
    arguments = dict(num_heads=2, tpp=tpp)
    for role, shapes in (('student', STUDENT), ('teacher', TEACHER)):
        shapes = shapes if tpp else shapes[1:]
        arguments |= {f'{role}_channels': [c for c, *_ in shapes], f'{role}_size': [size for _, *size in shapes]}
    loss = MODELS.build(dict(type='mmkd.ScaleKDLoss', **arguments | changes)).double()
    if tpp:
        loss.bind(teacher_last_stage=lambda maps: LAST_STAGE.to(maps.dtype)(maps))
    return loss


def maps(tpp=True, batch=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    draw = [torch.randn(batch, *shape, dtype=torch.float64, generator=generator) for shape in (*STUDENT, *TEACHER)]
    return (draw[:2], draw[2:]) if tpp else (draw[1], draw[3])


def transform(size):
    """The orthonormal DCT-II."""
    k, n = torch.arange(size).double()[:, None], torch.arange(size).double()
    matrix = torch.cos(math.pi * k * (2 * n + 1) / (2 * size)) * (2 / size)**0.5
    matrix[0] /= 2**0.5
    return matrix


def without_direct_component(maps):
    rows, columns = transform(maps.shape[2]), transform(maps.shape[3])
    spectrum = rows @ maps @ columns.T
    spectrum[:, :, 0, 0] = 0
    return rows.T @ spectrum @ columns


def distance(a, b):
    a, b = (x / x.pow(2).sum(1, keepdim=True).sqrt() for x in (a, b))
    return (a - b).pow(2).sum((1, 2, 3)).mean()


def both_views(first, second, goal, beta=0.6):
    return beta * distance(first, goal) + (1 - beta) * distance(
        without_direct_component(second), without_direct_component(goal))


def test_cap_alone():
    loss, (student, teacher) = build(tpp=False, dfm=False), maps(tpp=False)
    expected = distance(loss.projectors[0][0](student), teacher)
    torch.testing.assert_close(loss(student, teacher), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize('beta', [0.6, 0.])
def test_dual_view_feature_mimicking(beta):
    loss, (student, teacher) = build(tpp=False, beta=beta), maps(tpp=False)
    first, second = (project(student) for project in loss.projectors[0])
    expected = both_views(first, second, teacher, beta)
    torch.testing.assert_close(loss(student, teacher), expected, rtol=1e-9, atol=0)


def test_the_direct_component_alone_in_the_first_view():
    loss, (student, teacher) = build(tpp=False, first_view='direct'), maps(tpp=False)
    first, second = (project(student) for project in loss.projectors[0])
    direct = [x - without_direct_component(x) for x in (first, teacher)]
    expected = 0.6 * distance(*direct) + 0.4 * distance(*map(without_direct_component, (second, teacher)))
    torch.testing.assert_close(loss(student, teacher), expected, rtol=1e-9, atol=0)
    with pytest.raises(UserError, match='first_view'):
        build(first_view='alternative')


@pytest.mark.parametrize('adaptive', [True, False])
def test_teacher_parameter_perception(adaptive):
    loss, (students, teachers) = build(dfm=False, adaptive_queries=adaptive), maps()
    proxy = LAST_STAGE(loss.projectors[0][0](students[0]))
    output = loss.projectors[1][0](students[1], proxy if adaptive else None)
    expected = distance(proxy, teachers[1]) + distance(output, teachers[1])
    torch.testing.assert_close(loss(students, teachers), expected, rtol=1e-9, atol=0)


def test_all_together():
    loss, (students, teachers) = build(), maps()
    proxies = [LAST_STAGE(project(students[0])) for project in loss.projectors[0]]
    outputs = [project(students[1], proxy) for project, proxy in zip(loss.projectors[1], proxies)]
    expected = both_views(*proxies, teachers[1]) + both_views(*outputs, teachers[1])
    torch.testing.assert_close(loss(students, teachers), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize('projector', ['linear', 'conv'])
@pytest.mark.parametrize('tpp', [False, True])
def test_other_projectors(projector, tpp):
    loss, (student, teacher) = build(projector=projector, tpp=tpp, dfm=False), maps(tpp)
    assert sum(isinstance(module, nn.Conv2d) for module in loss.modules()) == (1 + tpp) * (1 + (projector == 'conv'))
    layers = loss.projectors[-1][0].layers
    last, goal = (student[1], teacher[1]) if tpp else (student, teacher)
    expected = distance(layers(nn.functional.interpolate(last, (2, 3), mode='bilinear')), goal)
    if tpp:
        first = nn.functional.interpolate(student[0], (4, 6), mode='bilinear')
        expected = expected + distance(LAST_STAGE(loss.projectors[0][0].layers(first)), goal)
    torch.testing.assert_close(loss(student, teacher), expected, rtol=1e-9, atol=0)


def test_zero_for_the_teachers_own_map():
    loss, (student, teacher) = build(tpp=False), maps(tpp=False)
    loss.projectors[0] = nn.ModuleList(_Give(teacher * scale) for scale in (2., 0.5))
    torch.testing.assert_close(loss(student, teacher), torch.tensor(0.).double())
    loss.projectors[0][0] = _Give(-teacher)  # 2² at each of 2×3 positions
    torch.testing.assert_close(loss(student, teacher), torch.tensor(0.6 * 4 * 6).double())
    loss.projectors[0][1] = _Give(teacher + 100 * torch.randn(3, 8, 1, 1))  # the second view does not see it
    torch.testing.assert_close(loss(student, teacher), torch.tensor(0.6 * 4 * 6).double())


class _Give(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, *args):
        return self.value


def test_gradients():
    loss, (students, teachers) = build(), maps(batch=2)
    assert torch.autograd.gradcheck(lambda a, b: loss([a, b], teachers), [s.requires_grad_() for s in students],
                                    fast_mode=True)
    for teacher in teachers:
        teacher.requires_grad_()
    loss(students, teachers).backward()
    assert all(t.grad is None for t in teachers) and all(p.grad is None for p in LAST_STAGE.parameters())


@pytest.mark.parametrize('projector', ['cross_attention', 'linear', 'conv'])
@pytest.mark.parametrize('dfm', [True, False])
@pytest.mark.parametrize('tpp', [True, False])
def test_every_parameter_gets_a_gradient_in_every_step(projector, dfm, tpp):
    loss = build(projector=projector, dfm=dfm, tpp=tpp)
    loss(*maps(tpp)).backward()
    assert all(p.grad is not None for p in loss.parameters())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('value', [1e4, -1e4, 0.])
@pytest.mark.parametrize('tpp', [True, False])
def test_finite_at_extremes(dtype, value, tpp):
    loss = build(tpp).float()
    student = [torch.full((1, *shape), value, dtype=dtype, requires_grad=True) for shape in STUDENT]
    for other in (1e4, 0.):
        teacher = [torch.full((1, *shape), other, dtype=dtype) for shape in TEACHER]
        out = loss(student, teacher) if tpp else loss(student[1], teacher[1])
        out.backward()
        assert out.isfinite() and student[1].grad.isfinite().all()
        assert all(p.grad.isfinite().all() for p in loss.parameters())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision_for_the_networks_only(dtype):
    loss, (student, teacher) = build(tpp=False).float(), (item.float() for item in maps(tpp=False))
    outputs, inside = [], []
    for project in loss.projectors[0]:
        project.register_forward_hook(lambda module, args, out: outputs.append(out))
        project.ffn.register_forward_hook(lambda module, args, out: inside.append(out.dtype))
    with torch.autocast('cpu', dtype):
        out = loss(student.to(dtype), teacher)
    assert inside == [dtype] * 2 and out.dtype == torch.float32
    expected = both_views(*(output.double() for output in outputs), teacher.double())
    torch.testing.assert_close(out.double(), expected, rtol=1e-6, atol=0)


def test_checkpointing_changes_no_number():
    plain, saving = build(), build(with_cp=True)
    students, teachers = maps()
    for loss in (plain, saving):
        loss(students, teachers).backward()
    for a, b in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-12)
    for a, b in zip(plain.buffers(), saving.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def test_other_sizes_than_built_for():
    loss = build()
    students = [torch.randn(1, 3, 12, 15).double(), torch.randn(1, 5, 6, 7).double()]
    assert loss(students, [torch.randn(1, 4, 8, 10).double(), torch.randn(1, 8, 4, 5).double()]).isfinite()


def test_the_teacher_is_in_no_copy_and_no_state():
    loss = build()
    assert copy.deepcopy(loss)._last_stage is loss._last_stage
    assert not [name for name in loss.state_dict() if 'last_stage' in name]


def test_wrong_use_is_an_error():
    with pytest.raises(UserError, match='one of cross_attention, linear, conv, got .mlp.'):
        build(projector='mlp')
    with pytest.raises(UserError, match='2 taps of the student with tpp=True, got 1'):
        ScaleKDLoss(3, [4, 8], (5, 4), [(4, 4), (2, 2)])
    with pytest.raises(UserError, match='1 tap of the teacher with tpp=False, got 2'):
        build(tpp=False)(maps()[0][1], maps()[1])
    with pytest.raises(UserError, match=r"the teacher's last stage with tpp=True, got none"):
        loss = build()
        loss.bind(None)
        loss(*maps())
    with pytest.raises(UserError, match=r'\(3, 8, 2, 3\), got \(3, 4, 4, 6\)'):
        loss.bind(lambda maps: maps)
        loss(*maps())
    with pytest.raises(UserError, match=r'student maps \(N, C, H, W\), got \(3, 40\)'):
        build(tpp=False)(torch.zeros(3, 40), maps()[1][1])


def test_any_teacher_without_tpp():
    assert build().teacher_parts == ('last_stage', ) and build(tpp=False).teacher_parts == ()
