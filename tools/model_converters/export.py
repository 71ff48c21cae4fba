"""Exports a trained model to ONNX, TorchScript or PyTorch's .pt2, and compares the file with the model."""
import argparse
import logging
import sys
from pathlib import Path

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)

from mmkd.export.exporting import Exported, export
from mmkd.export.facts import facts_of
from mmkd.export.formats import BATCH, DEFAULT_OPSET, SIZE, SUFFIXES, check_packages
from mmkd.export.int8 import export_int8
from mmkd.export.network import INSIDE, ExportedNetwork
from mmkd.export.pictures import as_network_takes, picture_files, pictures_for
from mmkd.export.sources import Source, open_source
from mmkd.utils import UserError
from mmkd.utils.checkpoints.weights import split_choice
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.whole import write_whole
from mmkd.zoo import load_safely_everywhere

EXPLANATION = """\
A classifier is exported with its head (output logits; without one, features), a detector or segmentor as its backbone
alone (outputs stage1, stage2 ...). Images are float32 (N, 3, H, W), RGB, pixels in 0...255; mean and standard deviation
are in the file.

Nothing is written unless the file computes what the model does: max|a - b| / max|b| at most 1e-4, on real pictures, in
two batch sizes and two image sizes where these are free.

examples:
  mmkd export student.pth --format onnx
  mmkd export work_dirs/run/epoch_10.pth --config my_config.py --format torchscript
  mmkd export student.pth --format onnx --int8 --calibration data/some_training_images
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='published student, training checkpoint (of which the student is taken; '
                        'FILE#raw and FILE#ema choose its weights), URL, name of the index, or timm:NAME')
    parser.add_argument('--format', required=True, choices=['onnx', 'torchscript', 'pt2'], help='what to write')
    parser.add_argument('--config', help='config of the model or recipe, or timm:NAME (default: that of the name in '
                        'the model index, or of the run)')
    parser.add_argument('--out', help='the file (default: the name of the checkpoint, beside it if it is a file)')
    parser.add_argument('--size', type=int, nargs='+', metavar='SIZE',
                        help='height and width, or one number for both (default: what the config says, else 224)')
    parser.add_argument('--opset', type=int, help=f"version of ONNX's operators (default: {DEFAULT_OPSET})")
    parser.add_argument('--normalise', choices=['inside', 'outside'], default='inside',
                        help='whether the file normalises its images, or whoever calls it (default: inside)')
    parser.add_argument('--images', metavar='DIR', help="pictures to compare with (default: the config's validation "
                        'set if it is there, else two photographs of scikit-learn)')
    parser.add_argument('--int8', action='store_true', help='write an ONNX file in int8, too, with -int8 in its name')
    parser.add_argument('--calibration', metavar='DIR', help='pictures that set the ranges of int8; not of the '
                        'validation set')
    parser.add_argument('--calibration-images', type=int, default=128, metavar='N',
                        help='how many of them to take (default: 128)')
    parser.add_argument('--validation-images', type=int, metavar='N',
                        help='how many pictures to measure the accuracy of int8 on (default: all)')
    parser.add_argument('--force', action='store_true', help='write over files that are there')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle a checkpoint that holds Python objects; may run code of its author')
    return parser.parse_args(argv)


def check_args(args: argparse.Namespace) -> None:
    """Checks what can be checked before anything is read.

    Raises:
        UserError: Flags do not fit together, or a package or the calibration pictures are missing.
    """
    if args.format != 'onnx' and (args.int8 or args.opset is not None):
        flag = '--int8' if args.int8 else '--opset'
        raise UserError(f'{flag} expects --format onnx, got --format {args.format}. Change one of them.')
    if args.int8 != (args.calibration is not None):
        given, other = ('--int8', '--calibration DIR') if args.int8 else ('--calibration', '--int8')
        raise UserError(f'{given} expects {other} beside it. Add it.')
    for flag in ('calibration_images', 'validation_images', 'opset'):
        value = getattr(args, flag)
        if value is not None and value < 1:
            raise UserError(f'--{flag.replace("_", "-")} expects 1 or more, got {value}.')
    if args.size and (len(args.size) > 2 or min(args.size) < 1):
        raise UserError(f'--size expects one or two positive numbers, got {args.size}. Give, for example, 224 224.')
    check_packages(args.format, args.opset or DEFAULT_OPSET)
    if args.int8:
        picture_files(args.calibration, '--calibration')


def target(args: argparse.Namespace) -> Path:
    """The file to write.

    Raises:
        UserError: It is there already, or cannot be there.
    """
    source = Path(split_choice(args.checkpoint)[0])
    name = f'{source.name.replace(":", "-") if ":" in source.name else source.stem}{SUFFIXES[args.format]}'
    out = Path(args.out) if args.out else source.with_name(name) if source.is_file() else Path(name)
    if source.exists() and out.exists() and out.samefile(source):
        raise UserError(f'--out expects another file than the checkpoint, got {out}. Name another.')
    for path in [out, *([int8_name(out)] if args.int8 else [])]:
        if path.is_dir():
            raise UserError(f'--out expects a file, got the folder {path}. Add a name.')
        if path.exists() and not args.force:
            raise UserError(f'{path} is there already. Give --force to write over it, or another --out.')
    return out


def int8_name(out: Path) -> Path:
    """The file in int8 beside another."""
    return out.with_name(f'{out.stem}-int8{out.suffix}')


def wanted_size(given: list[int] | None, only: tuple[int, int] | None) -> tuple[int, int] | None:
    """Height and width to export for; None where nobody says.

    Raises:
        UserError: The model does not take it.
    """
    size = only if given is None else (given[0], given[-1])
    if only not in (None, size):
        raise UserError(f'--size expects {only[0]} {only[1]}, the only size that this model takes, got '
                        f'{" ".join(map(str, size))}. Leave it out.')
    return size


def describe(source: Source, network: ExportedNetwork, result: Exported, facts: dict[str, str], images: str) -> str:
    """What was exported and how it was compared, a line each."""
    kind = type(source.model).__name__
    part = kind if network.network is source.model else f'the backbone of a {kind}'
    lines = [f'config: {source.said}', f'exported: {part}', f'input: {facts["input"]}',
             f'free: {", ".join(result.free) or "nothing"}'
             + (f' ({"; ".join(result.reasons)})' if result.reasons else ''),
             f'compared on {images}, as {", ".join("x".join(map(str, shape)) for shape in result.checked)}:',
             f'  {result.difference}']
    if not {BATCH, SIZE} & set(result.free):
        lines.append('The file takes batches of 2 only.')
    return '\n'.join(lines)


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    check_args(args)
    load_safely_everywhere(args.trust_checkpoint)
    out = target(args)
    logging.disable(logging.INFO)  # MMEngine logs how it initialises each parameter
    source = open_source(args.checkpoint, args.config)
    pictures, images = pictures_for(source, args.images, wanted_size(args.size, source.fixed_size))
    inside = args.normalise == INSIDE
    facts = facts_of(source, tuple(pictures.shape[2:]), inside)
    network = ExportedNetwork(source.model, source.form, inside).eval()
    inputs = as_network_takes(pictures, source.form, inside)
    result = export(network, args.format, inputs, facts, args.opset or DEFAULT_OPSET, source.fixed_size is not None)
    print(describe(source, network, result, facts, images))
    write_whole(out, result.content)
    print(f'{out}: {len(result.content) / 2**20:.2f} MiB')
    if args.int8:
        eight = export_int8(source, result, inputs, inside, args.calibration, args.calibration_images,
                            args.validation_images, print)
        write_whole(int8_name(out), eight)
        print(f'{int8_name(out)}: {len(eight) / 2**20:.2f} MiB')


if __name__ == '__main__':
    sys.exit(main())
