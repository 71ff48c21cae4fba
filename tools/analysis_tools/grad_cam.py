"""Draws Grad-CAM: which places of the images speak for a class, a row an image and a column a model."""
import argparse

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import numpy as np
import torch
from torch import Tensor

from mmkd.analysis.cam import ClassMaps, cam_tap, grad_cam, need_captum, upsampled
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
from mmkd.analysis.command.running import other_labels, say_other_classes
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table

EXPLANATION = MODELS + """
Each map is divided by its own largest value: compare where maps are bright, not how bright. It is computed by captum
(pip install captum) at the last stage; of a transformer with a class token at the input of its last block, after
which only the class token is read.

examples:
  mmkd analyse cam timm:resnet50 timm:deit_small_patch16_224 convnest-small=mine.pth --images imagenet/val
  mmkd analyse cam student.py=alone.pth student.py=distilled.pth --labels alone distilled --target label
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--target', default='predicted', metavar='CLASS', help='the class that is asked about: '
                        'predicted, label (that of the image), or an index (default: predicted)')
    parser.add_argument('--tap', help="the map or tokens, NAME@input for a module's input (default: see below)")
    add_image_arguments(parser, number=4, size='their own, or 224')
    add_output_arguments(parser, 'work_dirs/analysis')
    return parser.parse_args(argv)


def targets(text: str, labels: Tensor | None, count: int) -> Tensor | None:
    """The class of each image; None for the predicted ones.

    Raises:
        UserError: There is no such class, or the images have no labels.
    """
    if text == 'predicted':
        return None
    if text == 'label':
        if labels is None:
            raise UserError('--target label expects images with classes, got a folder without subfolders. Leave it '
                            'out, or name the class.')
        return labels
    if not text.isascii() or not text.isdigit():
        raise UserError(f'--target expects predicted, label or the index of a class, got {text!r}. Correct it.')
    return torch.full((count, ), int(text))


def measure(args: argparse.Namespace, model: AnalysedModel, images: Tensor, classes: Tensor | None) -> list[ClassMaps]:
    """The maps of one model, image by image."""
    found = []
    for number in progress(range(len(images)), len(images), model.label):
        wanted = None if classes is None else classes[number:number + 1].to(args.device)
        image = model.normalise(images[number:number + 1].to(args.device))
        found.append(grad_cam(model.model, image, args.tap, wanted))
    return found


def describe(maps: list[ClassMaps], names: tuple[str, ...]) -> list[str]:
    """What stands above each map: the class, its score, and the prediction where that is another one."""
    lines = []
    for found in maps:
        target, prediction = int(found.classes), int(found.predictions)
        line = f'{named(target, names)}: {100 * float(found.scores):.0f} %'
        lines.append(line if target == prediction else f'{line}\n(predicted: {named(prediction, names)})')
    return lines


def named(index: int, names: tuple[str, ...]) -> str:
    """The name of a class, or its number."""
    name = names[index] if index < len(names) else f'class {index}'
    return name if len(name) < 20 else f'{name[:18]}…'


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    need_captum()
    report = Report(args.out, 'grad_cam', args.force)
    models = analysed_models(args)
    source = analysed_images(args, models, 1, crop=True)
    other = other_labels(models, source)
    if other and args.target == 'label':
        raise UserError(other)
    batches = list(source)
    images = torch.cat([batch for batch, _ in batches])
    labels = None if batches[0][1] is None else torch.cat([label for _, label in batches])
    classes = targets(args.target, labels, len(images))
    with enough_memory('Grad-CAM', '--size'):
        found = {model.label: measure(args, model, images, classes) for model in models}
    for label in found:
        say_other_classes(label, source, found[label][0].known)
    names = source.source.classes
    captions = {label: describe(maps, () if other else names) for label, maps in found.items()}
    titles = [named(int(label), names) for label in labels] if labels is not None else [
        f'image {number + 1}' for number in range(len(images))]
    print(text_table(['image', *found], [[title, *(captions[label][number].replace('\n', ' ') for label in found)]
                                         for number, title in enumerate(titles)]))
    from mmkd.analysis.figures.cam import cam_figure  # matplotlib is there, as the report knows
    large = {label: [upsampled(each.maps, source.size)[0].cpu().numpy() for each in maps]
             for label, maps in found.items()}
    numbers = {model.label: dict(tap=args.tap or cam_tap(model.model), images=[dict(
        target=int(each.classes), score=float(each.scores), predicted=int(each.predictions), map=each.maps[0])
        for each in found[model.label]]) for model in models}
    figure = cam_figure(list(images.permute(0, 2, 3, 1).numpy()), titles, large, captions, 'Grad-CAM')
    report.write(figure, numbers, settings_of(args, models, source),
                 {label: np.stack(maps) for label, maps in large.items()})


if __name__ == '__main__':
    main()
