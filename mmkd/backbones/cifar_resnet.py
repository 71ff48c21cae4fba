"""The ResNets that the distillation literature trains on CIFAR."""
from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError


class CIFARResNetBlock(BaseModule):
    """Two 3×3 convolutions and a shortcut, which is projected where the shape changes.

    Args:
        in_channels: Channels of the map.
        channels: Channels of the result.
        stride: Stride of the first convolution.

    Shapes: (N, in_channels, H, W). Returns (N, channels, H/stride, W/stride).
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Runs the block."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


@MODELS.register_module()
class CIFARResNet(BaseModule):
    """A ResNet of three stages of basic blocks for images of 32×32, and its four times wider form ("x4").

    mmpretrain's ``ResNet_CIFAR`` has ImageNet's depths (18 to 152) and widths only.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385, Sec. 4.2; with
    projected shortcuts and as wide as in Tian et al., Contrastive Representation Distillation, ICLR 2020, arXiv
    1910.10699. Names of parameters are those of the latter's code, but for ``fc``, which is in the head here.
    Parameters with a head of 100 classes:

    ========== ===== ================ ======
    name       depth channels
    ========== ===== ================ ======
    resnet20   20    16, 16, 32, 64   0.28 M
    resnet56   56    16, 16, 32, 64   0.86 M
    resnet8x4  8     32, 64, 128, 256 1.23 M
    resnet32x4 32    32, 64, 128, 256 7.43 M
    ========== ===== ================ ======

    Args:
        depth: Layers with weights, 6n + 2 for n blocks a stage.
        channels: Channels of the stem and of the three stages.
        in_channels: Channels of the image.
        out_indices: The stages to return, 0 to 2.
        stem_stride: Stride of the first convolution; 2 takes a quarter of the time for an image of the same size.
        init_cfg: MMEngine's initialisation config. He's normal one if None.

    Shapes: (N, in_channels, H, W). Returns a tuple of (N, channels[i + 1], H/s/2^i, W/s/2^i) for a stem of stride s.

    Raises:
        UserError: The depth is not 6n + 2, there are not four widths, or a stage does not exist.
    """

    def __init__(
        self,
        depth: int,
        channels: Sequence[int] = (16, 16, 32, 64),
        in_channels: int = 3,
        out_indices: Sequence[int] = (2,),
        stem_stride: int = 1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d', mode='fan_out', nonlinearity='relu'))
        if depth < 8 or depth % 6 != 2:
            raise UserError(f'CIFARResNet expects a depth of 6n + 2, got {depth}. Take 8, 14, 20, 32, 44, 56 or 110.')
        if len(channels) != 4:
            raise UserError(f'CIFARResNet expects channels of the stem and three stages, got {tuple(channels)}. '
                            'Give four.')
        if not out_indices or not set(out_indices) <= {0, 1, 2}:
            raise UserError(f'CIFARResNet expects out_indices among 0, 1, 2, got {tuple(out_indices)}. Mend them.')
        self.out_indices = tuple(out_indices)
        self.conv1 = nn.Conv2d(in_channels, channels[0], 3, stem_stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.relu = nn.ReLU(inplace=True)
        self.res_layers = []
        for stage in range(3):
            name = f'layer{stage + 1}'
            first = CIFARResNetBlock(channels[stage], channels[stage + 1], stride=1 if stage == 0 else 2)
            rest = [CIFARResNetBlock(channels[stage + 1], channels[stage + 1]) for _ in range((depth - 2) // 6 - 1)]
            self.add_module(name, nn.Sequential(first, *rest))
            self.res_layers.append(name)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Returns the maps of the stages in ``out_indices``; see the class."""
        x = self.relu(self.bn1(self.conv1(x)))
        outputs = []
        for name in self.res_layers:
            x = getattr(self, name)(x)
            outputs.append(x)
        return tuple(outputs[i] for i in self.out_indices)
