"""The quick start's report: from the metrics of its runs to ``report.json``, ``report.md`` and a table."""
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmkd.utils.command_line.tables import markdown_table

from .quickstart_inside import inside_content, inside_markdown

TOP1, BOXES, MASKS, REGIONS = 'accuracy/top1', 'coco/bbox_mAP', 'coco/segm_mAP', 'mIoU'
SCENE_FIGURES = dict(bbox_mAP=('mask-rcnn', BOXES), segm_mAP=('mask-rcnn', MASKS), mIoU=('upernet', REGIONS))
STAGES = {'mask-rcnn': 'detection', 'upernet': 'segmentation', 'inside': 'inside'}
INSIDE = ('inside-erf', 'inside-cka')  # runs that look into the models; not there without matplotlib
COLUMNS = ('', 'from scratch', 'alone', 'distilled', 'gain')
CAVEAT = ('These are tiny models on 8×8 digits, drawn on textures: they show that the whole path works and in which '
          'direction distillation moves the figures, and say nothing about ImageNet, COCO or ADE20K.')


@dataclass(frozen=True)
class Results:
    """What the runs left.

    Args:
        runs: Name of each run to the contents of its ``done.json``.
        student_seeds: Seeds of the students.
        student_kinds: ``alone``, ``distilled`` and maybe ``kd``.
        scene_seeds: Seeds of the detectors and segmentors.
        scene_kinds: ``scratch``, ``distilled`` and maybe ``alone``.
    """
    runs: Mapping[str, dict]
    student_seeds: Sequence[int]
    student_kinds: Sequence[str]
    scene_seeds: Sequence[int]
    scene_kinds: Sequence[str]

    def students(self, kind: str) -> list[float]:
        """Top-1 of each seed, in percent."""
        return [self.runs[f'{kind}-seed{seed}']['metrics'][TOP1] for seed in self.student_seeds]

    def scenes(self, figure: str, kind: str) -> list[float]:
        """``bbox_mAP``, ``segm_mAP`` or ``mIoU`` of each seed."""
        task, key = SCENE_FIGURES[figure]
        return [self.runs[f'{task}-{kind}-seed{seed}']['metrics'][key] for seed in self.scene_seeds]


def summary(values: Sequence[float]) -> dict:
    """Mean and standard error; None is the standard error of a single value."""
    values = [round(value, 4) for value in values]
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return dict(values=values, mean=round(statistics.fmean(values), 4),
                standard_error=None if error is None else round(error, 4))


def paired_gain(values: Sequence[float], baseline: Sequence[float]) -> dict:
    """What is gained over a baseline, seed by seed, and how many standard errors that is."""
    result = summary([value - other for value, other in zip(values, baseline, strict=True)])
    error = result['standard_error']
    return result | dict(in_standard_errors=round(result['mean'] / error, 2) if error else None)


def build_report(results: Results, setting: str, total_seconds: float, versions: dict[str, str]) -> dict:
    """Computes all figures.

    Args:
        results: What the runs left.
        setting: What data, labels and iterations were used, in plain words.
        total_seconds: How long everything took, by the clock.
        versions: What is installed.

    Returns:
        The contents of ``report.json``. Top-1 and mIoU are in percent; mAP, area ratios and CKA are from 0 to 1.
    """
    alone, distilled = results.students('alone'), results.students('distilled')
    report = dict(setting=setting, teacher_top1=round(results.runs['teacher']['metrics'][TOP1], 4))
    for kind in results.student_kinds:
        report[f'student_{kind}_top1'] = summary(results.students(kind))
    report['gain'] = paired_gain(distilled, alone)
    if 'kd' in results.student_kinds:
        report['gain_kd'] = paired_gain(results.students('kd'), alone)
    for figure in SCENE_FIGURES:
        report[figure] = _scene_figure(results, figure)
    if set(INSIDE) <= set(results.runs):
        report['inside'] = inside_content(*(results.runs[name]['metrics'] for name in INSIDE))
    return report | dict(seconds=stage_seconds(results.runs, total_seconds), versions=versions)


def _scene_figure(results: Results, figure: str) -> dict:
    values = {kind: results.scenes(figure, kind) for kind in results.scene_kinds}
    if len(results.scene_seeds) == 1:
        return {kind: round(value, 4) for kind, (value, ) in values.items()}
    gains = {f'gain_over_{kind}': paired_gain(values['distilled'], values[kind])
             for kind in values if kind != 'distilled'}
    return {kind: summary(value) for kind, value in values.items()} | gains


def stage_seconds(runs: Mapping[str, dict], total: float) -> dict[str, float]:
    """Seconds of each stage, summed over its runs, which run side by side; the total is by the clock."""
    seconds = dict.fromkeys(['teacher', *(f'students_{kind}' for kind in ('alone', 'distilled', 'kd')), 'publishing',
                             *STAGES.values()], 0.0)
    for name, run in runs.items():
        kind = name.partition('-seed')[0]
        first = 'publishing' if kind.startswith('publish') else kind
        stage = next((stage for task, stage in STAGES.items() if kind.startswith(task)),
                     f'students_{kind}' if '-seed' in name and first == kind else first)
        seconds[stage] = round(seconds.get(stage, 0) + run['seconds'], 1)
    return {stage: value for stage, value in seconds.items() if value} | dict(total=round(total, 1))


def table(report: dict) -> list[tuple[str, ...]]:
    """The rows of the table, its head first; what was not run is empty."""
    seeds = len(report['gain']['values'])
    rows: list[tuple[str, ...]] = [COLUMNS, ('teacher, top-1 (%)', '', f'{report["teacher_top1"]:.1f}', '', '')]
    for kind, name, gain in (('distilled', 'NKD', 'gain'), ('kd', 'KD', 'gain_kd')):
        if gain in report:
            rows.append((f'student, {name}, top-1 (%), {_seeds(seeds)}', '', _mean(report['student_alone_top1'], 1),
                         _mean(report[f'student_{kind}_top1'], 1), _gain(report[gain], 1)))
    for figure, model in (('bbox_mAP', 'Mask R-CNN'), ('segm_mAP', 'Mask R-CNN'), ('mIoU', 'UperNet')):
        values, digits = report[figure], 1 if figure == 'mIoU' else 3
        unit = f'{figure} (%)' if figure == 'mIoU' else figure
        gain = values.get('gain_over_scratch') or values['distilled'] - values['scratch']
        number = len(gain['values']) if isinstance(gain, dict) else 1
        rows.append((f'{model}, {unit}, {_seeds(number)}',
                     *(_mean(values.get(kind), digits) for kind in ('scratch', 'alone', 'distilled')),
                     _gain(gain, digits)))
    return rows


def _seeds(number: int) -> str:
    return f'{number} seed' + 's' * (number > 1)


def _mean(value: dict | float | None, digits: int) -> str:
    if value is None:
        return ''
    if not isinstance(value, dict):
        return f'{value:.{digits}f}'
    error = value['standard_error']
    return f'{value["mean"]:.{digits}f}' + ('' if error is None else f' ± {error:.{digits}f}')


def _gain(value: dict | float, digits: int) -> str:
    if not isinstance(value, dict):
        return f'{value:+.{digits}f}'
    many = value['in_standard_errors']
    return ('+' if value['mean'] >= 0 else '') + _mean(value, digits) + (
        '' if many is None else f' ({many:.1f} standard errors)')


def markdown(report: dict, commands: Sequence[str], figures: Mapping[str, str]) -> str:
    """The report to read.

    Args:
        report: What :func:`build_report` returned.
        commands: The commands that were run.
        figures: File name to caption.
    """
    header, *rows = table(report)
    pictures = [f'![{caption}]({name})\n\n*{caption}*\n' for name, caption in figures.items()]
    inside = ['## Inside the models', '', *inside_markdown(report['inside'])] if 'inside' in report else []
    seconds = ', '.join(f'{stage.replace("_", " ")} {value:.0f}' for stage, value in report['seconds'].items())
    versions = ', '.join(f'{name} {value}' for name, value in report['versions'].items())
    return '\n'.join([
        '# Quick start: from a large-kernel teacher to detection and segmentation', '', report['setting'], '', CAVEAT,
        '', '## Figures', '', markdown_table(header, rows), NOTES, '', *pictures, *inside, '## Time', '',
        f'Seconds: {seconds}. A stage is summed over its runs, which run side by side; the total is by the clock.', '',
        '## Commands', '', '```bash', *commands, '```', '', '## Versions', '', f'{versions}.', ''
    ])


NOTES = ('All are the last validation of a run, from its log. *alone*: trained on its labels only; for Mask R-CNN and '
         'UperNet, with the backbone of such a student. *distilled*: trained with the teacher too; for Mask R-CNN and '
         'UperNet, with the backbone of the student distilled with NKD. *gain*: distilled less alone for students, '
         'less from scratch for the others, seed by seed. After ±: the standard error of the mean. '
         'A single seed has none, so a small difference there may be chance.')
