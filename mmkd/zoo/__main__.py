"""The model zoo on the command line: ``python -m mmkd.zoo list|info|download``."""
import argparse
import sys
from fnmatch import fnmatch

from mmkd.utils import UserError, nearest
from mmkd.utils.command_line.cli import ToolParser, one_line_errors

from .index import find_checkpoint, model_index, weights_path
from .page import figures

EXPLANATION = """\
Files are kept in ~/.cache/mmkd, or where MMKD_HOME says. MMKD_OFFLINE=1 uses only what is there; MMKD_MIRRORS names
other places to try first: PREFIX=REPLACEMENT,PREFIX=REPLACEMENT.

examples:
  python -m mmkd.zoo list 'slak*'
  python -m mmkd.zoo info slak-tiny_in1k
  python -m mmkd.zoo download slak-tiny_in1k convnext-tiny_in1k
"""
HEADER = ('model', 'weights', 'params (M)', 'FLOPs (G)', 'top-1 (%)', 'other figures (AP, mIoU: %)')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = ToolParser(prog='python -m mmkd.zoo', description='The model zoo of mmkd.',
                                     epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    listing = commands.add_parser('list', help='the models, their figures, and whether there are weights')
    listing.add_argument('pattern', nargs='?', default='*', help="a shell pattern, such as 'slak*'")
    listing.add_argument('--weights', action='store_true', help='only models with weights to download')
    for name, text in (('info', 'all that is known of a model'), ('download', "download models' weights to the cache")):
        commands.add_parser(name, help=text).add_argument('models', nargs='+', metavar='NAME')
    return parser.parse_args(argv)


def state_of(entry: dict) -> str:
    """Whether an entry has weights, and whether they are on this machine."""
    if not entry.get('Weights'):
        return 'by hand' if entry.get('Weights Folder') else 'no weights'
    if not weights_path(entry).is_file():
        return 'weights'
    return 'in the cache' if '://' in entry['Weights'] else 'comes along'


def print_list(index: dict[str, dict], pattern: str, weights: bool) -> None:
    """Prints a header and a line a model."""
    names = [name for name in sorted(index) if fnmatch(name, pattern) and (index[name].get('Weights') or not weights)]
    if not names:
        raise UserError(f'list expects a pattern that fits a model, got {pattern!r}. {nearest(pattern, index)}')
    rows = [HEADER, *((name, state_of(index[name]), *_numbers(index[name])) for name in names)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for name, state, *numbers, others in rows:
        right = '  '.join(f'{number:>{width}}' for number, width in zip(numbers, widths[2:]))
        print(f'{name:<{widths[0]}}  {state:<{widths[1]}}  {right}  {others}'.rstrip())


def _numbers(entry: dict) -> tuple[str, str, str, str]:
    """The columns of figures: millions of parameters, billions of FLOPs, top-1, and what detectors have instead."""
    metadata = entry.get('Metadata') or {}
    metrics = {name: value for result in entry.get('Results') or [] for name, value in result['Metrics'].items()}
    top1 = metrics.pop('Top 1 Accuracy', None)
    others = ', '.join(f'{value:g} {name}' for name, value in metrics.items())
    return (_scaled(metadata.get('Parameters'), 1e6), _scaled(metadata.get('FLOPs'), 1e9),
            f'{top1:.2f}' if top1 else '-', others)


def _scaled(number: float | None, unit: float) -> str:
    return f'{number / unit:.2f}' if number else '-'


def print_info(name: str, entry: dict) -> None:
    """Prints a line a field."""
    converted = entry.get('Converted From') or {}
    fields = dict(
        name=name, collection=entry.get('In Collection'), config=entry['Config'], figures=figures(entry),
        parameters=_millions(entry.get('Metadata', {}).get('Parameters')), weights=_weights(entry),
        sha256=entry.get('SHA256') or 'recorded when it is first downloaded' * bool(entry.get('Weights')),
        file=weights_path(entry) if entry.get('Weights') else '',
        source=converted.get('Code'), licence=entry.get('License'), converter=entry.get('Converted By'))
    for field, value in fields.items():
        if value:
            print(f'{field + ":":<12}{value}')


def _weights(entry: dict) -> str:
    folder = entry.get('Weights Folder')
    return entry.get('Weights') or (f'by hand, from {folder}' if folder else 'none yet')


def _millions(number: int | None) -> str:
    return f'{number / 1e6:.2f} M' if number else ''


@one_line_errors
def main() -> None:
    """Runs a command."""
    args, index = parse_args(), model_index()
    if args.command == 'list':
        print_list(index, args.pattern, args.weights)
        return
    for name in args.models:
        if name not in index:
            raise UserError(f'{args.command} expects the name of a model in the index, got {name!r}. '
                            f'{nearest(name, index)}')
        if args.command == 'info':
            print_info(name, index[name])
        else:
            print(f'{name}: {find_checkpoint(name)}')


if __name__ == '__main__':
    sys.exit(main())
