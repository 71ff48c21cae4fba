"""Draws histograms of features and weights of models on common axes, with skewness and excess kurtosis."""
import argparse
from dataclasses import asdict

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import numpy as np

from mmkd.analysis.command.arguments import (
    MODELS,
    add_image_arguments,
    add_model_arguments,
    add_output_arguments,
    analysed_images,
    analysed_models,
    settings_of,
)
from mmkd.analysis.command.batches import ImageBatches, enough_memory
from mmkd.analysis.command.models import AnalysedModel
from mmkd.analysis.command.progress import progress
from mmkd.analysis.command.report import Report
from mmkd.analysis.histograms import (
    Moments,
    MomentSums,
    common_edges,
    count_values,
    feature_counts,
    feature_moments,
    layer_weight,
    mixing_layers,
)
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table

EXPLANATION = MODELS + """
The layers are the last depthwise convolution of each stage, whose input and weight ConvNeSt draws (Figs. 3, 7 and 8);
of a stage without one, its last convolution larger than 1x1, or its last layer. Skewness is 0 where the two sides are
alike, excess kurtosis 0 for a normal distribution. Axes reach to 5 standard deviations at most; the moments are those
of all values.

examples:
  mmkd analyse histograms convnext-tiny=convnext.pth convnest-tiny=convnest.pth --images imagenet/val
  mmkd analyse histograms student.py=alone.pth student.py=distilled.pth --labels alone distilled
"""
KINDS = ('input feature', 'weight')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--layers', nargs='+', metavar='PATH', help='paths of other layers, the same in all models')
    parser.add_argument('--bins', type=int, default=80, help='bars of a histogram (default: 80)')
    add_image_arguments(parser, number=64, size='their own, or 224')
    parser.add_argument('--batch-size', type=int, default=16, help='images a pass (default: 16)')
    add_output_arguments(parser, 'work_dirs/analysis')
    return parser.parse_args(argv)


def measure(args: argparse.Namespace, models: list[AnalysedModel], images: ImageBatches
            ) -> tuple[dict[str, list[str]], dict[str, list[dict]]]:
    """The layers of each model, and what each panel of each row shows."""
    layers = {model.label: args.layers or mixing_layers(model.model) for model in models}
    found: dict[str, list[dict[str, Moments]]] = {}
    for model in models:
        taps = [f'{layer}@input' for layer in layers[model.label]]
        moments = feature_moments(model.model, normalised(args, model, images, 'moments'), taps)
        weights = [MomentSums() for _ in taps]
        for sums, layer in zip(weights, layers[model.label], strict=True):
            sums.add(layer_weight(model.model, layer))
        found[model.label] = [dict(zip(KINDS, (moments[tap], sums.moments()), strict=True))
                              for tap, sums in zip(taps, weights, strict=True)]
    stages = max(map(len, layers.values()))
    edges = [{kind: common_edges([each[stage][kind] for each in found.values() if stage < len(each)], args.bins)
              for kind in KINDS} for stage in range(stages)]
    rows: dict[str, list[dict]] = {kind: [{} for _ in range(stages)] for kind in KINDS}
    for model in models:
        own, label = layers[model.label], model.label
        features = feature_counts(model.model, normalised(args, model, images, 'histograms'), {
            f'{layer}@input': edges[stage]['input feature'] for stage, layer in enumerate(own)})
        for stage, layer in enumerate(own):
            bins = edges[stage]
            counts = features[f'{layer}@input'], count_values(layer_weight(model.model, layer), bins['weight'])
            for kind, count in zip(KINDS, counts, strict=True):
                rows[kind][stage][label] = (bins[kind], count, found[label][stage][kind])
    return layers, rows


def normalised(args: argparse.Namespace, model: AnalysedModel, images: ImageBatches, what: str) -> object:
    """The images as a model wants them."""
    return (model.normalise(batch.to(args.device)) for batch, _ in
            progress(images, len(images), f'{what} of {model.label}'))


def tables(layers: dict[str, list[str]], rows: dict[str, list[dict]]) -> tuple[str, dict]:
    """The table for the terminal, and the numbers."""
    numbers: dict[str, list[dict]] = {label: [dict(layer=layer) for layer in own] for label, own in layers.items()}
    lines = []
    for kind, panels in rows.items():
        for stage, panel in enumerate(panels):
            for label, (edges, counts, moments) in panel.items():
                numbers[label][stage][kind] = asdict(moments) | dict(
                    edges=edges, counts=counts, outside=moments.number - counts.sum())
                lines.append([kind, f'stage {stage + 1}', label, f'{moments.mean:.4g}', f'{moments.std:.4g}',
                              *(f'{value:.2f}' if np.isfinite(value) else '–'
                                for value in (moments.skewness, moments.kurtosis))])
    return text_table(['of the', 'at', 'model', 'mean', 'deviation', 'skewness', 'excess kurtosis'], lines), numbers


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if args.bins < 2:
        raise UserError(f'--bins expects 2 or more, got {args.bins}. Give 80.')
    report = Report(args.out, 'histograms', args.force)
    models = analysed_models(args)
    images = analysed_images(args, models, args.batch_size, crop=True)
    with enough_memory('a histogram', '--size or --batch-size'):
        layers, rows = measure(args, models, images)
    from mmkd.analysis.figures.histograms import histograms_figure  # matplotlib is there, as the report knows
    table, numbers = tables(layers, rows)
    print(table)
    what = 'the last depthwise convolution of each stage' if args.layers is None else 'layers'
    report.write(histograms_figure(rows, f'Input features and weights of {what}'), numbers,
                 settings_of(args, models, images))


if __name__ == '__main__':
    main()
