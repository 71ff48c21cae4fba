"""DiffKDLoss against a separately written one."""
import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmkd.losses import DiffKDLoss
from mmkd.utils import UserError


def alpha_bar(step, steps=1000):
    """The share of the signal's variance that is left after a step, as a plain product; 1 before the first."""
    product = 1.
    for i in range(step + 1):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * i / (steps - 1))
    return product


class Reference:
    """The formulas on the loss's weights, with batch statistics in every norm."""

    def __init__(self, loss, is_map):
        self.weights = {name: value.detach() for name, value in loss.named_parameters()}
        self.is_map = is_map

    def conv(self, name, x):
        weight = self.weights[f'{name}.weight']
        return F.conv2d(x, weight, self.weights[f'{name}.bias'], padding=weight.shape[-1] // 2)

    def conv_norm(self, name, first, x):
        x = self.conv(f'{name}.{first}', x)
        x = x - x.mean((0, 2, 3), keepdim=True)
        x = x / (x.pow(2).mean((0, 2, 3), keepdim=True) + 1e-5).sqrt()
        scale, shift = (self.weights[f'{name}.{first + 1}.{part}'][:, None, None] for part in ('weight', 'bias'))
        return x * scale + shift

    def bottleneck(self, name, x):
        inner = self.conv_norm(f'{name}.block', 0, x).clamp(min=0)
        inner = self.conv_norm(f'{name}.block', 3, inner).clamp(min=0)
        return x + self.conv_norm(f'{name}.block', 6, inner)

    def two_layers(self, name, first, x):
        return self.conv_norm(name, first + 3, self.conv_norm(name, first, x).clamp(min=0))

    def share(self, x):
        name = 'noise_adapter.body'
        x = self.bottleneck(name, x) if self.is_map else self.two_layers(name, 0, x)
        logits = F.linear(x.mean((2, 3)), self.weights['noise_adapter.share.weight'],
                          self.weights['noise_adapter.share.bias'])
        return torch.sigmoid(logits[:, 0] - logits[:, 1])

    def noise(self, x, steps):
        name = 'denoiser.body'
        x = x + self.weights['denoiser.time.weight'][steps][:, :, None, None]
        if self.is_map:
            return self.conv_norm(name, 2, self.bottleneck(f'{name}.1', self.bottleneck(f'{name}.0', x)))
        x = self.two_layers(name, 0, x)
        return self.conv(f'{name}.8', self.conv_norm(name, 5, x).clamp(min=0))

    def denoised(self, student, noise):
        share = self.share(student).view(-1, 1, 1, 1)
        x = share * student + (1 - share) * noise
        for step, previous in ((400, 300), (300, 200), (200, 100), (100, 0), (0, -1)):
            a, b = alpha_bar(step), alpha_bar(previous)
            predicted = self.noise(x, torch.full((len(x),), step))
            x = b**0.5 * (x - (1 - a)**0.5 * predicted) / a**0.5 + (1 - b)**0.5 * predicted
        return x

    def parts(self, student, teacher, temperature=1.):
        """Distance, diffusion and auto-encoder, with noise and steps from torch's generator."""
        student, code, reconstruction = self.conv('projector', student), teacher, 0.
        if 'decoder.weight' in self.weights:
            code = self.conv_norm('encoder', 0, teacher)
            reconstruction = (self.conv('decoder', code) - teacher).pow(2).mean()
        refined = self.conv_norm('output', 0, self.denoised(student, torch.randn(student.shape, dtype=student.dtype)))
        noise = torch.randn(code.shape, dtype=code.dtype)
        steps = torch.randint(1000, (len(code),))
        a = torch.tensor([alpha_bar(step) for step in steps.tolist()]).to(code).view(-1, 1, 1, 1)
        diffusion = (self.noise(a.sqrt() * code + (1 - a).sqrt() * noise, steps) - noise).pow(2).mean()
        if self.is_map:
            return (refined - code).pow(2).mean(), diffusion, reconstruction
        p, q = ((x.flatten(1) / temperature).softmax(1) for x in (code, refined))
        return temperature**2 * (p * (p / q).log()).sum(1).mean(), diffusion, reconstruction


def feature_loss(autoencoder=None, **options):
    return randomised(DiffKDLoss(6, 16, (4, 3), autoencoder_channels=autoencoder, **options))


def logit_loss(classes=5, **options):
    return randomised(DiffKDLoss(classes, classes, (1, 1), **options))


def randomised(loss):
    """Weights of the norms away from 1 and 0, so that none of them can be forgotten."""
    for module in loss.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return loss.double()


def maps(samples=3):
    return torch.randn(samples, 6, 4, 3).double() * 2, torch.randn(samples, 16, 4, 3).double() * 2


def logits(samples=4, classes=5):
    return tuple(torch.randn(2, samples, classes).double() * 2)


def seeded(function, *args, seed=7):
    torch.manual_seed(seed)
    return function(*args)


@pytest.mark.parametrize('autoencoder', [None, 8])
def test_maps(autoencoder):
    student, teacher = maps()
    loss = feature_loss(autoencoder, diffusion_weight=0.7, autoencoder_weight=0.3)
    distance, diffusion, reconstruction = seeded(Reference(loss, True).parts, student, teacher)
    torch.testing.assert_close(seeded(loss, student, teacher), distance + 0.7 * diffusion + 0.3 * reconstruction,
                               rtol=1e-9, atol=0)
    assert (reconstruction > 0.1) == bool(autoencoder)


@pytest.mark.parametrize('temperature', [1., 3.])
def test_logits(temperature):
    student, teacher = logits()
    loss = logit_loss(temperature=temperature)
    expected = seeded(Reference(loss, False).parts, student[..., None, None], teacher[..., None, None], temperature)
    torch.testing.assert_close(seeded(loss, student, teacher), sum(expected), rtol=1e-9, atol=0)


def test_ddim_gives_back_what_the_noise_was_added_to():
    """With the true noise predicted, every step lands on the path and the last one on the clean sample."""
    loss = feature_loss()
    clean, noise = torch.randn(2, 2, 16, 4, 3).double()
    start = alpha_bar(400)
    seen = []

    class Share(nn.Module):
        def forward(self, sample):
            return torch.ones(len(sample), dtype=sample.dtype)

    class Oracle(nn.Module):
        def forward(self, sample, steps):
            seen.append(steps.tolist())
            a = alpha_bar(steps[0].item())
            torch.testing.assert_close(sample, a**0.5 * clean + (1 - a)**0.5 * noise)
            return noise

    loss.noise_adapter, loss.denoiser = Share(), Oracle()
    result = loss._denoise(start**0.5 * clean + (1 - start)**0.5 * noise)
    torch.testing.assert_close(result, clean, rtol=1e-9, atol=1e-12)
    assert seen == [[400, 400], [300, 300], [200, 200], [100, 100], [0, 0]]


def test_the_schedule_is_copied_to_the_device_once():
    class Conversions(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.count += function is torch.ops.aten._to_copy.default and args[0].dtype == torch.float64
            return function(*args, **(kwargs or {}))

    loss, (student, teacher) = feature_loss().float(), (x.float() for x in maps())
    counts = []
    for _ in range(3):
        with Conversions() as conversions:
            loss(student, teacher)
        counts.append(conversions.count)
    assert counts == [1, 0, 0]


@pytest.mark.parametrize('inference_steps, train_steps, expected', [
    (1, 1000, [0]), (3, 1000, [332, 166, 0]), (2, 8, [2, 0]), (4, 8, [3, 2, 1, 0])])
def test_schedule(inference_steps, train_steps, expected):
    loss = feature_loss(inference_steps=inference_steps, train_steps=train_steps)
    seen = []
    loss.denoiser.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1][0].item()))
    loss._denoise(torch.randn(2, 16, 4, 3).double())
    assert seen == expected
    torch.testing.assert_close(loss._alphas[train_steps // 2].item(), alpha_bar(train_steps // 2, train_steps))


def test_runs_repeat():
    student, teacher = maps()
    loss = feature_loss()
    assert seeded(loss, student, teacher) == seeded(loss, student, teacher) != seeded(loss, student, teacher, seed=8)


@pytest.mark.parametrize('make, data', [(feature_loss, maps), (lambda: feature_loss(8), maps), (logit_loss, logits)])
def test_gradients(make, data):
    loss = make()
    student, teacher = data(2)
    student.requires_grad_()
    teacher.requires_grad_()
    assert torch.autograd.gradcheck(lambda value: seeded(loss, value, teacher), student, fast_mode=True)
    seeded(loss, student, teacher).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in loss.parameters())
    assert all(parameter.grad.abs().sum() > 0 for name, parameter in loss.named_parameters() if 'weight' in name)


def test_every_parameter_gets_a_gradient_without_the_other_parts():
    loss = feature_loss(8, diffusion_weight=0., autoencoder_weight=0.)
    loss(*maps()).backward()
    assert all(parameter.grad is not None for parameter in loss.parameters())


def test_the_distance_does_not_train_the_encoder():
    loss = feature_loss(8, autoencoder_weight=0.)
    loss(*maps()).backward()
    assert loss.encoder[0].weight.grad.abs().sum() == loss.decoder.weight.grad.abs().sum() == 0


SHAPES = pytest.mark.parametrize('shape, size, autoencoder', [
    ((1, 16, 4, 3), (4, 3), 8), ((3, 16, 1, 1), (1, 1), None), ((1, 16, 1, 1), (1, 1), 8), ((2, 3, 2, 2), (2, 2), None),
    ((1, 2), (1, 1), None), ((4, 2), (1, 1), None), ((1, 5), (1, 1), None), ((4, 5), (1, 1), None)])
DTYPES = pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])


def assert_finite(loss, student, teacher):
    result = loss(student, teacher)
    result.backward()
    assert result.dtype == torch.float32
    assert result.isfinite() and student.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in loss.parameters())


@DTYPES
@SHAPES
def test_finite_at_large_values(dtype, shape, size, autoencoder):
    torch.manual_seed(0)
    student, teacher = (torch.randn(2, *shape).clamp(-1, 1) * 1e4).to(dtype)
    loss = DiffKDLoss(shape[1], shape[1], size, autoencoder_channels=autoencoder)
    assert_finite(loss, student.requires_grad_(), teacher)


@DTYPES
@SHAPES
@pytest.mark.parametrize('value', [1e4, -1e4, 0.])
def test_finite_with_equal_rows(dtype, shape, size, autoencoder, value):
    """The values are those of the type, the gradient is float32.

    A batch norm of equal values multiplies gradients by 316, the inverse root of its epsilon; two and more of them
    leave fp16's range, which a gradient scaler sees.
    """
    torch.manual_seed(0)
    student, teacher = torch.full(shape, value, dtype=dtype), torch.full(shape, -value, dtype=dtype)
    loss = DiffKDLoss(shape[1], shape[1], size, autoencoder_channels=autoencoder)
    assert_finite(loss, (student.float() if dtype == torch.float16 else student).requires_grad_(), teacher)


def test_one_value_a_channel_uses_running_statistics():
    loss = logit_loss()
    student, teacher = logits(1)
    evaluated = copy.deepcopy(loss).eval()
    assert seeded(loss, student, teacher) == seeded(evaluated, student, teacher)
    student, teacher = logits(2)
    assert seeded(loss, student, teacher) != seeded(evaluated, student, teacher)


def test_autocast():
    student, teacher = (tensor.float() for tensor in maps())
    loss = feature_loss(8).float()
    seen = []
    for module in (loss.projector, loss.denoiser, loss.decoder):
        module.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = seeded(loss, student, teacher)
    assert loss.mixed_precision and set(seen) == {torch.bfloat16} and result.dtype == torch.float32
    assert result.item() == pytest.approx(seeded(loss, student, teacher).item(), rel=0.05)


def test_state_dict_round_trip():
    student, teacher = maps()
    loss, other = feature_loss(8), feature_loss(8)
    other.load_state_dict(loss.state_dict(), strict=True)
    assert seeded(loss, student, teacher) == seeded(other, student, teacher)
    assert sum(parameter.numel() for parameter in DiffKDLoss(6, 16, (4, 3)).denoiser.time.parameters()) == 16_000


def test_errors():
    student, teacher = maps()
    with pytest.raises(UserError, match='from 1 to half of train_steps, got 6 and 10'):
        feature_loss(inference_steps=6, train_steps=10)
    with pytest.raises(UserError, match=r'got \(3, 6, 4, 2\) from the student and \(3, 16, 4, 3\)'):
        feature_loss()(student[..., :2], teacher)
    with pytest.raises(UserError, match=r'student maps .* or logits \(N, C\), got \[\(3, 6, 4, 3\)\]'):
        feature_loss()([student], [teacher])
    with pytest.raises(UserError, match='no autoencoder_channels for logits'):
        logit_loss(autoencoder_channels=2)(*logits())
