"""The quick start's methods between other models."""
import re
from pathlib import Path

import mmkd
import pytest
import torch
from mmengine.registry import MODELS
from mmpretrain.structures import DataSample

from mmkd.apis.distilling.methods import (
    fitted,
    method_names,
    methods_between_other_classes,
    read_method,
)
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

from .conftest import QUICK, STUDENT, Plain

ROOT = Path(__file__).parents[3]
FOUR = {f'stage{i + 1}': (2, 64 << i, 56 >> i, 56 >> i) for i in range(4)} | dict(
    pre_logits=(2, 512), logits=(2, 3))
TWO = dict(stage1=(2, 32, 8, 8), stage2=(2, 64, 4, 4), pre_logits=(2, 64), logits=(2, 3))


def test_stages_are_counted_from_the_last():
    assert fitted(read_method('fd'), FOUR, TWO, 10, 9)['fd'] | dict(loss=0) == dict(
        loss=0, student='stage4', teacher='stage2', connector=dict(type='mmkd.ConvConnector'), weight=1.0)
    at = fitted(read_method('at'), FOUR, TWO, 10, 9)['at']
    assert (at['student'], at['teacher']) == (['stage3', 'stage4'], ['stage1', 'stage2'])
    ofa = fitted(read_method('ofa'), TWO, FOUR, 10, 9)['ofa']
    assert ofa['student'] == ['stage1', 'stage2', 'logits']
    assert [each and each['depth'] for each in ofa['connector']] == [1, 0, None]
    assert fitted(read_method('srrl'), FOUR, TWO, 10, 9)['srrl']['teacher'] == ['stage2', 'logits']


def test_maps_of_one_size_are_looked_for():
    small = TWO | dict(stage1=(2, 32, 28, 28), stage2=(2, 64, 14, 14))
    for name in ('mgd', 'diffkd'):
        term = next(iter(fitted(read_method(name), FOUR, small, 10, 9).values()))
        assert (term['student'], term['teacher']) == ('stage3', 'stage2')
    with pytest.raises(UserError, match='a stage of maps of one size'):
        fitted(read_method('mgd'), FOUR, TWO, 10, 9)


def test_weights_follow_the_maps():
    # AT: 60 for maps of 2×2 at the end; the usual 1000 is for 8×8 (Zagoruyko and Komodakis), and these are 7×7.
    assert fitted(read_method('at'), FOUR, FOUR, 10, 9)['at']['weight'] == pytest.approx(1000 * 49 / 64, rel=0.05)
    # MGD: the paper's 7e-5 for 512×7×7 (Yang et al.)
    assert fitted(read_method('mgd'), FOUR, FOUR, 10, 9)['mgd']['weight'] == pytest.approx(7e-5, rel=0.02)
    assert fitted(read_method('reviewkd'), FOUR, FOUR, 10, 6)['reviewkd']['weight'] == dict(value=1.0, warmup=2)
    crd = fitted(read_method('crd'), FOUR, FOUR, 10, 9)['crd']['loss']
    assert (crd['num_samples'], crd['negatives']) == (10, 9)


def test_what_is_asked_for():
    named = re.search(r'take a method on features: (.*?)\.', (ROOT / 'docs/distill.md').read_text(), re.DOTALL)[1]
    assert methods_between_other_classes(True) == re.findall(r'`(\w+)`', named)
    assert read_method('nkd').needs_labels() == ['nkd'] and read_method('kd').needs_labels() == []
    assert read_method('scalekd').compares_classes() == ['kd'] and read_method('srrl').compares_classes() == ['srrl']
    assert read_method('funmatch').augments and read_method('binary_kd').sigmoid
    with pytest.raises(UserError, match=r"a teacher with stages for its term 'fd', got one with the taps logits"):
        fitted(read_method('fd'), FOUR, dict(logits=(2, 3)), 10, 9)


@pytest.mark.parametrize('name', method_names())
def test_every_method_trains_a_step_between_other_models(name, pictures, tmp_path):
    """A student with four stages under a teacher with three; the config alone is written."""
    student = STUDENT | dict(options={'model.backbone.arch': dict(depths=[1] * 4, channels=[8, 16, 32, 64])})
    teacher = dict(config='quickstart/slak-mini_digits.py', options={'model.head.num_classes': 3})
    path = mmkd.distill(student, teacher, pictures, name, out=tmp_path / 'out', train_now=False, **QUICK | dict(
        size=64, epochs=6))
    config = load_config(path)
    distiller = MODELS.build(config.model | dict(data_preprocessor=config.data_preprocessor))
    distiller.init_weights()
    samples = [DataSample().set_gt_label(i % 3) for i in range(6)]
    for number, sample in enumerate(samples):
        sample.set_field(number, 'sample_idx', field_type='metainfo')
    batch = distiller.data_preprocessor(dict(
        inputs=[torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8) for _ in samples], data_samples=samples), True)
    losses = distiller(**batch, mode='loss')
    total = distiller.total(losses)
    total.backward()
    assert total.isfinite() and all(f'loss_{term}' in losses for term in config.model.terms)


def test_terms_of_ones_own(pictures, tmp_path):
    terms = dict(maps=dict(loss=torch.nn.MSELoss(), student='layer2', teacher='layer2'))
    result = mmkd.distill(Plain(), Plain(5), pictures, terms, out=tmp_path / 'out', **QUICK | dict(epochs=1))
    assert 'accuracy/top1' in result.metrics


def test_the_default(pictures, tmp_path, capsys):
    mmkd.distill(STUDENT, Plain(), pictures, out=tmp_path / 'a', train_now=False, **QUICK)
    assert "method: nkd (none was given; the teacher has the student's classes)" in capsys.readouterr().out
    mmkd.distill(STUDENT, Plain(5), pictures, out=tmp_path / 'b', train_now=False, **QUICK)
    assert 'method: fd (none was given; it compares features, not classes)' in capsys.readouterr().out
