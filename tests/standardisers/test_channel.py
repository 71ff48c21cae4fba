"""ChannelStandardisation against the closed form."""
import torch

from mmkd.standardisers import ChannelStandardisation


def test_each_channel_has_mean_0_and_variance_1():
    data = torch.randn(50, 5) * torch.tensor([1., 10., 3., 0.5, 2.]) + torch.tensor([0., 5., -30., 2., 1.])
    result = ChannelStandardisation(5, steps=1)(data)
    torch.testing.assert_close(result, (data - data.mean(0)) / data.std(0, correction=0), rtol=1e-4, atol=1e-4)


def test_the_noise_of_a_dead_channel_is_no_target():
    data = torch.randn(1000, 2) * torch.tensor([1., 1e-9])
    result = ChannelStandardisation(2, steps=1)(data)
    assert result[:, 1].abs().max() < 1e-4 and abs(float(result[:, 0].std()) - 1) < 0.01
