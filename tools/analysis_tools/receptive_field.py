"""Draws the effective receptive fields of models side by side, with their area ratios."""
import argparse
import time
from math import isnan

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)

from mmkd.analysis.command.arguments import (
    MODELS,
    add_image_arguments,
    add_model_arguments,
    add_output_arguments,
    analysed_images,
    analysed_models,
    settings_of,
)
from mmkd.analysis.command.batches import ImageBatches
from mmkd.analysis.command.models import AnalysedModel
from mmkd.analysis.command.progress import progress
from mmkd.analysis.command.report import Report
from mmkd.analysis.command.sizes import wide_size
from mmkd.analysis.erf import THRESHOLDS, ReceptiveField, area_ratios, contributions, receptive_field
from mmkd.analysis.tap_reader import TapReader, stage_taps, without_parameter_gradients
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.durations import clock
from mmkd.utils.command_line.tables import text_table

LONG = 30  # seconds
EXPLANATION = MODELS + """
For each pixel of the images: how much the middle of the last stage's map changes with it, averaged over the images.
The area ratio at t is the share of the image that the first centred square holding more than t of it takes. It is the
measure of RepLKNet, SLaK, "Are Large Kernels Better Teachers" and ConvNeSt.

examples:
  mmkd analyse erf slak-tiny_in1k convnext-tiny=convnext.pth --images imagenet/val
  mmkd analyse erf student.py=alone.pth student.py=distilled.pth --labels alone distilled --size 256
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--tap', help="the map whose middle is looked at (default: each model's last stage)")
    add_image_arguments(parser, number=50, size="the papers' 1024; 4 × the models' own below 160")
    parser.add_argument('--batch-size', type=int, default=1, help='images a pass (default: 1)')
    parser.add_argument('--thresholds', type=float, nargs='+', default=list(THRESHOLDS), metavar='SHARE',
                        help='of the area ratios (default: 0.2 0.3 0.5 0.99)')
    parser.add_argument('--linear', action='store_true',
                        help="draw and measure the scores themselves, not the papers' log10(score + 1)")
    add_output_arguments(parser, 'work_dirs/analysis')
    return parser.parse_args(argv)


def measure(args: argparse.Namespace, model: AnalysedModel, images: ImageBatches) -> ReceptiveField:
    """The receptive field of one model."""
    normalised = (model.normalise(batch.to(args.device)) for batch, _ in progress(images, len(images), model.label))
    with images.enough_memory(model.label):
        return receptive_field(model.model, normalised, args.tap or last_stage(model))


def announce(args: argparse.Namespace, models: list[AnalysedModel], images: ImageBatches) -> None:
    """Sets the size, and says which it is, why, and about how long it takes, by the first batch of each model."""
    why = 'as --size says'
    if args.size is None:
        images.size, why = wide_size(models, images.size)
    print(f'images: {images.number} of {images.size}×{images.size} ({why})', flush=True)
    first, start = next(iter(images))[0], time.monotonic()
    for model in models:
        tap = args.tap or last_stage(model)
        with images.enough_memory(model.label), without_parameter_gradients(model.model):
            contributions(TapReader(model.model, [tap]), model.normalise(first.to(args.device)), tap).cpu()
    left = (time.monotonic() - start) * len(images)
    print(f'about {clock(left)} for {len(models)} model{"s" if len(models) > 1 else ""}'
          + ('; a smaller --size or --number takes less' if left > LONG else ''), flush=True)


def last_stage(model: AnalysedModel) -> str:
    """The tap of a model's last stage."""
    return stage_taps(model.model)[-1]


def tables(fields: dict[str, ReceptiveField], thresholds: list[float], log: bool) -> tuple[str, dict]:
    """The table for the terminal, and the numbers."""
    numbers, rows = {}, []
    for label, field in fields.items():
        ratios = {kind: area_ratios(field.scores, thresholds, kind == 'log') for kind in ('log', 'linear')}
        numbers[label] = dict(area_ratios={kind: {f'{t:g}': value for t, value in values.items()}
                                           for kind, values in ratios.items()},
                              images=field.images, skipped=field.skipped, largest=field.scores.max())
        shown = ratios['log' if log else 'linear']
        cells = ['–' if isnan(ratio) else f'{100 * ratio:.2f} %' for ratio in shown.values()]
        rows.append([label, *cells, str(field.images), str(field.skipped or '')])
    header = ['area that holds more than', *(f'{100 * t:g} %' for t in thresholds), 'images', 'skipped (not a number)']
    return text_table(header, rows), numbers


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if not all(0 < share < 1 for share in args.thresholds):
        raise UserError(f'--thresholds expects shares between 0 and 1, got {args.thresholds}. Write 0.5 for 50 %.')
    report = Report(args.out, 'receptive_field', args.force)
    models = analysed_models(args)
    images = analysed_images(args, models, args.batch_size)
    announce(args, models, images)
    fields = {model.label: measure(args, model, images) for model in models}
    from mmkd.analysis.figures.erf import erf_figure  # matplotlib is there, as the report knows
    table, numbers = tables(fields, args.thresholds, not args.linear)
    print(table)
    figure = erf_figure(fields, args.thresholds, not args.linear,
                        f'Effective receptive fields, {images.size}×{images.size}')
    report.write(figure, numbers, settings_of(args, models, images),
                 {label: field.scores for label, field in fields.items()})


if __name__ == '__main__':
    main()
