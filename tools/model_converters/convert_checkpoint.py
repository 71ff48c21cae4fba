"""Turns a published checkpoint into a file with the parameter names of mmkd and mmpretrain."""
import argparse
import os
import sys
from pathlib import Path

import torch

from mmkd.utils import UserError
from mmkd.utils.architecture import settings_of
from mmkd.utils.checkpoint import read_checkpoint, weights_of
from mmkd.utils.cli import ToolParser, one_line_errors
from mmkd.zoo import find_checkpoint
from mmkd.zoo.converters import convert, converters

FORMATS = f"""\
Known formats: {', '.join(converters())}. They are recognised by their names; recipes that name such a file as a
checkpoint need no conversion. Settings that the tensors tell (depths, channels, kernel sizes …) are printed.
"""


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(description=__doc__, epilog=FORMATS)
    parser.add_argument('checkpoint', help='published file: path, URL or zoo name')
    parser.add_argument('out', type=Path, help='file to write, which must not exist')
    parser.add_argument('--force', action='store_true', help='overwrite it')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle a checkpoint that holds Python objects; may run code of its author')
    return parser.parse_args()


@one_line_errors
def main() -> None:
    """Converts and reports."""
    args = parse_args()
    if args.out.exists() and not args.force:
        raise UserError(f'out expects a new file, got {args.out}, which exists. Name another one or pass --force.')
    path = find_checkpoint(args.checkpoint)
    weights, family = convert(weights_of(read_checkpoint(path, args.trust_checkpoint), path))
    if family is None:
        raise UserError(f'checkpoint expects one of the formats {", ".join(converters())}, got {path} with names such '
                        f'as {", ".join(list(weights)[:3])}. It may need no conversion.')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    partial = args.out.with_name(f'{args.out.name}.part')
    torch.save(dict(state_dict=weights, meta=dict(converted_from=family)), partial)
    os.replace(partial, args.out)
    print(f'{args.out}: {len(weights)} tensors of {family}')
    for name, value in settings_of(weights).items():
        print(f'  {name}: {value}')


if __name__ == '__main__':
    sys.exit(main())
