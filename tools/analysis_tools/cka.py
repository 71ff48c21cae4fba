"""Compares what the layers of models see, by centred kernel alignment (CKA)."""
import argparse
from collections.abc import Iterator, Mapping
from functools import partial

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import numpy as np
from torch import Tensor

from mmkd.analysis.cka import LEAST, Alignment, align, at_positions, channel_groups, one_hot_labels
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
from mmkd.analysis.tap_reader import TapReader, block_taps, matching_taps, wide_taps
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table

ALSO = ', or take fewer --positions or --taps'
EXPLANATION = MODELS + """
CKA is 1 for features that are the same but for rotation and scale, and about 0 for unrelated ones. It is estimated
without bias over minibatches (Nguyen et al. 2021), in float64; a last batch with fewer images is left out.

One model: each of its layers beside each other one. Several: the layers of the first one beside those of each other.
--groups 12: the output of each stage's last depthwise convolution, cut into 12 groups of channels, beside the images
and beside the classes (Fig. 6 of the ConvNeSt paper).

examples:
  mmkd analyse cka teacher.py=teacher.pth student.py=alone.pth student.py=distilled.pth --labels teacher alone distilled
  mmkd analyse cka convnest-small=convnest.pth --groups 12
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--taps', nargs='+', metavar='TAP', help="the layers: names, paths, or patterns such as "
                        "'backbone.stages.2.*' (default: all blocks, pre_logits and logits)")
    parser.add_argument('--groups', type=int, help='cut wide features into so many groups of channels')
    parser.add_argument('--positions', type=int, help='of maps, take so many random positions, which saves time '
                        '(default: all)')
    add_image_arguments(parser, number=1024, size='their own, or 224')
    parser.add_argument('--batch-size', type=int, default=64, help='images a batch (default: 64)')
    add_output_arguments(parser, 'work_dirs/analysis')
    args = parser.parse_args(argv)
    for option, value in (('--groups', args.groups), ('--positions', args.positions)):
        if value is not None and value < 1:
            parser.error(f'{option} expects 1 or more, got {value}. Correct it.')
    return args


class Layers:
    """The features of some layers of a model.

    Args:
        model: The model.
        taps: The layers.
        positions: See :func:`~mmkd.analysis.cka.at_positions`.
        groups: Whether, and into how many groups, the channels are cut.
        seed: Of the positions.
    """

    def __init__(self, model: AnalysedModel, taps: list[str], positions: int | None, groups: int | None,
                 seed: int) -> None:
        self._model, self._reader = model, TapReader(model.model, taps)
        self._positions, self._groups, self._seed = positions, groups, seed

    def __call__(self, images: Tensor, _: Tensor | None) -> Mapping[str, Tensor]:
        """The features of a batch."""
        read = self._reader(self._model.normalise(images))
        cut = {name: at_positions(value, self._positions, self._seed) for name, value in read.items()}
        if self._groups is None:
            return cut
        return {part: group for name, value in cut.items()
                for part, group in channel_groups(name, value, self._groups).items()}


def inputs(model: AnalysedModel, classes: int, images: Tensor, labels: Tensor | None) -> Mapping[str, Tensor]:
    """The images as a model takes them, and their classes."""
    one_hot = {} if labels is None else dict(labels=one_hot_labels(labels.to(images.device), classes))
    return dict(images=model.normalise(images), **one_hot)


def layer_maps(args: argparse.Namespace, models: list[AnalysedModel], images: ImageBatches
               ) -> dict[tuple[str, str], Alignment]:
    """The layers of the first model beside those of the others, or of itself."""
    def layers(model: AnalysedModel) -> Layers:
        taps = matching_taps(model.model, args.taps) if args.taps else block_taps(model.model)
        return Layers(model, taps, args.positions, None, args.seed)

    first = layers(models[0])
    pairs = {model.label: first if model is models[0] else layers(model) for model in models[1:] or models}
    found = {}
    for label, other in pairs.items():
        with images.enough_memory(label, ALSO):
            found[label, models[0].label] = align(batches_of(args, images, label), first, other)
    return found


def batches_of(args: argparse.Namespace, images: ImageBatches, label: str) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The batches on the device, with a bar."""
    return ((batch.to(args.device), labels) for batch, labels in progress(images, len(images), label))


def group_maps(args: argparse.Namespace, models: list[AnalysedModel], images: ImageBatches
               ) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Groups of channels beside images and labels, and the names of the stages."""
    found, stages = {}, []
    for model in models:
        taps = matching_taps(model.model, args.taps) if args.taps else wide_taps(model.model)
        stages = [f'stage {number}' for number in range(1, len(taps) + 1)] if not args.taps else taps
        layers = Layers(model, taps, args.positions, args.groups, args.seed)
        with images.enough_memory(model.label, ALSO):
            alignment = align(batches_of(args, images, model.label), layers,
                              partial(inputs, model, len(images.source.classes)))
        found[model.label] = {target: alignment.values[:, column].reshape(len(taps), args.groups)
                              for column, target in enumerate(alignment.columns)}
    return found, stages


def nearest_table(maps: dict[tuple[str, str], Alignment]) -> str:
    """For each layer of the first model, the layer of the others that is most like it."""
    (_, first), *_ = maps
    columns = [next(iter(maps.values())).rows]
    for (other, _), alignment in maps.items():
        values = np.nan_to_num(alignment.values, nan=-1)
        if other == first:
            np.fill_diagonal(values, -1)  # of itself, not the same layer
        columns.append([f'{alignment.columns[place]} {row[place]:.3f}'
                        for row, place in zip(values, values.argmax(1), strict=True)])
    return text_table([first, *(f'most like it in {other}' for other, _ in maps)], list(zip(*columns, strict=True)))


def groups_table(groups: dict[str, dict[str, np.ndarray]], stages: list[str]) -> str:
    """The range over the groups of each stage."""
    rows = [[label, target, *(f'{stage.min():.3f} to {stage.max():.3f}' for stage in values)]
            for label, entry in groups.items() for target, values in entry.items()]
    return text_table(['model', 'CKA with', *stages], rows)


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    report = Report(args.out, 'cka_groups' if args.groups else 'cka', args.force)
    models = analysed_models(args)
    images = analysed_images(args, models, args.batch_size, crop=True)
    if images.number < images.batch_size:
        images.batch_size = images.number
    if images.batch_size < LEAST:
        raise UserError(f'CKA expects at least {LEAST} images a batch, got {images.batch_size}. Give more images or '
                        'raise --batch-size.')
    if args.groups:
        from mmkd.analysis.figures.cka import groups_figure
        groups, stages = group_maps(args, models, images)
        print(groups_table(groups, stages))
        numbers = dict(stages=stages, cka=groups)
        figure = groups_figure(groups, stages, f'CKA of {args.groups} groups of channels')
    else:
        from mmkd.analysis.figures.cka import layers_figure
        maps = layer_maps(args, models, images)
        print(nearest_table(maps))
        numbers = {f'{first} × {other}': alignment._asdict() for (other, first), alignment in maps.items()}
        figure = layers_figure(maps)
    report.write(figure, numbers, settings_of(args, models, images))


if __name__ == '__main__':
    main()
