"""Large depthwise kernels in parallel branches, whole or decomposed into two stripes, with a small square."""
from collections import OrderedDict

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.ops.large_kernel import large_kernel_depthwise_branches, large_kernel_depthwise_conv2d
from mmkd.utils import UserError

BATCH_NORM = dict(type='BN')


class LargeKernelConv2d(nn.Conv2d):
    """Depthwise ``nn.Conv2d`` that runs through :mod:`mmkd.ops`.

    Args:
        channels: Number of channels, in and out.
        kernel_size: Height and width, both odd.
        bias: Whether to add a learnable number a channel.

    Shapes: (N, C, H, W). Returns (N, C, H, W).
    """

    def __init__(self, channels: int, kernel_size: tuple[int, int], bias: bool = True) -> None:
        padding = (kernel_size[0] // 2, kernel_size[1] // 2)
        super().__init__(channels, channels, kernel_size, padding=padding, groups=channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolves."""
        return large_kernel_depthwise_conv2d(x, self.weight, self.bias)


class LargeKernel(nn.Module):
    """Depthwise convolutions of several shapes, each with its own batch norm, summed.

    ========== ================ ======================================
    branch     kernel           there if
    ========== ================ ======================================
    large      K×K              ``decomposed`` is False
    vertical   K×s              ``decomposed``
    horizontal s×K              ``decomposed``
    small      s×s              ``small_branch`` and s is given
    ========== ================ ======================================

    Source: Liu et al., More ConvNets in the 2020s: Scaling up Kernels Beyond 51×51 using Sparsity, ICLR 2023,
    arXiv 2207.03620, Sec. 4.
    Differs from the authors' code in names only: there ``vertical`` is ``LoRA1`` or ``Decom1``, ``horizontal`` is
    ``LoRA2`` or ``Decom2``, ``small`` is ``small_conv`` and ``large`` is ``lkb_origin``.

    Args:
        channels: Number of channels, in and out.
        kernel_size: The long side K, odd.
        small_kernel: The short side s, odd and smaller than K; None for a large branch alone.
        decomposed: Whether stripes take the place of the K×K kernel.
        small_branch: Whether there is a s×s branch.
        norm_cfg: Config of the branches' norm; None for convolutions without norm and bias. The authors train with
            SyncBN.
        deploy: Whether to start in the form that :meth:`switch_to_deploy` gives.

    Shapes: (N, C, H, W). Returns (N, C, H, W).

    Raises:
        UserError: A size is even, the short side is not the smaller one, or it is missing.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        small_kernel: int | None = 5,
        decomposed: bool = True,
        small_branch: bool = True,
        norm_cfg: dict | None = BATCH_NORM,
        deploy: bool = False,
    ) -> None:
        super().__init__()
        small = self._check_sizes(kernel_size, small_kernel, decomposed)
        shapes = dict(vertical=(kernel_size, small), horizontal=(small, kernel_size)) if decomposed else dict(
            large=(kernel_size, kernel_size))
        if small and small_branch:
            shapes['small'] = (small, small)
        for name, shape in shapes.items():
            layers: OrderedDict[str, nn.Module] = OrderedDict(conv=LargeKernelConv2d(channels, shape, bias=False))
            if norm_cfg:
                layers['bn'] = build_norm_layer(norm_cfg, channels)[1]
            self.add_module(name, nn.Sequential(layers))
        if deploy:
            self.switch_to_deploy()

    @staticmethod
    def _check_sizes(kernel_size: int, small_kernel: int | None, decomposed: bool) -> int:
        """Returns the short side, 0 if there is none."""
        small = small_kernel or 0
        if kernel_size % 2 == 0 or (small and (small % 2 == 0 or small >= kernel_size)):
            raise UserError('a large kernel expects odd sizes, the small one below the large one, got '
                            f'kernel_size={kernel_size} and small_kernel={small_kernel}. '
                            'Change kernel_sizes or small_kernel.')
        if decomposed and not small:
            raise UserError(f'a decomposed large kernel expects a small_kernel, got {small_kernel}. '
                            'Give its short side, such as 5, or set decomposed=False.')
        return small

    def forward(self, x: Tensor) -> Tensor:
        """Sums the branches, on a GPU after one pass over the input for all of them."""
        branches = list(self.children())
        if self._in_one_pass(x):
            maps = large_kernel_depthwise_branches(
                x, [branch.conv.weight for branch in branches], branches[0].conv.bias)
            maps = [branch.bn(one) if hasattr(branch, 'bn') else one for branch, one in zip(branches, maps)]
        else:
            if x.device.type == 'cpu':
                x = x.contiguous(memory_format=torch.channels_last)  # once, not once a branch
            maps = [branch(x) for branch in branches]
        out = maps[0]
        for one in maps[1:]:
            out = out + one
        return out

    def _in_one_pass(self, x: Tensor) -> bool:
        """Whether reading counts, as it does on GPUs, and nothing waits for branches or convolutions to be called."""
        passed_by = [module for branch in self.children() for module in (branch, branch.conv)]
        return x.device.type == 'cuda' and not any(each._forward_hooks or each._forward_pre_hooks for each in passed_by)

    @torch.no_grad()
    def switch_to_deploy(self) -> None:
        """Folds the norms, as they are in eval mode, into the convolutions, and the small branch into another.

        Exact but for rounding. The stripes stay apart: one K×K kernel in their place would cost more.
        """
        folded = {name: self._fold(branch) for name, branch in self.named_children()}
        target = 'vertical' if 'vertical' in folded else 'large'
        small, shift = folded.pop('small', (None, None))
        total = sum(bias for _, bias in folded.values()) + (0 if shift is None else shift)
        if small is not None:
            del self.small
            kernel, bias = folded[target]
            rows, columns = ((big - little) // 2 for big, little in zip(kernel.shape[2:], small.shape[2:]))
            folded[target] = kernel + F.pad(small, (columns, columns, rows, rows)), bias
        for name, (kernel, _) in folded.items():
            conv = LargeKernelConv2d(kernel.shape[0], tuple(kernel.shape[2:]), bias=name == target)
            conv.to(kernel).weight.copy_(kernel)
            if conv.bias is not None:
                conv.bias.copy_(total)
            setattr(self, name, nn.Sequential(OrderedDict(conv=conv)).train(self.training))

    @staticmethod
    def _fold(branch: nn.Sequential) -> tuple[Tensor, Tensor]:
        """The kernel (C, 1, kh, kw) and bias (C,) of a convolution and its norm, if it has one."""
        conv = branch.conv
        kernel = conv.weight
        bias = kernel.new_zeros(kernel.shape[0]) if conv.bias is None else conv.bias
        if not hasattr(branch, 'bn'):
            return kernel, bias
        norm = branch.bn
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        return kernel * scale[:, None, None, None], norm.bias + (bias - norm.running_mean) * scale
