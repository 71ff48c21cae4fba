"""Gains of distillation methods."""
import pytest
from PIL import Image

from mmkd.experiments.method_comparison import compare, draw_gains, markdown_table

ALONE, STUDENTS = [76.0, 78.0], dict(worse=[75.0, 76.5], nkd=[80.0, 83.0])


def test_gains_are_those_of_the_paper():
    # Huang et al., 2023, Table 1: ResNet-50 from SLaK-T, 76.13 -> 78.57 with a teacher of 82.5
    row = compare(dict(nkd=[78.57]), [76.13], 82.5)['nkd']
    assert f'{row["direct_gain"]["mean"]:.2f}' == '2.44'
    assert row['effective_gain']['mean'] == pytest.approx(100 * 2.44 / 82.5, abs=1e-4)


def test_paired_by_seed_and_sorted():
    rows = compare(STUDENTS, ALONE, 90.)
    assert list(rows) == ['nkd', 'worse']
    assert rows['nkd']['direct_gain']['values'] == [4.0, 5.0] and rows['nkd']['direct_gain']['standard_error'] == 0.5
    assert rows['worse']['direct_gain']['mean'] == -1.25
    with pytest.raises(ValueError, match='zip'):
        compare(dict(nkd=[80.0]), ALONE, 90.)


def test_table_and_chart(tmp_path):
    rows = compare(STUDENTS, ALONE, 90.)
    lines = markdown_table(rows, ALONE, 90., dict(alone=20., nkd=25., worse=30.)).splitlines()
    assert lines[2] == '| *teacher* | 90.0 |  |  |  |' and lines[3] == '| *student alone* | 77.0 ± 1.0 |  |  | 20 |'
    assert lines[4] == '| nkd | 81.5 ± 1.5 | +4.5 ± 0.5 | +5.0 ± 0.6 | 25 |'
    draw_gains(tmp_path / 'gains.png', rows, 'Gains')
    assert Image.open(tmp_path / 'gains.png').size[1] > 400
    draw_gains(tmp_path / 'one.png', compare(dict(kd=[76.0]), [76.0], 90.), 'One seed, no gain')
