"""The layout of convolutions."""
import torch
from torch import nn

from mmkd.layers.layout import use_channels_last


def test_weights_of_2d_convolutions_alone():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv1d(4, 4, 3), nn.Conv3d(2, 2, 3), nn.Linear(4, 4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parameters = list(model.parameters())
    model[0].weight.grad = torch.randn(4, 3, 3, 3)
    use_channels_last(model)
    assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last) and model[3].weight.is_contiguous()
    assert model[0].weight.grad.is_contiguous(memory_format=torch.channels_last)
