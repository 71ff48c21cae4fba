import json

import pytest

from mmkd.experiments.distillation_figures import DistillationLog, distillation_figure
from mmkd.utils import UserError

TRAIN = [{'task_loss': 2. - 0.1 * i, 'loss_kd': 1. / i, 'loss': 3., 'iter': 10 * i, 'step': 10 * i, 'epoch': 1,
          'grad_share/task': share, 'grad_share/kd': 1 - share} for i, share in ((1, 0.5), (2, 0.5), (3, 0.25))]
VAL = [{'accuracy/top1': 20. * epoch, 'teacher_agreement': 30. * epoch, 'teacher_kl': 1. / epoch, 'time': 0.1,
        'data_time': 0.1, 'step': epoch} for epoch in (1, 2)]
TEACHER = [{'teacher/accuracy/top1': 80., 'step': 0}]


def write(folder, *groups):
    path = folder / '20260101/vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(entry) + '\n' for group in groups for entry in group))
    return folder


def lines(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


def test_what_is_drawn(tmp_path):
    log = DistillationLog.read(write(tmp_path / 'run', TEACHER, TRAIN, VAL))
    losses, shares, metric, agreement, divergence = distillation_figure({'my run': log}).axes
    assert lines(losses) == {
        'task_loss': ([10, 20, 30], [pytest.approx(v) for v in (1.9, 1.8, 1.7)]),
        'kd': ([10, 20, 30], [pytest.approx(v) for v in (1., 0.5, 1 / 3)])}
    assert losses.get_ylabel() == 'my run'
    assert lines(shares) == {'task': ([10, 30], [0.5, 0.25]), 'kd': ([10, 30], [0.5, 0.75])}
    assert metric.get_title() == 'accuracy/top1' and metric.get_xlabel() == 'epoch'
    assert lines(metric) == {'student': ([1, 2], [20., 40.]), 'teacher, 80': ([0, 1], [80., 80.])}
    assert metric.lines[1].get_linestyle() == '--'
    assert lines(agreement) == {'teacher': ([1, 2], [30., 60.])}
    assert lines(divergence) == {'teacher': ([1, 2], [1., 0.5])}


def test_several_teachers_and_runs_and_what_is_not_logged(tmp_path):
    teachers = [{f'teacher/{name}/accuracy/top1': value, 'step': 0} for name, value in (('a', 70.), ('b', 80.))]
    val = [{'accuracy/top1': 50., 'accuracy/top5': 90., 'teacher_kl/a': 1., 'teacher_kl/b': 2., 'step': 1}]
    first = DistillationLog.read(write(tmp_path / 'first', teachers, TRAIN, val))
    second = DistillationLog.read(write(tmp_path / 'second', [{'task_loss': 1., 'loss_fd': 1., 'iter': 5, 'step': 5}]))
    axes = distillation_figure(dict(first=first, second=second)).axes
    assert len(axes) == 10 and axes[0].get_ylim() == axes[5].get_ylim()
    assert set(lines(axes[2])) == {'student', 'teacher a, 70', 'teacher b, 80'}
    assert set(lines(axes[4])) == {'teacher a', 'teacher b'}
    assert [[text.get_text() for text in panel.texts] for panel in axes[6:]] == [['not logged']] * 4
    assert axes[7].get_xlabel() == 'iteration'
    assert set(lines(distillation_figure(dict(first=first), 'accuracy/top5').axes[2])) == {'student'}
    with pytest.raises(UserError, match=r"got 'accuracy/top3'. Did you mean accuracy/top"):
        distillation_figure(dict(first=first), 'accuracy/top3')


def test_figures_that_are_no_numbers_are_not_drawn(tmp_path):
    wrong = [dict(TRAIN[0], loss_kd=value, task_loss=value, iter=step, step=step)
             for step, value in ((1, 'high'), (2, None), (3, [1.]), (4, True))]
    log = DistillationLog.read(write(tmp_path / 'run', wrong, TRAIN, [dict(VAL[0], teacher_kl='low'), VAL[1]]))
    losses, *_, divergence = distillation_figure({'my run': log}).axes
    assert lines(losses)['kd'][0] == [10, 20, 30] and lines(divergence) == {'teacher': ([2], [0.5])}


def test_folders_without_such_a_log(tmp_path):
    with pytest.raises(UserError, match='which does not exist'):
        DistillationLog.read(tmp_path / 'none')
    with pytest.raises(UserError, match='found none. Give the work dir of a run that has logged'):
        DistillationLog.read(tmp_path)
    with pytest.raises(UserError, match='expects the log of a distillation run'):
        DistillationLog.read(write(tmp_path / 'plain', [dict(loss=1., iter=1, step=1)]))
