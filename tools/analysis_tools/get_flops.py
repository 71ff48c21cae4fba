"""Prints the parameters and FLOPs of a config's model, dense and sparse."""
import argparse
import logging

import torch
from mmengine.registry import MODELS, init_default_scope
from torch import Tensor, nn
from torch.nn import functional as F

from mmkd.analysis import Complexity, count_complexity
from mmkd.distillers.models import student_config
from mmkd.sparsity import erk, snip, uniform
from mmkd.utils import UserError
from mmkd.utils.cli import one_line_errors
from mmkd.utils.configs import load_config

EXPLANATION = """\
FLOPs are the multiply-adds of convolutions and linear layers for one image, as ConvNeXt, SLaK and ConvNeSt report
them. "non-zero" counts only the weights that are left at the given sparsity. All weights with two or more
dimensions are pruned, to

  snip     the share of each layer's weights whose |weight x gradient| on one batch is among the model's highest
           (one forward and backward pass: half a minute for SLaK-T on two CPU cores),
  erk      a density in proportion to (out + in + height + width) / (out x in x height x width),
  uniform  the same density everywhere.

SNIP looks at the random initial weights and at 8 images of smooth noise with random labels. Other data or another
--seed change the FLOPs only mildly: 4.9 to 5.0 G for SLaK-T at 40 %.

examples:
  python tools/analysis_tools/get_flops.py mmkd::convnest/convnest-tiny_32xb128_in1k.py
  python tools/analysis_tools/get_flops.py mmkd::slak/slak-tiny_32xb128_in1k.py --sparsity 0.4
"""


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help="a classifier's config: a path, mmkd::… or mmpretrain::…; of a distillation "
                        'recipe, the student is counted')
    parser.add_argument('--shape', type=int, nargs='+', default=[224, 224], metavar='SIZE',
                        help='size of the image: height and width, one number for both, or channels, height and width '
                        '(default: 224 224)')
    parser.add_argument('--sparsity', type=float, default=0., help='share of zero weights, in [0, 1) (default: 0)')
    parser.add_argument('--sparsity-init', choices=('snip', 'erk', 'uniform'), default='snip',
                        help='how the zeros are shared among the layers (default: snip)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the weights and of the batch (default: 0)')
    return parser.parse_args()


def image_shape(sizes: list[int]) -> tuple[int, int, int]:
    """Completes the sizes of the command line to channels, height and width."""
    if len(sizes) > 3 or min(sizes) < 1:
        raise UserError(f'--shape expects one to three positive sizes, got {sizes}. Give, for example, 224 224.')
    channels, height, width = {1: [3, *sizes, *sizes], 2: [3, *sizes], 3: sizes}[len(sizes)]
    return channels, height, width


def noise_batch(shape: tuple[int, int, int], classes: int, images: int = 8) -> tuple[Tensor, Tensor]:
    """Draws smooth noise with a little white noise on it, and labels: (N, C, H, W) and (N,)."""
    smooth = F.interpolate(torch.randn(images, shape[0], 14, 14), size=shape[1:], mode='bilinear')
    return smooth + 0.3 * torch.randn(images, *shape), torch.randint(classes, (images,))


def layer_densities(model: nn.Module, args: argparse.Namespace, shape: tuple[int, int, int]) -> dict[str, float]:
    """Computes the densities that the command line asks for."""
    if args.sparsity_init != 'snip':
        return {'erk': erk, 'uniform': uniform}[args.sparsity_init](model, args.sparsity)
    classes = getattr(getattr(model, 'head', None), 'num_classes', None)
    if classes is None:
        raise UserError(f'--sparsity-init snip expects a classifier whose head has num_classes, got a '
                        f'{type(model).__name__}. Choose erk or uniform.')
    model.init_weights()
    inputs, targets = noise_batch(shape, classes)
    return snip(model, args.sparsity, lambda: F.cross_entropy(model(inputs), targets))


def print_row(title: str, cost: Complexity) -> None:
    """Prints one line of the table."""
    print(f'{title:<24}{cost.params / 1e6:>12.2f}{cost.flops / 1e9:>12.2f}')


@one_line_errors
def main() -> None:
    """Builds the model and prints the table."""
    args = parse_args()
    shape = image_shape(args.shape)
    logging.disable(logging.INFO)  # MMEngine logs how it initialises each parameter
    config = student_config(load_config(args.config))
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    torch.manual_seed(args.seed)
    model = MODELS.build(config.model)
    dense = count_complexity(model, shape)
    print(f'{args.config} at {shape[1]}x{shape[2]}')
    print(f'{"":<24}{"params (M)":>12}{"FLOPs (G)":>12}')
    print_row('dense', dense)
    if args.sparsity:
        densities = layer_densities(model, args, shape)
        title = f'non-zero, {args.sparsity:.0%} {args.sparsity_init}'
        print_row(title, count_complexity(model, shape, densities))


if __name__ == '__main__':
    main()
