"""The linear probe beside scikit-learn's."""
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler

from mmkd.evaluation import linear_probe
from mmkd.evaluation.linear_probe import STRENGTHS, RidgeProbe


@pytest.mark.parametrize(('images', 'chunk'), [(600, 8192), (600, 97), (40, 8192)])
def test_is_what_scikit_learn_computes(monkeypatch, images, chunk):
    monkeypatch.setattr(linear_probe, 'CHUNK', chunk)
    pixels, labels = load_digits(return_X_y=True)  # some of whose pixels never change
    scaler = StandardScaler().fit(pixels[:images])
    theirs = RidgeClassifierCV(alphas=np.array(STRENGTHS) * images).fit(scaler.transform(pixels[:images]),
                                                                        labels[:images])
    ours = RidgeProbe(torch.tensor(pixels[:images]), torch.tensor(labels[:images]), 10)
    others = slice(1000, 1500)
    assert ours.strength * images == pytest.approx(theirs.alpha_)
    expected = theirs.decision_function(scaler.transform(pixels[others]))
    np.testing.assert_allclose(ours.scores(torch.tensor(pixels[others])).numpy(), expected, atol=1e-6)


def test_few_images_and_features_without_spread():
    probe = RidgeProbe(torch.ones(3, 4), torch.tensor([0, 1, 1]), 3)
    assert probe.scores(torch.full((2, 4), 7.)).argmax(1).tolist() == [1, 1]  # the share of the classes decides
    one = RidgeProbe(torch.tensor([[1., 2.]]), torch.tensor([2]), 3)
    assert one.scores(torch.zeros(1, 2)).isfinite().all() and one.scores(torch.zeros(1, 2)).argmax() == 2
    assert probe.scores(torch.zeros(0, 4)).shape == (0, 3)


def test_the_penalty_grows_with_noise():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (90, ), generator=generator)
    clean = torch.nn.functional.one_hot(labels, 3).float() + 0.01 * torch.randn(90, 3, generator=generator)
    noise = torch.randn(90, 60, generator=generator)
    assert RidgeProbe(clean, labels, 3).strength < RidgeProbe(noise, labels, 3).strength
