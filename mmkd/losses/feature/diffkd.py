"""Knowledge diffusion for distillation."""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.layers import SingleValueBatchNorm2d
from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNT, NON_NEGATIVE, NONE, SIZE, TEMPERATURE, check_arguments, either

from ..checks import Form, at_least_fp32, check_classes, pair_tensors

MAPS_OR_LOGITS = Form('maps', 'maps (N, C, H, W) or logits (N, C)', (2, 4),
                      'Tap stages of equal size, one term a stage, or set the input_size of the teacher.')


@MODELS.register_module()
class DiffKDLoss(nn.Module):
    r"""Denoises the student's features with a diffusion model of the teacher's, and compares the result.

    .. math:: d\big(h(\operatorname{DDIM}_\theta(\gamma s + (1-\gamma)\epsilon)),\, t\big)
        + \lambda_1 \operatorname{mse}\big(\theta(\sqrt{\bar\alpha_\tau}\,t + \sqrt{1-\bar\alpha_\tau}\,\epsilon',
        \tau),\, \epsilon'\big) + \lambda_2 \operatorname{mse}\big(D(E(T)), T\big)

    :math:`s` is the student projected to the width of :math:`t`, which is the teacher :math:`T` or, with an
    auto-encoder, its detached code :math:`E(T)`; :math:`\gamma` comes from a noise adapter, one a sample;
    :math:`\theta` predicts the noise and :math:`h` is a 1×1 convolution with batch norm. :math:`d` is the mean
    squared error of maps, and the KL divergence :math:`T^2 KL(t/T \| \cdot/T)` of logits. DDIM takes the last
    ``inference_steps`` of a schedule of twice as many (betas linear from 1e-4 to 0.02) without fresh noise.

    Source: Huang et al., Knowledge Diffusion for Distillation, NeurIPS 2023, arXiv 2305.15712; DDIM: Song et
    al., 2021, arXiv 2010.02502, Eq. 12 with :math:`\sigma=0`.
    Differs from the authors' code: :math:`\bar\alpha` is computed in float64, not float32; the time embedding has
    ``train_steps`` rows instead of 1280, the rest of which are never read; a batch norm that sees one value a
    channel uses its running statistics. As there, :math:`d` also trains :math:`\theta`.

    Args:
        student_channels: Width of the student's tap. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        teacher_size: Height and width of the teacher's tap, (1, 1) for logits, where the networks use 1×1
            kernels in place of 3×3. Inferred from the tap in a recipe.
        autoencoder_channels: Width of the auto-encoder's code; None for none. 1024 on ImageNet, for maps only.
        inference_steps: Denoising steps of the student. 5 in the paper.
        train_steps: Length of the diffusion process. 1000 in the paper.
        temperature: :math:`T` of the KL divergence. 1 on ImageNet.
        diffusion_weight: :math:`\lambda_1`. 1 in the paper.
        autoencoder_weight: :math:`\lambda_2`. 1 in the paper.

    Shapes: student, teacher (N, C, H, W) of equal N, H and W, or logits (N, C). target is not used. Returns a
    scalar.
    """

    needs_target = False
    mixed_precision = True

    def __init__(self,
                 student_channels: int,
                 teacher_channels: int,
                 teacher_size: tuple[int, int],
                 autoencoder_channels: int | None = None,
                 inference_steps: int = 5,
                 train_steps: int = 1000,
                 temperature: float = 1.0,
                 diffusion_weight: float = 1.0,
                 autoencoder_weight: float = 1.0) -> None:
        super().__init__()
        check_arguments(
            self, student_channels=(student_channels, COUNT), teacher_channels=(teacher_channels, COUNT),
            teacher_size=(teacher_size, SIZE), autoencoder_channels=(autoencoder_channels, either(COUNT, NONE)),
            inference_steps=(inference_steps, COUNT), train_steps=(train_steps, COUNT),
            temperature=(temperature, TEMPERATURE), diffusion_weight=(diffusion_weight, NON_NEGATIVE),
            autoencoder_weight=(autoencoder_weight, NON_NEGATIVE))
        if not 1 <= 2 * inference_steps <= train_steps:
            raise UserError('DiffKDLoss expects inference_steps from 1 to half of train_steps, got '
                            f'{inference_steps} and {train_steps}.')
        self.inference_steps = inference_steps
        self.train_steps = train_steps
        self.temperature = temperature
        self.diffusion_weight = diffusion_weight
        self.autoencoder_weight = autoencoder_weight
        betas = torch.linspace(1e-4, 0.02, train_steps, dtype=torch.float64)
        self._alphas = self._near_alphas = torch.cumprod(1 - betas, dim=0)
        width = autoencoder_channels or teacher_channels
        self.encoder = _conv_norm(teacher_channels, width) if autoencoder_channels else None
        self.decoder = nn.Conv2d(width, teacher_channels, 1) if autoencoder_channels else None
        self.projector = nn.Conv2d(student_channels, width, 1)
        is_map = tuple(teacher_size) != (1, 1)
        self.noise_adapter = _NoiseAdapter(width, is_map)
        self.denoiser = _Denoiser(width, is_map, train_steps)
        self.output = _conv_norm(width, width)

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes. Noise and steps come from torch's generator.

        Raises:
            UserError: The tensors are neither maps of one size nor logits, or logits meet an auto-encoder.
        """
        (student, teacher), = pair_tensors(self, student, teacher, MAPS_OR_LOGITS, equal='NHW', several=False)
        is_logits = student.dim() == 2
        if is_logits:
            self._check_logits(teacher)
            student, teacher = student[..., None, None], teacher[..., None, None]  # (N, C, 1, 1)
        code, reconstruction_part = self._encode(teacher)
        refined = at_least_fp32(self.output(self._denoise(at_least_fp32(self.projector(student)))))
        distance = self._kl(refined, code) if is_logits else F.mse_loss(refined, code)
        return (distance + self.diffusion_weight * self._noise_prediction(code)
                + self.autoencoder_weight * reconstruction_part)

    def _check_logits(self, teacher: Tensor) -> None:
        if self.encoder is not None:
            raise UserError('DiffKDLoss expects no autoencoder_channels for logits, since a code of logits has no KL '
                            'divergence. Leave autoencoder_channels out.')
        check_classes(self, teacher)

    def _encode(self, teacher: Tensor) -> tuple[Tensor, Tensor | float]:
        """What the student is compared with, and the auto-encoder's own loss."""
        if self.encoder is None:
            return teacher, 0.
        code = self.encoder(teacher)
        return at_least_fp32(code.detach()), F.mse_loss(at_least_fp32(self.decoder(code)), teacher)

    def _denoise(self, student: Tensor) -> Tensor:
        """Mixes each sample with as much noise as the adapter says, and removes it by DDIM."""
        noise = torch.randn_like(student)
        share = self.noise_adapter(student)[:, None, None, None]
        sample = share * student + (1 - share) * noise
        stride = self.train_steps // (2 * self.inference_steps)
        for step in range((self.inference_steps - 1) * stride, -1, -stride):
            steps = torch.full(sample.shape[:1], step, device=sample.device)
            predicted = at_least_fp32(self.denoiser(sample, steps))
            alpha = float(self._alphas[step])
            previous = float(self._alphas[step - stride]) if step else 1.0
            clean = (sample - (1 - alpha)**0.5 * predicted) / alpha**0.5
            sample = previous**0.5 * clean + (1 - previous)**0.5 * predicted
        return sample

    def _noise_prediction(self, code: Tensor) -> Tensor:
        noise = torch.randn_like(code)
        steps = torch.randint(self.train_steps, code.shape[:1], device=code.device)
        alpha = self._alphas_like(code)[steps][:, None, None, None]
        return F.mse_loss(at_least_fp32(self.denoiser(alpha.sqrt() * code + (1 - alpha).sqrt() * noise, steps)), noise)

    def _alphas_like(self, code: Tensor) -> Tensor:
        """The schedule on the device and in the type of a code, where it stays: no step waits for a copy."""
        if (self._near_alphas.device, self._near_alphas.dtype) != (code.device, code.dtype):
            self._near_alphas = self._alphas.to(code)
        return self._near_alphas

    def _kl(self, student: Tensor, teacher: Tensor) -> Tensor:
        log_student, log_teacher = (
            torch.log_softmax(logits.flatten(1) / self.temperature, dim=1) for logits in (student, teacher))
        return self.temperature**2 * F.kl_div(log_student, log_teacher, reduction='batchmean', log_target=True)


class _NoiseAdapter(nn.Module):
    """Predicts the share (N,) of each sample in its mixture with noise."""

    def __init__(self, width: int, is_map: bool) -> None:
        super().__init__()
        self.body = _Bottleneck(width, reduction=8) if is_map else nn.Sequential(
            *_conv_norm(width, 2 * width), nn.ReLU(inplace=True), *_conv_norm(2 * width, width))
        self.share = nn.Linear(width, 2)

    def forward(self, sample: Tensor) -> Tensor:
        return at_least_fp32(self.share(self.body(sample).mean(dim=(2, 3)))).softmax(dim=1)[:, 0]


class _Denoiser(nn.Module):
    """Predicts the noise (N, C, H, W) in a sample at a step (N,) of the diffusion process."""

    def __init__(self, width: int, is_map: bool, steps: int) -> None:
        super().__init__()
        self.time = nn.Embedding(steps, width)
        self.body = nn.Sequential(
            _Bottleneck(width, reduction=4), _Bottleneck(width, reduction=4), *_conv_norm(width, width),
        ) if is_map else nn.Sequential(
            *_conv_norm(width, 4 * width), nn.ReLU(inplace=True), *_conv_norm(4 * width, width),
            *_conv_norm(width, 4 * width), nn.ReLU(inplace=True), nn.Conv2d(4 * width, width, 1))

    def forward(self, sample: Tensor, step: Tensor) -> Tensor:
        return self.body(sample + self.time(step)[..., None, None])


class _Bottleneck(nn.Module):
    """A residual block of 1×1, 3×3 and 1×1 convolutions."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        inner = max(width // reduction, 1)
        self.block = nn.Sequential(*_conv_norm(width, inner), nn.ReLU(inplace=True),
                                   *_conv_norm(inner, inner, kernel_size=3), nn.ReLU(inplace=True),
                                   *_conv_norm(inner, width))

    def forward(self, sample: Tensor) -> Tensor:
        return sample + self.block(sample)


def _conv_norm(inputs: int, outputs: int, kernel_size: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2),
                         SingleValueBatchNorm2d(outputs, statistics='running'))
