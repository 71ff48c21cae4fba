"""Prints the parameters, FLOPs and activations of a config's model, dense and sparse, beside the paper's."""
import argparse
import logging

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from mmkd.analysis import Complexity, count_complexity, paper_shape, published_complexity
from mmkd.distillers.inputs import as_size, image_channels
from mmkd.distillers.models import load_model_config, student_config
from mmkd.recipes.weightless import strip_weights
from mmkd.sparsity import erk, snip, uniform
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.zoo import load_safely_everywhere

EXPLANATION = """\
What is counted, for one image:

  parameters   all of the model's, heads for training only (mmseg's auxiliary head) included
  FLOPs        multiply-adds of convolutions and linear layers, as ConvNeXt, SLaK and ConvNeSt report them for
               classifiers. Attention's products of two activations are left out; Swin, CSWin and ViT count them
  activations  elements that convolutions and linear layers put out (Radosavovic et al., 2020)

The image is that of a recipe's input_size, else that of the papers: 224x224, or the size that the backbone is built
for; 1280x800 for a detector of mmdet; 2048x512 for a segmentor of mmseg (width x height; --shape takes the height
first). In a two-stage detector, backbone,
neck and region proposal network see the image, the box heads test_cfg.rpn.max_per_img proposals (1000 as a rule) and
the mask heads test_cfg.rcnn.max_per_img boxes (100), each stage of a cascade as many: the convention of mmdet 2, by
which the figures of ConvNeXt and ConvNeSt come out. mmdet 3 counts a cascade's mask heads on all proposals.

A paper's figure is printed below ours where a table has this backbone, framework and image. Detectors and segmentors
of ConvNeXt and ConvNeSt are up to 1.1 G below theirs. mmcv's counter, with which such tables are usually made, adds a
FLOP for each bias and output: our FLOPs and activations together round to the paper's figure in 33 of 36 rows, and
lie less than 1 G above it in the others. SLaK's figures are those at 40 % sparsity.

"non-zero" counts only the weights that are left at the given sparsity. All weights with two or more dimensions are
pruned, to

  snip     the share of each layer's weights whose |weight x gradient| on one batch is among the model's highest
           (classifiers only),
  erk      a density in proportion to (out + in + height + width) / (out x in x height x width),
  uniform  the same density everywhere.

SNIP depends on the initial weights and on the batch: 8 crops of two photographs that come with scikit-learn. So
it is repeated with other weights and crops (--draws; some 20 seconds each for SLaK-T on two CPU cores) and
the mean is printed, with the lowest and the highest.

examples:
  python tools/analysis_tools/get_flops.py mmkd::convnest/convnest-tiny_32xb128_in1k.py
  python tools/analysis_tools/get_flops.py mmkd::slak/slak-tiny_32xb128_in1k.py --sparsity 0.4
  python tools/analysis_tools/get_flops.py mmkd::convnest/mask-rcnn_convnest-tiny_fpn_3x_coco.py
  python tools/analysis_tools/get_flops.py mmkd::convnest/upernet_convnest-tiny_160k_ade20k-512x512.py --shape 512 512
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a classifier, detector or segmentor: a path, mmkd::…, mmpretrain::…, '
                        'mmdet::… or mmseg::…, or the name of a model (timm:resnet50, convnest-tiny); of a '
                        'distillation recipe, the student is counted')
    parser.add_argument('--shape', type=int, nargs='+', metavar='SIZE',
                        help='size of the image: height and width, one number for both, or channels, height and width '
                        "(default: the recipe's input_size, or the papers', see below)")
    parser.add_argument('--sparsity', type=float, default=0., help='share of zero weights, in [0, 1) (default: 0)')
    parser.add_argument('--sparsity-init', choices=('snip', 'erk', 'uniform'), default='snip',
                        help='how the zeros are shared among the layers (default: snip)')
    parser.add_argument('--draws', type=int, default=4, help='how often SNIP is repeated (default: 4)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the first weights and batch (default: 0)')
    return parser.parse_args()


def image_shape(sizes: list[int]) -> tuple[int, int, int]:
    """Completes the sizes of the command line to channels, height and width."""
    if len(sizes) > 3 or min(sizes) < 1:
        raise UserError(f'--shape expects one to three positive sizes, got {sizes}. Give, for example, 224 224.')
    channels, height, width = {1: [3, *sizes, *sizes], 2: [3, *sizes], 3: sizes}[len(sizes)]
    return channels, height, width


def recipe_shape(recipe: Config, model: nn.Module) -> tuple[int, int, int] | None:
    """Channels, height and width of the images that a distillation recipe names; None if it names none."""
    size = recipe.model.get('input_size') if is_distiller(recipe.model) else None
    return size and (image_channels(model), *as_size(size))


def photograph_crops(shape: tuple[int, int, int], images: int = 8) -> Tensor:
    """Random crops of scikit-learn's two photographs, flipped at random and normalised: (N, C, H, W)."""
    from sklearn.datasets import load_sample_images
    photographs = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 127.5 - 1
                   for image in load_sample_images().images]  # (1, 3, 427, 640)
    crops = []
    for number in range(images):
        photograph = photographs[number % 2]
        side = int(torch.randint(150, photograph.shape[2] + 1, ()))
        top, left = (int(torch.randint(size - side + 1, ())) for size in photograph.shape[2:])
        crop = photograph[:, :, top:top + side, left:left + side]
        crop = F.interpolate(crop, shape[1:], mode='bilinear', antialias=True)
        crops.append(2 * (crop.flip(3) if torch.rand(()) < 0.5 else crop))  # about unit variance
    return torch.cat(crops)


def layer_densities(model: nn.Module, args: argparse.Namespace, shape: tuple[int, int, int],
                    draw: int) -> dict[str, float]:
    """Computes the densities that the command line asks for."""
    if args.sparsity_init != 'snip':
        return {'erk': erk, 'uniform': uniform}[args.sparsity_init](model, args.sparsity)
    classes = getattr(getattr(model, 'head', None), 'num_classes', None)
    if classes is None or shape[0] != 3:
        raise UserError(f'--sparsity-init snip expects a classifier of RGB images whose head has num_classes, got a '
                        f'{type(model).__name__} and {shape[0]} channels. Choose erk or uniform.')
    torch.manual_seed(args.seed + draw)
    model.init_weights()
    model._is_init = False  # so that the next draw has other weights
    inputs = photograph_crops(shape)
    targets = torch.randint(classes, (len(inputs),))
    return snip(model, args.sparsity, lambda: F.cross_entropy(model(inputs), targets))


def print_sparse(model: nn.Module, args: argparse.Namespace, shape: tuple[int, int, int]) -> None:
    """Prints the costs of the non-zero part, over SNIP's draws."""
    draws = args.draws if args.sparsity_init == 'snip' else 1
    costs = []
    for draw in tqdm(range(draws), unit='draw', disable=None if draws > 1 else True):
        costs.append(count_complexity(model, shape, layer_densities(model, args, shape, draw)))
    params, flops = ([getattr(cost, name) for cost in costs] for name in ('params', 'flops'))
    activations = costs[0].activations
    title = f'non-zero, {args.sparsity:.0%} {args.sparsity_init}'
    print_row(title, Complexity(sum(params) / draws, sum(flops) / draws, activations))
    if draws > 1:
        print_row(f'  lowest of {draws}', Complexity(min(params), min(flops), activations))
        print_row(f'  highest of {draws}', Complexity(max(params), max(flops), activations))


def print_row(title: str, cost: Complexity) -> None:
    """Prints one line of the table."""
    print(f'{title:<24}{cost.params / 1e6:>12.2f}{cost.flops / 1e9:>12.2f}{cost.activations / 1e6:>17.2f}')


@one_line_errors
def main() -> None:
    """Builds the model and prints the table."""
    args = parse_args()
    load_safely_everywhere()
    if args.draws < 1:
        raise UserError(f'--draws expects 1 or more, got {args.draws}.')
    shape = image_shape(args.shape) if args.shape else None
    logging.disable(logging.INFO)  # MMEngine logs how it initialises each parameter
    recipe = load_model_config(args.config)
    config = student_config(recipe)
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    torch.manual_seed(args.seed)
    model = MODELS.build(ConfigDict(strip_weights(config.model)))  # none is needed, and none may be there
    shape = shape or recipe_shape(recipe, model) or paper_shape(model)
    dense = count_complexity(model, shape)
    print(f'{args.config}, {shape[1]}x{shape[2]} (height x width)')
    print(f'{"":<24}{"params (M)":>12}{"FLOPs (G)":>12}{"activations (M)":>17}')
    print_row('dense', dense)
    paper = published_complexity(config.model, shape)
    if paper:
        print(f'{"paper":<24}{paper.params:>12}{paper.flops:>12}{"-":>17}   ({paper.source})')
    if args.sparsity:
        print_sparse(model, args, shape)


if __name__ == '__main__':
    main()
