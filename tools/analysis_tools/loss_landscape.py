"""Draws the loss on a plane or a line through the weights of models."""
import argparse
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from functools import partial

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import torch
from mmengine.dist import is_main_process
from torch import Tensor, nn

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
from mmkd.analysis.command.models import AnalysedModel, split_model
from mmkd.analysis.command.progress import progress
from mmkd.analysis.command.report import Report
from mmkd.analysis.command.running import (
    add_launcher_argument,
    check_labels,
    join_processes,
    say_other_classes,
)
from mmkd.analysis.connected import trained_distiller
from mmkd.analysis.loss_landscape import (
    Evaluation,
    Landscape,
    batch_mean,
    cross_entropy,
    grid_steps,
    loss_landscape,
    one_thread_a_copy,
    random_direction,
    recompute_statistics,
)
from mmkd.analysis.tap_reader import TapReader
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table

EXPLANATION = MODELS + """
The directions are Gaussian, and each filter of them has the norm of the weights' filter; biases and norms stay (Li et
al., 2018; ConvNeSt, Fig. 5). The loss is the cross-entropy with the labels, without augmentation, label smoothing or
dropout; with --loss distillation it is what a recipe trains: the student's own loss and all terms. All images are
kept in memory. A plane of 51 x 51 points takes 2,601 evaluations. On a CPU each core evaluates a copy of the model.
Several processes share the points:

  torchrun --nproc_per_node 2 tools/analysis_tools/loss_landscape.py MODEL --launcher pytorch

examples:
  mmkd analyse landscape convnest-tiny=mine.pth convnext-tiny=theirs.pth --images imagenet/train --number 1000
  mmkd analyse landscape recipe.py=work_dirs/recipe/epoch_10.pth --loss distillation --line
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--points', type=int, default=51, help='points along each direction, odd (default: 51)')
    parser.add_argument('--extent', type=float, default=1., help='how far each direction goes (default: 1)')
    parser.add_argument('--line', action='store_true', help='one direction instead of two')
    parser.add_argument('--loss', choices=['task', 'distillation'], default='task',
                        help='cross-entropy, or the loss of a recipe (default: task)')
    parser.add_argument('--recompute-statistics', action='store_true',
                        help='give batch norms the statistics of the images at each point, instead of leaving them')
    add_image_arguments(parser, number=32, size='their own, or 224')
    parser.add_argument('--batch-size', type=int, default=32, help='images a pass (default: 32)')
    add_launcher_argument(parser, 'points')
    add_output_arguments(parser, 'work_dirs/analysis')
    return parser.parse_args(argv)


def objective(args: argparse.Namespace, model: AnalysedModel, batches: list[tuple[Tensor, Tensor]]) -> Evaluation:
    """The network whose weights move, and its loss."""
    if args.loss == 'distillation':
        return _distillation(args, model, batches)
    reader = TapReader(model.model, ['logits'])

    def logits(images: Tensor) -> Tensor:
        return reader(images)['logits']

    images, labels = batches[0]
    with torch.inference_mode():
        scores = expect_logits(model.model, reader(images))
    for _, labels in batches:
        expect_classes(labels, scores)
    return Evaluation(model.model, partial(cross_entropy, logits, batches),
                      _preparation(args, model.model, logits, batches))


def _distillation(args: argparse.Namespace, model: AnalysedModel, batches: list[tuple[Tensor, Tensor]]) -> Evaluation:
    checkpoint = split_model(model.name)[1]
    if checkpoint is None or model.config is None:
        raise UserError(f'--loss distillation expects RECIPE=CHECKPOINT, got {model.name}. Name a recipe and one of '
                        'its training checkpoints.')
    distiller = trained_distiller(model.config, checkpoint, model.label).to(args.device)

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        return distiller.total(distiller(images, labels, mode='loss'))

    def forward(images: Tensor) -> object:
        return distiller.student(images)

    return Evaluation(distiller.student, partial(batch_mean, loss, batches),
                      _preparation(args, distiller.student, forward, batches))


def _preparation(args: argparse.Namespace, model: nn.Module, forward: Callable[[Tensor], object],
                 batches: Iterable[tuple[Tensor, Tensor]]) -> Callable[[], object] | None:
    """What is done at each point before its evaluation."""
    if not args.recompute_statistics:
        return None

    def forward_all() -> None:
        with torch.no_grad():
            for images, _ in batches:
                forward(images)

    return partial(recompute_statistics, model, forward_all)


def copies_of(args: argparse.Namespace, points: int) -> int:
    """How many copies of a model are evaluated at once: one a core, where it is a CPU that computes.

    A recipe is evaluated alone, since copies of it would share the teacher.
    """
    on_cpu = torch.device(args.device).type == 'cpu'
    return min(torch.get_num_threads(), points) if on_cpu and args.loss == 'task' else 1


def measure(args: argparse.Namespace, model: AnalysedModel, batches: list[tuple[Tensor, Tensor]]
            ) -> tuple[Landscape, dict]:
    """The landscape of one model, and what it took."""
    count = args.points**(1 if args.line else 2)
    mine = -(-count // (torch.distributed.get_world_size() if args.launcher != 'none' else 1))
    copies = copies_of(args, mine)
    with one_thread_a_copy(copies):
        models = [model, *(replace(model, model=deepcopy(model.model)) for _ in range(copies - 1))]
        evaluations = [objective(args, each, batches) for each in models]
        network, evaluate, _ = evaluations[0]
        with torch.inference_mode():
            classes = TapReader(network, ['logits'])(batches[0][0][:1])['logits'].shape[1]
        generator = torch.Generator().manual_seed(args.seed)
        directions = [random_direction(network, generator) for _ in range(1 if args.line else 2)]
        alone = evaluate()
        found = loss_landscape(evaluations, directions, grid_steps(args.points, args.extent),
                               lambda points: progress(points, mine, model.label))
    return found, dict(classes=classes, loss=alone, centre=found.centre, seconds=found.seconds,
                       seconds_of_evaluations=found.evaluating, points_of_this_process=mine, copies=copies,
                       steps=found.steps, losses=found.losses)


def on_device(args: argparse.Namespace, model: AnalysedModel, images: Iterable[tuple[Tensor, Tensor | None]]
              ) -> list[tuple[Tensor, Tensor]]:
    """The images as a model wants them, with labels, in memory.

    Raises:
        UserError: They have no labels.
    """
    batches = []
    for batch, labels in images:
        if labels is None:
            raise UserError('a loss expects images with classes, got a folder without subfolders. Put the images of '
                            'each class into a folder of its own.')
        batches.append((model.normalise(batch.to(args.device)), labels.to(args.device)))
    return batches


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    grid_steps(args.points, args.extent)
    join_processes(args)
    report = Report(args.out, 'loss_landscape', args.force) if is_main_process() else None
    models = analysed_models(args)
    images = analysed_images(args, models, args.batch_size, crop=True)
    check_labels(models, images)
    found = {}
    for model in models:
        with enough_memory(model.label, '--number, --size or --batch-size'):
            found[model.label] = measure(args, model, on_device(args, model, images))
            say_other_classes(model.label, images, found[model.label][1].pop('classes'))
    if report is None:
        return
    loss = 'cross-entropy' if args.loss == 'task' else 'distillation loss'
    print(text_table(['model', loss, 'lowest', 'highest', 'evaluations', 'all'], [
        [label, f'{each.centre:.4f}', f'{each.losses.min():.4f}', f'{each.losses.max():.4g}',
         f'{took["points_of_this_process"]} × {each.evaluating / took["points_of_this_process"]:.4f} s',
         f'{each.seconds:.1f} s ({each.seconds / each.evaluating:.3f} ×)'] for label, (each, took) in found.items()]))
    from mmkd.analysis.figures.loss_landscape import landscape_figure  # matplotlib is there, as the report knows
    figure = landscape_figure({label: each for label, (each, _) in found.items()}, loss,
                              f'{loss.capitalize()} around the weights, {images.settings()["number"]} images')
    report.write(figure, {label: numbers for label, (_, numbers) in found.items()}, settings_of(args, models, images))


if __name__ == '__main__':
    main()
