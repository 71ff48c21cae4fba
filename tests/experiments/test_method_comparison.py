"""Gains of distillation methods."""
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mmkd.experiments.method_comparison import compare, comparison_table, describe_terms, draw_gains

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


@pytest.mark.parametrize(('model', 'want'), [
    (dict(terms=dict(nkd=dict(loss=dict(type='mmkd.NKDLoss', temperature=3.0, gamma=3.5), weight=1.0))),
     'NKDLoss(temperature=3, gamma=3.5)'),
    (dict(task_weight=0.5, terms=dict(kd=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), weight=0.5),
                                      rkd=dict(loss=dict(type='RKDLoss')))),
     '0.5 × task + 0.5 × KDLoss(temperature=1) + RKDLoss()'),
    (dict(task_weight=0., terms=dict(a=dict(loss=dict(type='mmkd.ATLoss'), weight=dict(value=1.0, warmup=3)))),
     '0 × task + schedule(value=1, warmup=3) × ATLoss()'),
    (dict(type='A', backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='a.pth'))), 'backbone from a.pth'),
    (dict(type='A', backbone=dict(init_cfg=[dict(type='Kaiming')])), '')])
def test_terms_are_described(model, want):
    assert describe_terms(model) == want


def test_table_and_chart(tmp_path):
    rows = compare(STUDENTS, ALONE, 90.)
    lines = comparison_table(rows, ALONE, 90., dict(alone=20., nkd=25., worse=30.),
                             dict(nkd='NKDLoss(gamma=3)', worse='')).splitlines()
    assert lines[2] == '| *teacher* | 90.0 |  |  |  |  |'
    assert lines[3] == '| *student alone* | 77.0 ± 1.0 |  |  | 20 |  |'
    assert lines[4] == '| nkd | 81.5 ± 1.5 | +4.5 ± 0.5 | +5.0 ± 0.6 | 25 | NKDLoss(gamma=3) |'
    assert comparison_table(rows, ALONE, 90., dict(alone=20., nkd=25., worse=30.), dict(nkd='', worse=''),
                            'mIoU').startswith('| method | mIoU (%) | Direct Gain |')
    draw_gains(tmp_path / 'gains.png', rows, 'Gains')
    assert Image.open(tmp_path / 'gains.png').size[1] > 400


def test_a_teacher_that_scores_nothing_leaves_the_direct_gain(tmp_path):
    """As a detector that has found no object: what the runs have taken hours for is written all the same."""
    rows = compare(STUDENTS, ALONE, 0.)
    assert rows['nkd']['effective_gain'] is None and rows['nkd']['direct_gain']['mean'] == 4.5
    seconds, terms = dict(alone=20., nkd=25., worse=30.), dict(nkd='', worse='')
    assert '| nkd | 81.5 ± 1.5 | +4.5 ± 0.5 | – | 25 |  |' in comparison_table(rows, ALONE, 0., seconds, terms)
    draw_gains(tmp_path / 'gains.png', rows, 'Gains')
    assert (tmp_path / 'gains.png').is_file()


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draws the gains of students over one at 50; returns the axes and the figure."""
    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, 'savefig', lambda figure, *args, **kwargs: (
        figures.append(figure), save(figure, *args, **kwargs)))

    def _draw(title: str, seeds: int = 2, **students: float) -> tuple[Axes, Figure]:
        rows = compare({name: [top1 + seed for seed in range(seeds)] for name, top1 in students.items()},
                       [50.0] * seeds, 90.)
        draw_gains(tmp_path / 'gains.png', rows, title)
        figures[-1].draw_without_rendering()
        return figures[-1].axes[0], figures[-1]

    return _draw


def test_one_seed_has_no_error_bars(draw):
    axes, _ = draw('One seed, no gain', seeds=1, kd=50.)
    assert axes.get_ylabel() == 'Direct Gain (points of top-1)'
    assert [type(container).__name__ for container in axes.containers] == ['BarContainer']
    axes, _ = draw('Two seeds', kd=55., nkd=60.)
    assert sum(type(container).__name__ == 'ErrorbarContainer' for container in axes.containers) == 2


@pytest.mark.parametrize('students', [dict(kd=55.), dict(kd=55., dkd=56., nkd=57., ofd=1.)])
def test_the_title_is_in_the_picture(draw, students):
    axes, figure = draw('Gain over the student alone, mean of 5 seeds ± 1 standard error', **students)
    extent = axes.title.get_window_extent()
    assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1 and extent.y1 <= figure.bbox.y1


def test_one_bar_far_below_does_not_squeeze_the_others(draw):
    axes, _ = draw('Gains', kd=55., dkd=56., nkd=58., ofd=0.)
    assert axes.get_ylim()[0] == -2 * 8.5 and [text.get_text() for text in axes.texts] == ['-49.5']
    assert axes.get_title().splitlines() == ['Gains', 'The axis is cut: ofd is at -49.5 ± 0.5.']
    assert [bar.get_hatch() for bar in axes.containers[0]] == [None, None, None, '//']


@pytest.mark.parametrize('students', [dict(kd=55., ofd=0.), dict(kd=55., dkd=45., nkd=58., at=42.),
                                      dict(kd=52., dkd=51., nkd=51., reviewkd=55.5)])
def test_axes_are_not_cut_without_need(draw, students):
    axes, _ = draw('Gains', **students)
    assert axes.get_title() == 'Gains' and axes.get_ylim()[0] < min(students.values()) - 50 + 0.5
