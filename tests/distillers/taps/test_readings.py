"""What a tap reads stays what the module returned."""
import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from mmkd.distillers import Taps
from mmkd.registry import MODELS as MMKD_MODELS
from mmkd.utils import UserError

from ..conftest import resnet


def returned(module: nn.Module, of_input: bool = False) -> list:
    """What a module returns, or takes, copied at once."""
    seen: list = []
    module.register_forward_hook(lambda _, x, y: None if of_input else seen.append(y.detach().clone()))
    module.register_forward_pre_hook(lambda _, x: seen.append(x[0].detach().clone()) if of_input else None)
    return seen


@pytest.mark.parametrize('tap', ['backbone.layer3.1.bn2', 'backbone.layer3.0.bn1', 'backbone.bn1',
                                 'backbone.layer2.0.conv1', 'backbone.layer3.1.relu@input', 'backbone.layer3.1'])
def test_later_changes_in_place_are_not_seen_on_either_side(twins, batch, tap):
    distiller = twins(tap)
    path, _, option = tap.partition('@')
    expected = returned(distiller.student.get_submodule(path), bool(option))
    data = distiller.eval().data_preprocessor(batch, True)
    for _ in range(2):
        _, student = distiller._student_taps.read(distiller.student, data['inputs'], data['data_samples'], mode='loss')
        teacher = distiller.teachers['teacher'](data['inputs'])
        torch.testing.assert_close(student[tap], expected[-1], rtol=0, atol=0)
        torch.testing.assert_close(teacher[tap], expected[-1], rtol=0, atol=0)
    assert distiller(**data, mode='loss')['loss_at'].item() == pytest.approx(0, abs=1e-10)


def test_gradients_are_those_of_the_unchanged_tensor(twins, batch):
    distiller = twins('backbone.layer3.1.bn2').train()
    data = distiller.data_preprocessor(batch, True)
    for model in (distiller.student, None):
        block = distiller.student.backbone.layer3[1]
        if model is None:  # the same without any change in place
            for module in distiller.student.modules():
                if isinstance(module, nn.ReLU):
                    module.inplace = False
            block.bn2.register_forward_hook(lambda *args: args[-1].clone())
        weight = block.conv1.weight
        _, read = distiller._student_taps.read(distiller.student, data['inputs'], data['data_samples'], mode='loss')
        value = read['backbone.layer3.1.bn2']
        gradient, = torch.autograd.grad(value.pow(3).sum(), weight)
        if model is not None:
            expected = gradient
    torch.testing.assert_close(gradient, expected)


def test_nothing_is_copied_where_nothing_changes():
    model = MODELS.build(resnet()).eval()
    taps = Taps(model, ['stage2', 'backbone.layer3.1.bn2'])
    returns: dict = {}
    for name in ('backbone.layer2', 'backbone.layer3.1.bn2'):
        model.get_submodule(name).register_forward_hook(
            lambda *args, name=name: returns.update({name: args[-1].data_ptr()}))
    for _ in range(2):
        _, read = taps.read(model, torch.rand(1, 3, 64, 64))
    assert read['stage2'].data_ptr() == returns['backbone.layer2']
    assert read['backbone.layer3.1.bn2'].data_ptr() != returns['backbone.layer3.1.bn2']


def test_gradients_are_equal_to_the_bit_with_and_without_a_copy():
    """Else a resumed run, whose first pass copies, would leave the path of the one that was not interrupted."""
    torch.manual_seed(0)
    model, images = MODELS.build(resnet()).eval(), torch.rand(4, 3, 64, 64)
    taps, gradients = Taps(model, ['stage1', 'stage2', 'backbone.layer3.1.bn2']), []
    for _ in range(3):
        logits, read = taps.read(model, images)
        loss = logits.square().sum() + sum(value.square().sum() for value in read.values())
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    assert all(torch.equal(first, later) for other in gradients[1:] for first, later in zip(gradients[0], other))


def test_inputs_of_modules_that_work_in_place_are_copied_and_the_model_is_left_alone():
    model = MODELS.build(resnet()).eval()
    taps = Taps(model, ['backbone.layer3.1.relu@input'])
    for _ in range(2):
        _, read = taps.read(model, torch.rand(1, 3, 64, 64))
        assert (read['backbone.layer3.1.relu@input'] < 0).any()
    assert model.backbone.layer3[1].relu.inplace


def test_images_that_the_student_changes_reach_the_teacher_as_they_were(twins, batch):
    distiller, seen = twins('stage3').eval(), []
    fresh = twins('stage3', resnet(width=16)).eval()
    for changing in (fresh.student, fresh.teachers['teacher'].model):
        changing.backbone.register_forward_pre_hook(lambda _, x: (seen.append(x[0].clone()), x[0].mul_(-1), None)[2])
    images = distiller.data_preprocessor(batch, False)['inputs']
    before = images.clone()
    taps = Taps(fresh.student, ['stage3'])
    for _ in range(2):
        taps.read(fresh.student, images)
        assert torch.equal(images, before) and torch.equal(seen[-1], before)


def test_a_change_in_some_passes_only_is_refused():
    model = MODELS.build(resnet()).eval()
    taps = Taps(model, ['stage2'])
    taps.read(model, torch.rand(1, 3, 64, 64))
    model.backbone.layer3.register_forward_pre_hook(lambda _, x: (x[0].add_(1), None)[1])
    with pytest.raises(UserError, match='in place always or never, got a change in this forward pass alone: stage2'):
        taps.read(model, torch.rand(1, 3, 64, 64))
    _, read = taps.read(model, torch.rand(1, 3, 96, 96))  # a first pass of its kind finds it
    assert torch.equal(read['stage2'] + 1, read['stage2'].add(1)) and 'stage2' in taps._changed


@torch.inference_mode()
def test_the_inference_mode_has_no_counters_so_all_is_copied():
    model = MODELS.build(resnet()).eval()
    taps, seen = Taps(model, ['backbone.layer3.1.bn2']), returned(model.backbone.layer3[1].bn2)
    for _ in range(2):
        _, read = taps.read(model, torch.rand(1, 3, 64, 64))
        assert torch.equal(read['backbone.layer3.1.bn2'], seen[-1])


@pytest.mark.parametrize('side', ['student', 'teacher'])
def test_a_loss_that_changes_its_taps_is_refused(build, side):
    @MMKD_MODELS.register_module(force=True)
    class Careless(nn.Module):
        def forward(self, student, teacher, target=None):
            dict(student=student, teacher=teacher)[side].div_(4)
            return (student - teacher).square().mean()

    terms = dict(careless=dict(loss=dict(type='mmkd.Careless'), student='logits', teacher='logits'))
    with pytest.raises(UserError, match="'careless' expects that its loss .* got a change in place of logits"):
        build(terms=terms)
