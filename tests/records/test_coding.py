import numpy as np
import pytest
import torch

from mmkd.records import RecordFormat, TapFormat, decode, encode
from mmkd.records.coding import top1
from mmkd.utils import UserError


def coded(logits, format, labels=None):
    return decode(encode(dict(logits=logits), format, labels, range(len(logits))), format)['logits']


@pytest.fixture
def logits():
    return torch.randn(32, 1000, generator=torch.Generator().manual_seed(0)) * 4


def test_a_top_k_gives_kept_classes_their_probabilities_and_spreads_the_rest(logits):
    labels = torch.arange(32) * 31
    found = coded(logits, RecordFormat(1000), labels).double().softmax(1)
    exact = logits.double().softmax(1)
    kept = torch.zeros(32, 1000, dtype=bool).scatter(1, logits.topk(10).indices, True).scatter(1, labels[:, None], True)
    torch.testing.assert_close(found[kept], exact[kept], rtol=2e-6, atol=0)
    left = (exact * ~kept).sum(1) / (~kept).sum(1)
    torch.testing.assert_close(found, torch.where(kept, exact, left[:, None]), rtol=2e-6, atol=0)


def test_kept_logits_are_the_teachers_own(logits):
    found, labels = coded(logits, RecordFormat(1000), torch.full((32, ), 7)), torch.full((32, 1), 7)
    best = logits.topk(10).indices
    assert torch.equal(found.gather(1, best), logits.gather(1, best))
    assert torch.equal(found.gather(1, labels), logits.gather(1, labels))


@pytest.mark.parametrize('format', [RecordFormat(1000, 'all'), RecordFormat(1000, 1000), RecordFormat(1000, 2000)])
def test_all_logits_come_back_to_the_last_bit(logits, format):
    assert torch.equal(coded(logits, format, torch.zeros(32).long()), logits)


def test_fp16_is_within_a_thousandth(logits):
    found = coded(logits + 300, RecordFormat(1000, 'all', 'fp16'))  # in fp16 without a shift: 0.25 at this size
    assert ((found - 300 - logits).abs().amax(1) / logits.abs().amax(1)).max() < 1e-3
    assert torch.equal(found.max(1).values, (logits + 300).max(1).values)


@pytest.mark.parametrize('topk', [1, 2, 10, 'all'])
def test_extreme_logits_stay_finite(topk):
    extreme = torch.tensor([[1e30, -1e30, 0, 1], [-1e4, -1e4, -1e4, -1e4], [0, 1e4, -1e4, 0]])
    found = coded(extreme, RecordFormat(4, topk), torch.tensor([3, 0, 0]))
    assert torch.isfinite(found).all() and torch.isfinite(found.log_softmax(1)).all()
    torch.testing.assert_close(found.softmax(1), extreme.softmax(1), rtol=1e-6, atol=1e-12)


def test_logits_too_far_apart_for_fp16_are_refused():
    with pytest.raises(UserError, match='within 65,504 .* Keep them in fp32'):
        coded(torch.tensor([[7e4, 0.]]), RecordFormat(2, 'all', 'fp16'))


def test_nothing_left_over_is_a_finite_floor():
    certain = torch.tensor([[200., 0, 0, 0, 0]])
    found = coded(certain, RecordFormat(5, 1), torch.tensor([0]))
    assert torch.isfinite(found).all() and found.softmax(1)[0, 0] == 1
    assert (found[0, 1:] >= 200 - 104).all()


def test_a_flat_distribution_over_many_classes_loses_nothing():
    found = coded(torch.zeros(2, 21_841), RecordFormat(21_841), torch.tensor([5, 20_000]))
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=2e-6)


def test_soft_labels_count_by_their_highest():
    soft = torch.tensor([[.2, .1, .7], [.5, .4, .1]])
    rows = encode(dict(logits=torch.tensor([[0., 1, 2], [3, 2, 1]])), RecordFormat(3, 1), soft, [0, 0])
    assert rows['label'].tolist() == [2, 0] and rows['target'].tolist() == [2., 3.]
    assert top1(rows, RecordFormat(3, 1)) == (2, 2)


def test_without_labels_there_is_no_accuracy(logits):
    rows = encode(dict(logits=logits), RecordFormat(1000), None, range(32))
    assert top1(rows, RecordFormat(1000)) == (0, 0)
    assert torch.isfinite(decode(rows, RecordFormat(1000))['logits']).all()


def test_accuracy_is_that_of_the_logits(logits):
    labels = logits.argmax(1)
    labels[:8] = (labels[:8] + 1) % 1000
    for format in (RecordFormat(1000), RecordFormat(1000, 'all', 'fp16')):
        assert top1(encode(dict(logits=logits), format, labels, range(32)), format) == (32, 24)


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
def test_what_is_not_finite_is_refused(logits, bad):
    logits[3, 5] = bad
    with pytest.raises(UserError, match='expects finite numbers.*image 3'):
        coded(logits, RecordFormat(1000))


def test_other_classes_are_refused(logits):
    with pytest.raises(UserError, match=r'expects the shape \(32, 100\), got \(32, 1000\)'):
        coded(logits, RecordFormat(100))


def test_features_come_back_whole_or_pooled():
    maps, tokens = torch.randn(2, 3, 4, 5), torch.randn(2, 6, 3)
    format = RecordFormat(0, taps=dict(maps=TapFormat((3, 4, 5)), tokens=TapFormat((3, ), 'fp16', True)))
    found = decode(encode(dict(maps=maps, tokens=tokens), format, None, [1, 2]), format)
    assert torch.equal(found['maps'], maps)
    torch.testing.assert_close(found['tokens'], tokens.mean(1), rtol=1e-3, atol=1e-3)


def test_features_too_large_for_fp16_are_refused():
    format = RecordFormat(0, taps=dict(maps=TapFormat((1, ), 'fp16')))
    with pytest.raises(UserError, match='65,504'):
        encode(dict(maps=torch.tensor([[7e4]])), format, None, [0])


def test_half_precision_teachers_are_kept_as_they_are(logits):
    assert torch.equal(coded(logits.bfloat16(), RecordFormat(1000, 'all')), logits.bfloat16().float())


def test_classes_above_16_bits_keep_their_names():
    logits = torch.zeros(1, 70_000)
    logits[0, [2049, 66_000]] = torch.tensor([5., 6.])
    rows = encode(dict(logits=logits), RecordFormat(70_000, 2), torch.tensor([69_999]), [0])
    assert rows['ids'].tolist() == [[66_000, 2049]] and rows['label'].tolist() == [69_999]
    assert np.isclose(decode(rows, RecordFormat(70_000, 2))['logits'][0, 69_999], 0)


@pytest.mark.parametrize('topk', [3, 'all'])
def test_labels_that_are_no_class_of_the_teacher_are_none(logits, topk):
    format = RecordFormat(1000, topk)
    labels = torch.tensor([-1, 1000, 70_000, 5] * 8)  # 70,000 would wrap round to another class
    rows = encode(dict(logits=logits), format, labels, range(32))
    assert rows['label'].tolist() == [65_535, 65_535, 65_535, 5] * 8
    none = encode(dict(logits=logits), format, None, range(32))
    unlabelled = (labels != 5).numpy()
    assert torch.equal(decode(rows[unlabelled], format)['logits'], decode(none[unlabelled], format)['logits'])
