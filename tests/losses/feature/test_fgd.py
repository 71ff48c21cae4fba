"""FGDLoss against the closed form."""
import pytest
import torch

from mmkd.losses import FGDLoss
from mmkd.losses.boxes import box_masks
from mmkd.utils import UserError

from ..segmentation import with_boxes

BOXES = [[1, 1, 9, 5], [3, 2, 5, 4]], [], [[0, 0, 16, 16]]


def maps(*shape):
    return torch.randn(2, *shape, dtype=torch.float64) * 2


def trained(loss, seed=0):
    """Weights other than the zeros of the beginning."""
    torch.manual_seed(seed)
    for parameter in loss.parameters():
        torch.nn.init.normal_(parameter)
    return loss.double()


def attention(values, temperature):
    weights = (values / temperature).exp()
    return len(values) * weights / weights.sum()


def relation(block, image):
    """What a global context block makes of one image (C, H, W)."""
    flat = image.flatten(1)  # (C, H·W)
    mask = block.mask.weight.flatten() @ flat + block.mask.bias
    context = flat @ (mask.exp() / mask.exp().sum())
    first, norm, _, last = block.transform
    hidden = first.weight[:, :, 0, 0] @ context + first.bias
    hidden = (hidden - hidden.mean()) / (hidden.var(unbiased=False) + 1e-5).sqrt()
    hidden = (hidden * norm.weight.flatten() + norm.bias.flatten()).clamp(min=0)
    return image + (last.weight[:, :, 0, 0] @ hidden + last.bias)[:, None, None]


def closed_form(loss, student, teacher, boxes, level=0):
    foregrounds, backgrounds = box_masks(loss, with_boxes(*boxes), teacher)
    total = 0
    for s, t, foreground, background in zip(student, teacher, foregrounds, backgrounds):
        attentions = [(attention(x.abs().mean(0).flatten(), loss.temperature).reshape(x.shape[1:]),
                       attention(x.abs().mean((1, 2)), loss.temperature)) for x in (s, t)]
        (s_spatial, s_channel), (t_spatial, t_channel) = attentions
        squared = (s - t)**2 * t_spatial * t_channel[:, None, None]
        total += loss.alpha * (squared * foreground).sum() + loss.beta * (squared * background).sum()
        total += loss.gamma * ((s_spatial - t_spatial).abs().sum() + (s_channel - t_channel).abs().sum())
        relations = relation(loss.student_relations[level], s) - relation(loss.teacher_relations[level], t)
        total += loss.lambda_ * (relations**2).sum()
    return total / len(student)


@pytest.mark.parametrize('arguments', [
    {}, dict(temperature=0.8, alpha=0.3, beta=0.2, gamma=0.1, lambda_=0.05),
    dict(alpha=1., beta=0., gamma=0., lambda_=0.), dict(alpha=0., beta=1., gamma=0., lambda_=0.),
    dict(alpha=0., beta=0., gamma=1., lambda_=0.), dict(alpha=0., beta=0., gamma=0., lambda_=1.)])
def test_closed_form(arguments):
    student, teacher = maps(3, 6, 8, 8)
    loss = trained(FGDLoss(6, **arguments))
    found = loss(student, teacher, data_samples=with_boxes(*BOXES))
    torch.testing.assert_close(found, closed_form(loss, student, teacher, BOXES), rtol=1e-9, atol=0)


def test_levels_are_summed():
    (s1, t1), (s2, t2) = maps(3, 6, 8, 8), maps(3, 4, 4, 2)
    loss = trained(FGDLoss([6, 4]))
    expected = closed_form(loss, s1, t1, BOXES) + closed_form(loss, s2, t2, BOXES, level=1)
    torch.testing.assert_close(loss([s1, s2], [t1, t2], data_samples=with_boxes(*BOXES)), expected, rtol=1e-9, atol=0)
    with pytest.raises(UserError, match='teacher_channels, which are 2, got 1. Name as many taps'):
        loss(s1, t1, data_samples=with_boxes(*BOXES))


def test_at_the_start_nothing_is_added_to_the_maps():
    loss, (student, teacher) = FGDLoss(6, lambda_=1., alpha=0., beta=0., gamma=0.).double(), maps(2, 6, 4, 4)
    expected = ((student - teacher)**2).sum() / 2
    torch.testing.assert_close(loss(student, teacher, data_samples=with_boxes([], [])), expected)
    assert loss(student, student, data_samples=with_boxes([], [])) == 0


def test_gradients_go_to_the_student_and_to_both_relations():
    loss, (student, teacher) = trained(FGDLoss(4)), maps(2, 4, 4, 3)
    samples = with_boxes([[1, 1, 9, 5]], [])
    student.requires_grad_()
    teacher.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher, data_samples=samples), student)
    loss(student, teacher, data_samples=samples).backward()
    assert teacher.grad is None
    gradients = {name: parameter.grad for name, parameter in loss.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert gradients['teacher_relations.0.transform.3.weight'].any()
    off = trained(FGDLoss(4, lambda_=0.))
    off(student, teacher, data_samples=samples).backward()
    assert all(parameter.grad is not None for parameter in off.parameters())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize('boxes', [[], [[0, 0, 16, 16]], [[3, 3, 3, 3]]])
def test_finite_at_extremes(dtype, boxes):
    student = torch.zeros(1, 4, 4, 4)
    student[0, 0, 0, 0], student[0, 1] = 1e4, -1e4
    teacher, student = student.flip(2).to(dtype), student.to(dtype).requires_grad_()
    loss = FGDLoss(4)
    value = loss(student, teacher, data_samples=with_boxes(boxes, dtype=torch.float32))
    value.backward()
    assert value.dtype == torch.float32 and value.isfinite() and student.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in loss.parameters())


def test_boxes_of_mmdets_own_kind():
    from mmdet.structures.bbox import HorizontalBoxes
    samples, (student, teacher) = with_boxes(*BOXES), maps(3, 6, 8, 8)
    loss = trained(FGDLoss(6))
    expected = loss(student, teacher, data_samples=samples)
    for sample in samples:
        sample.gt_instances.bboxes = HorizontalBoxes(sample.gt_instances.bboxes)
    assert loss(student, teacher, data_samples=samples) == expected


def test_errors():
    loss, maps_ = FGDLoss(4), torch.zeros(2, 4, 4, 4)
    with pytest.raises(UserError, match='FGDLoss expects the boxes of the images'):
        loss(maps_, maps_)
    with pytest.raises(UserError, match='levels of the same stride'):
        loss(maps_, torch.zeros(2, 4, 2, 2), data_samples=with_boxes([], []))
    with pytest.raises(UserError, match='ConvConnector'):
        loss(maps_, torch.zeros(2, 8, 4, 4), data_samples=with_boxes([], []))
