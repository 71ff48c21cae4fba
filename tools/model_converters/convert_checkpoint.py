"""Turns a published checkpoint into a file with the parameter names of mmkd and mmpretrain."""
import argparse
import sys
from pathlib import Path

from mmkd.utils import UserError
from mmkd.utils.checkpoints.architecture import settings_of
from mmkd.utils.checkpoints.reading import few_names, not_finite, read_checkpoint
from mmkd.utils.checkpoints.weights import choose_weights, plain, split_choice
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.whole import checkpoint_bytes, write_whole
from mmkd.zoo import find_checkpoint, load_safely_everywhere
from mmkd.zoo.converters import convert, converters

FORMATS = f"""\
Known formats: {', '.join(converters())}. They are recognised by their names; recipes that name such a file as a
checkpoint need no conversion. Settings that the tensors tell (depths, channels, kernel sizes …) are printed.
"""


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(description=__doc__, epilog=FORMATS)
    parser.add_argument('checkpoint', help='published file: path, URL or zoo name; of one with raw and averaged '
                        'weights, FILE#raw and FILE#ema say which')
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
    load_safely_everywhere(args.trust_checkpoint)
    name, which = split_choice(args.checkpoint)
    path = find_checkpoint(name)
    chosen = choose_weights(read_checkpoint(path), path, which)
    weights, family = convert(plain(chosen.tensors))
    if family is None:
        raise UserError(f'checkpoint expects one of the formats {", ".join(converters())}, got {path} with names such '
                        f'as {", ".join(list(weights)[:3])}. It may need no conversion.')
    bad = not_finite(weights)
    if bad:
        raise UserError(f'{path} expects finite weights, got NaN or infinite ones in {few_names(bad)}. '
                        'Download it again, or take another one.')
    write_whole(args.out, checkpoint_bytes(dict(state_dict=weights, meta=dict(converted_from=family))))
    print(chosen.said)
    print(f'{args.out}: {len(weights)} tensors of {family}')
    for name, value in settings_of(weights).items():
        print(f'  {name}: {value}')


if __name__ == '__main__':
    sys.exit(main())
