"""Checks a recipe before it is trained."""
import argparse
import contextlib
import io
import logging
import sys
from collections import Counter
from collections.abc import Iterator

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

from mmkd.recipes.checks import CHECKS
from mmkd.recipes.recipe import Finding, Recipe, run_checks
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.configs.finding import load_config
from mmkd.zoo import load_safely_everywhere

EXPLANATION = """\
One line for each thing that was checked, with ok, warning or error and how to mend it: data and checkpoints, the
shapes of all terms, normalisation, classes and their order, validation images that are training images, weight
schedules, one real training step (losses, gradients), and an estimate of time and memory. Nothing is written. The
exit status is 0 if no error was found.

examples:
  python tools/analysis_tools/check_recipe.py configs/convnest/convnest-tiny_slak-tiny-nkd_16xb128_in1k.py
  python tools/analysis_tools/check_recipe.py RECIPE --device cpu --cfg-options train_dataloader.batch_size=8
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a distillation recipe, or any mmpretrain, mmdet or mmseg config')
    parser.add_argument('--batches', type=int, default=4,
                        help='batches of training and of validation images to look at (default: 4)')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries, as for training')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle checkpoints that hold Python objects; may run code of their author')
    return parser.parse_args(argv)


def findings(args: argparse.Namespace) -> Iterator[tuple[str, Finding]]:
    """Name of the check and finding, one after another."""
    try:
        config = load_config(args.config, args.cfg_options)
    except UserError as error:
        yield 'config', Finding('error', str(error))
        return
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    set_random_seed(0)
    yield from run_checks(Recipe(config, args.device, args.batches), CHECKS)


def quietly(items: Iterator[tuple[str, Finding]]) -> Iterator[tuple[str, Finding]]:
    """The same items, without what libraries print while they are made."""
    while True:
        with contextlib.redirect_stdout(io.StringIO()):
            item = next(items, None)
        if item is None:
            return
        yield item


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if args.batches < 1:
        raise UserError(f'--batches expects 1 or more, got {args.batches}.')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise UserError('--device cuda expects a GPU, found none. Leave the flag out.')
    load_safely_everywhere(args.trust_checkpoint)
    logging.disable(logging.WARNING)  # what MMEngine logs is said here in other words
    levels: Counter[str] = Counter()
    for name, finding in quietly(findings(args)):
        levels[finding.level] += 1
        print(f'{finding.level:<8} {name:<15} {finding.text}', flush=True)
    print(f'{args.config}: errors: {levels["error"]}, warnings: {levels["warning"]}')
    sys.exit(1 if levels['error'] else 0)


if __name__ == '__main__':
    main()
