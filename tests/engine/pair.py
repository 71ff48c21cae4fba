"""A student, its teacher and a DistProLoss between their stages, small and smooth."""
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.losses import DistProLoss


class Net(BaseModel):
    """Two stages of a convolution, a batch norm, a dropout and a smooth activation, and a classifier."""

    def __init__(self, widths: tuple[int, int], drop: float = 0.) -> None:
        super().__init__()
        ins = (3, widths[0])
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, stride=2), nn.BatchNorm2d(o), nn.Dropout(drop), nn.Tanh())
            for i, o in zip(ins, widths))
        self.head = nn.Linear(widths[1], 4)

    def read(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        maps = [self.stages[0](x)]
        maps.append(self.stages[1](maps[0]))
        return maps, self.head(maps[1].mean((2, 3)))

    def forward(self, x: Tensor, label: Tensor, mode: str = 'tensor') -> Tensor | dict:
        logits = self.read(x)[1]
        return dict(loss=F.cross_entropy(logits, label)) if mode == 'loss' else logits


class Pair(BaseModel):
    """What a distiller does, in a few lines."""

    def __init__(self, drop: float = 0.) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.student = Net((3, 4), drop)
        self._teacher = [Net((5, 6)).eval()]
        self.distpro = DistProLoss([3, 4], [5, 6])

    def double(self) -> 'Pair':
        self._teacher[0].double()
        return super().double()

    def forward(self, x: Tensor, label: Tensor, mode: str = 'tensor') -> Tensor | dict:
        maps, logits = self.student.read(x)
        if mode != 'loss':
            return logits
        with torch.no_grad():
            theirs = self._teacher[0].read(x)[0]
        return dict(task_loss=F.cross_entropy(logits, label), loss_distpro=self.distpro(maps, theirs))
