"""Brings a downloaded data set into the layout that the configs expect.

By default the archives are unpacked; files that are there already with the right size are kept, so that an interrupted
run goes on. Those of another size are somebody else's, and refused unless --force is given. With --index nothing is
unpacked: a small file tells where in the archives every image is, and data_root='archive://data/imagenet.index' reads
them from there. See docs/prepare_data.md.
"""
import argparse
import gzip
import os
import shutil
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from archive_layouts import DEVKIT, LAYOUTS, Layout, Rule, find_rule, placed_members, validation_list
from tqdm import tqdm

from mmkd.datasets.archives.archive import Archive, is_index, write_index
from mmkd.datasets.archives.members import Member
from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import beside, write_text

EXPLANATION = 'the archives of each data set:\n' + '\n'.join(
    f'  {name:16} {layout.archives}' for name, layout in LAYOUTS.items()) + """

examples:
  python tools/dataset_converters/prepare.py imagenet ILSVRC2012_*.tar* --index
  python tools/dataset_converters/prepare.py imagenet-a imagenet-a.tar
  python tools/dataset_converters/prepare.py folders train=a.tar train=b.tar val=c.zip --out data/mine --index
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXPLANATION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dataset', choices=sorted(LAYOUTS), metavar='DATASET', help=', '.join(LAYOUTS))
    parser.add_argument('archives', nargs='+', metavar='ARCHIVE',
                        help='zip or tar; FOLDER=ARCHIVE puts its files there instead of where the data set has them')
    parser.add_argument('--out', type=Path, help='the folder to make (default: where the configs look); with --index '
                        'OUT.index is written')
    parser.add_argument('--index', action='store_true', help='write an index instead of unpacking')
    parser.add_argument('--force', action='store_true',
                        help='replace files of another size that are there under the names of those in the archives')
    return parser.parse_args(argv)


def sources(layout: Layout, archives: list[str]) -> Iterator[tuple[Path, Rule]]:
    """The archives, each with its rule.

    Raises:
        UserError: One is missing, or none of the data set's.
    """
    for text in archives:
        folder, separator, path = _split(text)
        if not Path(path).is_file():
            raise UserError(f'an archive expects an existing file, got {path}.')
        if '..' in folder.split('/') or folder.startswith('/'):
            raise UserError(f'FOLDER expects a folder inside the data set, got {folder!r}.')
        own = Rule('', f'{folder.strip("/")}/') if folder else Rule('')
        yield Path(path), own if separator else find_rule(layout, Path(path))


def _split(text: str) -> tuple[str, str, str]:
    """Folder, ``=`` and archive of ``FOLDER=ARCHIVE``; a path that exists may have a ``=`` itself."""
    if Path(text).is_file():
        return '', '', text
    cuts = [i for i, character in enumerate(text) if character == '=']
    cut = next((i for i in cuts if Path(text[i + 1:]).is_file()), cuts[-1] if cuts else -1)
    return text[:max(cut, 0)], text[cut:cut + 1] if cuts else '', text[cut + 1:]


def gunzipped(path: Path, folder: Path) -> Path:
    """A tar that was compressed as a whole, decompressed to a folder; any other archive as it is.

    Raises:
        UserError: The archive is cut off or damaged.
    """
    with path.open('rb') as file:
        if file.read(2) != b'\x1f\x8b':
            return path
    target = folder / f'{len(list(folder.iterdir()))}-{path.stem}'
    try:
        with gzip.open(path) as source, target.open('wb') as out:
            shutil.copyfileobj(source, out, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f'archive {path} is cut off or damaged: {error}. Fetch it again.') from error
    return target


def members(paths: list[Path], parts: list[tuple[Path, Rule]]) -> Iterator[tuple[int, Member]]:
    """All files in the archives, with a progress bar over them.

    Args:
        paths: Where the archives are.
        parts: What the user calls them, each with its rule.

    Raises:
        UserError: There are archives, and no file in any of them.
    """
    found = False
    with tqdm(parts, unit='archive', disable=None) as progress:
        for number, (called, rule) in enumerate(progress):
            progress.set_postfix_str(called.name)
            for member in placed_members(paths[number], rule):
                found = True
                yield number, member
    if parts and not found:
        raise UserError(f'an archive expects files of the data set, got none in {", ".join(str(p) for p, _ in parts)}. '
                        'Name another one.')


def unpack(archive: Archive, out: Path, force: bool) -> int:
    """Writes the files of an index to a folder, and returns how many were not there.

    Raises:
        UserError: Others are there under their names, without ``force``; or they would not fit on the disk.
    """
    sizes = {name: archive.size(name) for name in archive.names()}
    todo = [name for name, size in sizes.items() if not _is_there(out / name, size)]
    refuse_others(out, todo, force)
    out.mkdir(parents=True, exist_ok=True)
    need, free = sum(sizes[name] for name in todo), shutil.disk_usage(out).free
    if need > free:
        raise UserError(f'{out} expects {need / 2**30:.1f} GiB of free space, found {free / 2**30:.1f}. '
                        'Name another folder, or use the archives as they are with --index.')
    for name in tqdm(todo, unit='file', disable=None):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with beside(out / name) as temporary:  # a part is never under the file's name, where it would be another file
            temporary.write_bytes(archive.read(name))
    return len(todo)


def refuse_others(out: Path, names: list[str], force: bool) -> None:
    """Lets nothing be replaced that others have written, or that a user has edited.

    Args:
        out: The folder.
        names: What is going to be written into it.
        force: Whether it may be replaced.

    Raises:
        UserError: Some of these names are taken.
    """
    taken = [] if force else [name for name in names if os.path.lexists(out / name)]
    if taken:
        more = f' and {len(taken) - 1} more' if len(taken) > 1 else ''
        raise UserError(f'{out} expects no other files under the names of the archives, got {taken[0]}{more}. Move '
                        'them away, name another folder with --out, or replace them with --force.')


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def prepare(args: argparse.Namespace) -> str:
    """Does what the command line asks for, and says what was done.

    Raises:
        UserError: An archive is missing, damaged or dangerous, other files are there, or these do not fit on the disk.
    """
    layout = LAYOUTS[args.dataset]
    out = args.out or Path(layout.out or Path(_split(args.archives[0])[2]).with_suffix(''))
    parts = list(sources(layout, args.archives))
    val_list = out / 'meta/val.txt'
    kits = [path for path, rule in parts if rule is DEVKIT]
    if kits:
        text = validation_list(kits[0])
        if not (val_list.is_file() and val_list.read_bytes() == text.encode()):
            refuse_others(out, ['meta/val.txt'], args.force)
        val_list.parent.mkdir(parents=True, exist_ok=True)
        write_text(val_list, text)
    parts = [(path, rule) for path, rule in parts if rule is not DEVKIT]
    out.parent.mkdir(parents=True, exist_ok=True)
    if args.index:
        index = Path(f'{out}.index')
        if not args.force and os.path.lexists(index) and not is_index(index):
            raise UserError(f'{index} expects a new file or an index of archives, got a file that is none. Move it '
                            'away, name another --out, or replace it with --force.')
        return _write(index, parts, val_list if val_list.is_file() else None)
    with TemporaryDirectory(prefix=f'.{out.name}-', dir=out.parent) as folder:
        index = Path(folder, 'all.index')
        (temporary := Path(folder, 'tars')).mkdir()
        paths = [gunzipped(path, temporary) for path, _ in parts]
        write_index(index, paths, members(paths, parts), [path for path, _ in parts])
        archive = Archive(index)
        return f'{out}: {len(archive.names())} files, of which {unpack(archive, out, args.force)} were written.'


def _write(index: Path, parts: list[tuple[Path, Rule]], val_list: Path | None = None) -> str:
    paths = [path for path, _ in parts]
    found = members(paths, parts)
    if val_list:
        size = val_list.stat().st_size
        found = (*found, (len(paths), Member('meta/val.txt', 0, size, size)))
        paths.append(val_list)
    count = write_index(index, paths, found)
    return f"{index}: {count} files in {len(paths)} archives. Read them with data_root='archive://{index}'."


@one_line_errors
def main() -> None:
    """Runs the tool."""
    print(prepare(parse_args()))


if __name__ == '__main__':
    sys.exit(main())
