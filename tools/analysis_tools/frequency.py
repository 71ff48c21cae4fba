"""Shows the frequencies of feature maps, or how far students are from their teachers beside the direct component."""
import argparse
from collections.abc import Callable

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import numpy as np
import torch
from torch import Tensor

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
from mmkd.analysis.command.models import RANDOM, AnalysedModel, split_model
from mmkd.analysis.command.progress import progress
from mmkd.analysis.command.report import Report
from mmkd.analysis.connected import ConnectedMaps, trained_distiller
from mmkd.analysis.frequency import Spectrum, alternative_distances, need_scipy, spectrum
from mmkd.analysis.tap_reader import TapReader, stage_taps
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table

EXPLANATION = MODELS + """
Each channel of the map goes through a cosine transform; absolute coefficients are averaged over images and channels.
The direct component, at the corner, is the mean over the positions (Figs. 2 and 5 of ScaleKD).

--distances: the models are recipes with their training checkpoints. For each image: the distance between the student's
map, behind the connector that the run has trained, and the teacher's, without their direct components (Figs. 3 and 6).

examples:
  mmkd analyse frequency timm:vit_large_patch16_224 swin-large=swin.pth convnext-tiny=convnext.pth --images imagenet/val
  mmkd analyse frequency scalekd.py=with/epoch_300.pth cap.py=without/epoch_300.pth --labels DFM CAP --distances
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--tap', help="the map (default: each model's last stage)")
    parser.add_argument('--distances', action='store_true', help='compare students with their teachers')
    parser.add_argument('--term', help='with --distances, the term that compares maps (default: the first that does)')
    parser.add_argument('--lengths', action='store_true',
                        help='with --distances, compare the features themselves, and not their directions only')
    add_image_arguments(parser, number=1600, size='their own, or 224')
    parser.add_argument('--batch-size', type=int, default=32, help='images a pass (default: 32)')
    add_output_arguments(parser, 'work_dirs/analysis')
    return parser.parse_args(argv)


def measure_spectrum(args: argparse.Namespace, model: AnalysedModel, images: ImageBatches) -> Spectrum:
    """The frequencies of one model's map."""
    tap = args.tap or stage_taps(model.model)[-1]
    reader = TapReader(model.model, [tap])
    batches = (model.normalise(batch.to(args.device)) for batch, _ in progress(images, len(images), model.label))
    with images.enough_memory(model.label):
        return spectrum(batches, lambda batch: reader(batch)[tap], f'{tap} of {model.label}')


def connected(args: argparse.Namespace, model: AnalysedModel) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """The maps of a recipe's student, behind its connector, and of its teacher."""
    _, checkpoint = split_model(model.name)
    if checkpoint in (None, RANDOM) or model.config is None:
        raise UserError(f'--distances expects RECIPE=CHECKPOINT, got {model.name}. Name the training checkpoint that '
                        'has the connector.')
    distiller = trained_distiller(model.config, checkpoint, model.label).to(args.device)
    return ConnectedMaps(distiller, args.term)


def measure_distances(args: argparse.Namespace, model: AnalysedModel, images: ImageBatches) -> np.ndarray:
    """The distance of each image."""
    maps = connected(args, model)
    with images.enough_memory(model.label):
        found = [alternative_distances(*maps(model.normalise(batch.to(args.device))), normalised=not args.lengths)
                 for batch, _ in progress(images, len(images), model.label)]
    return torch.cat(found).cpu().numpy()


def spectra(args: argparse.Namespace, models: list[AnalysedModel], images: ImageBatches, report: Report) -> None:
    """Prints, draws and writes frequencies."""
    from mmkd.analysis.figures.frequency import spectra_figure
    found = {model.label: measure_spectrum(args, model, images) for model in models}
    print(text_table(['model', 'map', 'direct component', 'of the energy', 'images'], [
        [label, '×'.join(map(str, each.magnitudes.shape)), f'{100 * each.direct_share:.1f} %',
         f'{100 * each.direct_energy:.1f} %', str(each.images)] for label, each in found.items()]))
    numbers = {label: dict(direct_share=each.direct_share, direct_energy=each.direct_energy, images=each.images,
                           magnitudes=each.magnitudes) for label, each in found.items()}
    report.write(spectra_figure(found), numbers, settings_of(args, models, images))


def distances(args: argparse.Namespace, models: list[AnalysedModel], images: ImageBatches, report: Report) -> None:
    """Prints, draws and writes feature distances."""
    from mmkd.analysis.figures.frequency import distances_figure
    found = {model.label: measure_distances(args, model, images) for model in models}
    quantiles = {label: np.quantile(values, (0.05, 0.5, 0.95)) for label, values in found.items()}
    print(text_table(['recipe', 'mean distance', 'median', '5 % to 95 %', 'images'], [
        [label, f'{values.mean():.4f}', f'{middle:.4f}', f'{low:.4f} to {high:.4f}', str(len(values))]
        for (label, values), (low, middle, high) in zip(found.items(), quantiles.values(), strict=True)]))
    numbers = {label: dict(mean=values.mean(), deviation=values.std(), images=len(values),
                           quantiles=dict(zip(('0.05', '0.5', '0.95'), quantiles[label], strict=True)))
               for label, values in found.items()}
    report.write(distances_figure(found, not args.lengths), numbers, settings_of(args, models, images), found)


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if not args.distances:
        need_scipy()
    report = Report(args.out, 'feature_distances' if args.distances else 'frequency', args.force)
    models = analysed_models(args)
    images = analysed_images(args, models, args.batch_size, crop=True)
    (distances if args.distances else spectra)(args, models, images, report)


if __name__ == '__main__':
    main()
