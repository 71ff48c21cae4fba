import json

import pytest

from mmkd.experiments.quickstart_report import (
    BOXES,
    MASKS,
    REGIONS,
    TOP1,
    Results,
    build_report,
    markdown,
    paired_gain,
    stage_seconds,
    summary,
    table,
)

VERSIONS = dict(python='3.11', torch='2.12.1')


def results(full=False):
    student_kinds = ('alone', 'distilled', 'kd') if full else ('alone', 'distilled')
    scene_kinds = ('scratch', 'alone', 'distilled') if full else ('scratch', 'distilled')
    seeds = range(3 if full else 1)
    runs = dict(teacher=dict(metrics={TOP1: 95.5}, seconds=60.))
    for number, kind in enumerate(student_kinds):
        for seed in range(5):
            top1 = 70. + 5 * number + seed + 0.1 * number * seed
            runs[f'{kind}-seed{seed}'] = dict(metrics={TOP1: top1}, seconds=10.)
    for number, kind in enumerate(scene_kinds):
        for seed in seeds:
            figures = {BOXES: 0.2 + 0.05 * number, MASKS: 0.25 + 0.05 * number}
            runs[f'mask-rcnn-{kind}-seed{seed}'] = dict(metrics=figures, seconds=40.)
            runs[f'upernet-{kind}-seed{seed}'] = dict(metrics={REGIONS: 30. + seed + number}, seconds=20.)
    runs['publish-distilled-seed0'] = dict(metrics={}, seconds=3.)
    return Results(runs, range(5), student_kinds, seeds, scene_kinds)


def test_summary():
    assert summary([1., 2., 3.]) == dict(values=[1., 2., 3.], mean=2., standard_error=0.5774)  # 1 / √3
    assert summary([1.]) == dict(values=[1.], mean=1., standard_error=None)


def test_gain_is_paired():
    # the seeds differ much, the gains little
    gain = paired_gain([12., 23., 31.], [10., 20., 30.])
    assert gain['values'] == [2., 3., 1.] and gain['mean'] == 2.
    assert gain['in_standard_errors'] == pytest.approx(2 * 3**0.5, abs=0.01)
    assert paired_gain([1., 2.], [0., 1.])['in_standard_errors'] is None  # equal gains have no spread
    with pytest.raises(ValueError, match='zip'):
        paired_gain([1., 2., 3.], [1.])  # of other seeds


def test_quick_report():
    report = build_report(results(), 'Digits.', 321.04, VERSIONS)
    assert json.loads(json.dumps(report)) == report
    assert set(report) == {'setting', 'teacher_top1', 'student_alone_top1', 'student_distilled_top1', 'gain',
                           'bbox_mAP', 'segm_mAP', 'mIoU', 'seconds', 'versions'}
    assert report['teacher_top1'] == 95.5
    assert report['student_alone_top1']['values'] == [70., 71., 72., 73., 74.]
    assert report['gain']['mean'] == pytest.approx(5.2)
    assert report['bbox_mAP'] == dict(scratch=0.2, distilled=0.25)
    assert report['mIoU'] == dict(scratch=30., distilled=31.)
    assert report['seconds'] == dict(teacher=60., students_alone=50., students_distilled=50., publishing=3.,
                                     detection=80., segmentation=40., total=321.)


def test_full_report_has_more():
    quick, full = (build_report(results(kind), 'Digits.', 1., VERSIONS) for kind in (False, True))
    assert set(full) == set(quick) | {'student_kd_top1', 'gain_kd'}
    assert full['mIoU']['distilled'] == summary([32., 33., 34.])
    assert set(full['mIoU']) == {'scratch', 'alone', 'distilled', 'gain_over_scratch', 'gain_over_alone'}
    assert full['mIoU']['gain_over_scratch']['mean'] == 2.


def test_stage_of_each_run():
    runs = {name: dict(seconds=1.) for name in ('teacher', 'kd-seed0', 'publish-alone-seed1', 'upernet-alone-seed2')}
    assert stage_seconds(runs, 9.) == dict(teacher=1., students_kd=1., publishing=1., segmentation=1., total=9.)


def test_tables():
    rows = table(build_report(results(), 'Digits.', 1., VERSIONS))
    assert rows[2] == ('student, NKD, top-1 (%), 5 seeds', '', '72.0 ± 0.7', '77.2 ± 0.8',
                       '+5.2 ± 0.1 (73.5 standard errors)')
    assert rows[3] == ('Mask R-CNN, bbox_mAP, 1 seed', '0.200', '', '0.250', '+0.050')
    full = table(build_report(results(full=True), 'Digits.', 1., VERSIONS))
    assert [row[0] for row in full[2:4]] == ['student, NKD, top-1 (%), 5 seeds', 'student, KD, top-1 (%), 5 seeds']
    assert all(row[1] and row[2] and row[3] for row in full[4:])


def test_markdown():
    report = build_report(results(), 'The data are digits.', 1., VERSIONS)
    text = markdown(report, ['python tools/train.py a.py'], {'curves.png': 'Curves.'})
    for part in ('The data are digits.', 'tiny models', '| teacher, top-1 (%) |  | 95.5 |  |  |',
                 '![Curves.](curves.png)', 'python tools/train.py a.py', 'torch 2.12.1'):
        assert part in text
