"""Prints and draws how models share parameters and FLOPs between mixing positions and mixing channels."""
import argparse
from dataclasses import asdict

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)

from mmkd.analysis.command.arguments import (
    MODELS,
    add_model_arguments,
    add_output_arguments,
    analysed_models,
    settings_of,
)
from mmkd.analysis.command.models import AnalysedModel
from mmkd.analysis.command.report import Report
from mmkd.analysis.compute_shares import Shares, closed_form, compute_shares
from mmkd.analysis.image_forward import paper_shape
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table

EXPLANATION = MODELS + """
Token mixing are convolutions larger than 1x1, all of attention (its products of two activations, too) and the layers
that MLP-Mixers apply along the positions. What changes the resolution and the head stand apart. "of the blocks" is
the paper's R (ConvNeSt, Sec. 3.1): token mixing over token and channel mixing. Its curve is R(r) for --kernel and
--cost. Weights do not matter: random ones are the quickest.

examples:
  mmkd analyse shares mmkd::convnest/convnest-tiny_32xb128_in1k.py=random timm:deit_small_patch16_224=random
  mmkd analyse shares my_model.py=random --token-mixing 'blocks\\.\\d+\\.filter'
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser)
    parser.add_argument('--size', type=int, help="side of the image in pixels (default: the papers')")
    parser.add_argument('--token-mixing', metavar='REGEX', help='names of further layers that mix positions')
    parser.add_argument('--kernel', type=int, default=3, help="side of the closed form's convolution (default: 3)")
    parser.add_argument('--cost', type=float, default=1e6,
                        help="parameters of the closed form's block (default: 1e6, as in Fig. 9)")
    parser.add_argument('--list', action='store_true', help='print the kind of each layer')
    add_output_arguments(parser, 'work_dirs/analysis')
    return parser.parse_args(argv)


def measure(args: argparse.Namespace, model: AnalysedModel) -> tuple[Shares, tuple[int, int, int]]:
    """The shares of one model, and the image for which they are."""
    shape = (model.channels, args.size, args.size) if args.size else paper_shape(model.model)
    return compute_shares(model.model, shape, args.token_mixing), shape


def row(label: str, shares: Shares, shape: tuple[int, int, int]) -> list[str]:
    """One line of the table."""
    percents = [f'{100 * share(what):.1f} %' for what in ('params', 'flops') for share in (shares.of_all,
                                                                                          shares.of_blocks)]
    return [label, f'{shape[1]}×{shape[2]}', f'{sum(shares.params.values()) / 1e6:.2f} M',
            f'{sum(shares.flops.values()) / 1e9:.3f} G', *percents]


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if args.size is not None and args.size < 1:
        raise UserError(f'--size expects 1 or more, got {args.size}. Correct it.')
    curve = {ratio: closed_form(args.cost, ratio, args.kernel) for ratio in (4, 6, 8, 12, 16)}
    report = Report(args.out, 'compute_shares', args.force)
    models = analysed_models(args)
    found = {model.label.removesuffix(' (random weights)'): measure(args, model) for model in models}
    if args.list:
        print(text_table(['model', 'layer', 'mixes'], [
            [label, layer, kind] for label, (shares, _) in found.items() for layer, kind in shares.kinds.items()]))
    print(text_table(['token mixing', 'image', 'parameters', 'FLOPs', 'of parameters', 'of the blocks', 'of FLOPs',
                      'of the blocks'], [row(label, *each) for label, each in found.items()]))
    from mmkd.analysis.figures.compute_shares import shares_figure  # matplotlib is there, as the report knows
    numbers = {label: asdict(shares) | dict(image=shape, of_blocks={
        what: shares.of_blocks(what) for what in ('params', 'flops')}) for label, (shares, shape) in found.items()}
    figure = shares_figure({label: shares for label, (shares, _) in found.items()}, args.kernel, args.cost)
    report.write(figure, dict(models=numbers, closed_form=curve), settings_of(args, models))


if __name__ == '__main__':
    main()
