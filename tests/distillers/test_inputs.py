"""Adapting the student's batch to the teacher."""
import pytest
import torch
from mmengine.registry import MODELS

from mmkd.distillers.inputs import InputAdapter, normalisation

RGB = dict(type='mmpretrain.ClsDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
           to_rgb=True)
BGR = dict(type='mmpretrain.ClsDataPreprocessor', mean=[10., 20., 30.], std=[2., 3., 4.], to_rgb=False)


@pytest.mark.parametrize(('student', 'teacher'), [(RGB, BGR), (BGR, RGB), (RGB, dict(RGB, mean=[0.] * 3))])
def test_equals_the_teachers_own_preprocessing(student, teacher):
    student, teacher = MODELS.build(student), MODELS.build(teacher)
    pixels = dict(inputs=torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8))
    adapter = InputAdapter(normalisation(student), normalisation(teacher))
    torch.testing.assert_close(adapter(student(pixels)['inputs']), teacher(pixels)['inputs'], rtol=1e-5,
                               atol=1e-5)


def test_equal_normalisations_cost_nothing():
    adapter = InputAdapter(normalisation(MODELS.build(RGB)), normalisation(MODELS.build(RGB)))
    inputs = torch.rand(1, 3, 4, 4)
    assert adapter(inputs) is inputs
    assert InputAdapter(None, None)(inputs) is inputs


def test_resizing_only_where_needed():
    adapter = InputAdapter(None, None, (16, 16))
    assert adapter(torch.rand(1, 3, 32, 32)).shape[2:] == (16, 16)
    inputs = torch.rand(1, 3, 16, 16)
    assert adapter(inputs) is inputs


def test_reads_mmdet_and_mmseg_preprocessors():
    mmseg = MODELS.build(dict(type='mmseg.SegDataPreProcessor', mean=[1., 2., 3.], std=[1.] * 3, bgr_to_rgb=True))
    read = normalisation(mmseg)
    assert read['to_rgb'] is True and read['mean'].flatten().tolist() == [1, 2, 3]
