"""Tests models on other images than those that they were trained for, side by side."""
import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import numpy as np
import torch
from mmengine.dist import is_main_process
from torch import Tensor

from mmkd.analysis.cam import expect_classes, expect_logits
from mmkd.analysis.command.arguments import (
    MODELS,
    add_image_arguments,
    add_model_arguments,
    add_output_arguments,
    analysed_images,
    analysed_models,
    settings_of,
)
from mmkd.analysis.command.batches import enough_memory
from mmkd.analysis.command.models import AnalysedModel
from mmkd.analysis.command.progress import progress
from mmkd.analysis.command.report import Report
from mmkd.analysis.command.running import (
    add_launcher_argument,
    check_labels,
    join_processes,
    say_other_classes,
)
from mmkd.analysis.robustness.corruption_errors import baseline_errors, corruption_error, corruption_errors
from mmkd.analysis.robustness.corruptions import need_imagecorruptions
from mmkd.analysis.robustness.test_sets import METRICS, Robustness, measure_robustness
from mmkd.analysis.tap_reader import TapReader
from mmkd.datasets.classification.imagenet_variants import CORRUPTIONS, SEVERITIES
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table

EXPLANATION = MODELS + """
Without --corrupt: clean accuracy, and ImageNet-C (mCE with AlexNet's errors), Sketch, R, A, V2 and ReaL, as in Tables
7 and 9 of "Are Large Kernels Better Teachers". What is not on the disk is named and left out. Images go through the
test pipeline of a model's config; without a config they are resized to 256 and cropped to 224.

With --corrupt: 15 corruptions of 5 severities of any images with classes, made on the fly, the same bits for all
models. mCE is the mean over the corruptions of a model's error over that of the baseline. Images are cropped to
--size first.

examples:
  mmkd analyse robustness convnext-tiny slak-tiny_in1k recipe.py=student.pth
  mmkd analyse robustness slak-tiny_in1k --sets clean imagenet-a --roots imagenet-a=/data/imagenet-a
  mmkd analyse robustness student.py=alone.pth student.py=distilled.pth --labels alone distilled --corrupt
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--sets', nargs='+', default=list(METRICS), metavar='SET',
                        help=f'which of {", ".join(METRICS)} (default: all)')
    parser.add_argument('--roots', nargs='+', default=[], metavar='SET=FOLDER',
                        help='where test sets are, if not in data/SET; archive://… too')
    parser.add_argument('--corrupt', action='store_true', help='corrupt images instead')
    parser.add_argument('--baseline', metavar='LABEL', help='with --corrupt, the model that the mCE is relative to, or '
                        'alexnet (default: the first model)')
    parser.add_argument('--corruptions', nargs='+', metavar='NAME',
                        help='with --corrupt, which (default: the 15)')
    parser.add_argument('--severities', nargs='+', type=int, metavar='NUMBER',
                        help='with --corrupt, which (default: 1 to 5)')
    add_image_arguments(parser, number=200, size='their own, or 224')
    parser.add_argument('--batch-size', type=int, default=50, help='with --corrupt, images a pass (default: 50)')
    add_launcher_argument(parser, 'images')
    add_output_arguments(parser, 'work_dirs/analysis')
    return parser.parse_args(argv)


def settle_corruptions(args: argparse.Namespace) -> None:
    """Takes all corruptions and severities where the command line names none.

    Raises:
        UserError: It names some, or a baseline, and nothing is corrupted.
    """
    given = [name for name in ('baseline', 'corruptions', 'severities') if getattr(args, name) is not None]
    if given and not args.corrupt:
        raise UserError(f'--{given[0]} expects --corrupt, got none. Add --corrupt, or leave --{given[0]} out.')
    args.corruptions, args.severities = args.corruptions or list(CORRUPTIONS), args.severities or list(SEVERITIES)


def scores_of(model: AnalysedModel, device: str) -> Callable[[Tensor], Tensor]:
    """RGB images of uint8 to softmax scores."""
    reader = TapReader(model.model, ['logits'])

    def scores(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return expect_logits(model.model, reader(model.normalise(images.to(device)))).softmax(1)

    return scores


def read_roots(entries: list[str]) -> dict[str, str]:
    """Test set to folder.

    Raises:
        UserError: An entry is not of that form.
    """
    roots = dict(entry.partition('=')[::2] for entry in entries)
    for name, folder in roots.items():
        if name not in METRICS or not folder:
            raise UserError(f'--roots expects SET=FOLDER with one of {", ".join(METRICS)}, got {name}={folder}. '
                            'Write, for example, imagenet-a=/data/imagenet-a.')
    return roots


def on_sets(args: argparse.Namespace, models: list[AnalysedModel], report: Report | None) -> None:
    """Tests on the sets that are there."""
    roots, found = read_roots(args.roots), {}
    for model in models:
        def watch(batches: Iterable, count: int, name: str, label: str = model.label) -> Iterator:
            return progress(batches, count, f'{label} on {name}')
        found[model.label] = measure_robustness(scores_of(model, args.device), model.config, args.sets, roots, watch)
    if report is None:
        return
    for reason, labels in missing(found).items():
        print(reason + ('' if len(labels) == len(found) else f' (for {", ".join(labels)})'))
    if not any(each.metrics for each in found.values()):
        raise UserError('robustness expects test sets, found the data of none. docs/prepare_data.md says how to get '
                        'them; --corrupt needs only validation images.')
    names = [name for name in METRICS if name in args.sets]
    print(text_table(['model', *(METRICS[name][0] for name in names)], [
        [label, *('–' if (value := each.shown(name)) is None else f'{value:.2f}' for name in names)]
        for label, each in found.items()]))
    from mmkd.analysis.figures.robustness import sets_figure  # matplotlib is there, as the report knows
    numbers = {label: dict(metrics=each.metrics, missing=each.missing) for label, each in found.items()}
    report.write(sets_figure(found, 'Test sets of ImageNet\'s classes'), numbers, settings_of(args, models))


def missing(found: dict[str, Robustness]) -> dict[str, list[str]]:
    """What was left out and why, to the models of which that is so."""
    reasons: dict[str, list[str]] = {}
    for label, each in found.items():
        for name, reason in each.missing.items():
            reasons.setdefault(f'Left out: {name}: {reason.partition(". ")[0]}', []).append(label)
    return reasons


def corrupted(args: argparse.Namespace, models: list[AnalysedModel], report: Report | None) -> None:
    """Tests on corrupted images."""
    need_imagecorruptions()
    images = analysed_images(args, models, args.batch_size, crop=True)
    check_labels(models, images)
    scores = {model.label: scores_of(model, args.device) for model in models}
    classes = {}

    def predict(label: str, batch: Tensor) -> Tensor:
        found = scores[label](batch)
        classes[label] = found.shape[1]
        return found.argmax(1)

    def labelled() -> Iterator[tuple[Tensor, Tensor]]:
        for batch, labels in progress(images, len(images), 'corrupting'):
            if labels is None:
                raise UserError('errors expect images with classes, got a folder without subfolders. Put the images of '
                                'each class into a folder of its own.')
            for each in scores.values():
                expect_classes(labels, each(batch[:1]))
            yield batch, labels

    errors = corruption_errors({label: partial(predict, label) for label in scores}, labelled(), args.seed,
                               args.corruptions, args.severities)
    if report is None:
        return
    for label, own in classes.items():
        say_other_classes(label, images, own)
    name, base = baseline_errors(args.baseline, errors, args.corruptions, args.severities, next(iter(classes.values())))
    ratios = {label: 100 * corruption_error(each.corrupted, base) for label, each in errors.items()}
    print(text_table(['model', 'clean error', 'mean error', f'mCE beside {name}', 'images'], [
        [label, f'{100 * each.clean:.2f} %', f'{100 * each.corrupted.mean():.2f} %', f'{ratios[label].mean():.2f} %',
         str(each.images)] for label, each in errors.items()]))
    without = [each for each, value in zip(args.corruptions, base.sum(1), strict=True) if not value]
    if without:
        print(f'No mCE: {name} makes no error under {", ".join(without)}. Take more images or another --baseline.')
    numbers = dict(corruptions=args.corruptions, severities=args.severities, baseline=name, models={
        label: dict(clean=each.clean, errors=each.corrupted, CE=ratios[label], mCE=np.mean(ratios[label]),
                    images=each.images) for label, each in errors.items()})
    from mmkd.analysis.figures.robustness import corruptions_figure  # matplotlib is there, as the report knows
    figure = corruptions_figure(errors, args.corruptions, args.severities,
                                f'Errors on corrupted images, {images.size}×{images.size}')
    report.write(figure, numbers, settings_of(args, models, images))


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    settle_corruptions(args)
    join_processes(args)
    name = 'corruptions' if args.corrupt else 'robustness'
    report = Report(args.out, name, args.force) if is_main_process() else None
    models = analysed_models(args)
    options = '--size or --batch-size' if args.corrupt else 'test_dataloader.batch_size in the config'
    with enough_memory('the test', options):
        (corrupted if args.corrupt else on_sets)(args, models, report)


if __name__ == '__main__':
    main()
