"""Makes the files of a release: published models under the names of the model index, and a list of them."""
import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from mmkd.utils import UserError, nearest
from mmkd.utils.checkpoints.publishing import remove_earlier
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.checkpoints.weights import split_choice
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import write_json
from mmkd.zoo import load_safely_everywhere, model_index
from mmkd.zoo.download import sha256_of

TOOL = Path(__file__).with_name('publish_student.py')
LIST = 'checkpoints.json'


def parse_args() -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} Each is the student without optimizer, terms and log, as publish_student.py makes it, '
        'and carries the first 8 digits of its sha256 in its name.',
        epilog=f'The list is {LIST} in the same folder: name, file, sha256, bytes, config and date. Put the file into '
               'the Weights of its entry in the metafile: as a path below the repository if it is committed there, as '
               'a URL if a release serves it.')
    parser.add_argument('models', nargs='+', metavar='NAME=CHECKPOINT',
                        help='name of an entry of the model index, and the training checkpoint of its config')
    parser.add_argument('--out', type=Path, default=Path('checkpoints'), help='folder (default: checkpoints)')
    return parser.parse_args()


def split(models: list[str], index: dict[str, dict]) -> list[tuple[str, str]]:
    """Splits each NAME=CHECKPOINT.

    Raises:
        UserError: One has another form, its name is not in the index or was there before, or there is no such file.
    """
    found: dict[str, str] = {}
    for model in models:
        name, equals, path = model.partition('=')
        if not equals or not Path(split_choice(path)[0]).is_file():
            raise UserError(f'make_release expects NAME=CHECKPOINT with an existing file, got {model!r}.')
        if name not in index:
            raise UserError(f'make_release expects the name of a model in the index, got {name!r}. '
                            f'{nearest(name, index)}')
        if name in found:
            raise UserError(f'make_release expects each name once, got {name} for {found[name]} and for {path}. '
                            'Choose one of them.')
        found[name] = path
    return list(found.items())


def read_list(path: Path) -> dict[str, dict]:
    """What the list of a folder holds; nothing where there is none yet.

    Raises:
        UserError: It is damaged or another file, and would be lost.
    """
    if not path.exists():
        return {}
    try:
        listed = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        listed = None
    if not isinstance(listed, dict):
        raise UserError(f'make_release expects the list of a release in {path}, got other contents or a damaged file. '
                        'Restore it, or choose another folder with --out.')
    return listed


def publish(name: str, source: str, out: Path) -> Path:
    """Publishes a checkpoint under a model's name.

    Returns:
        The file.

    Raises:
        UserError: It cannot be published.
    """
    done = subprocess.run([sys.executable, str(TOOL), source, str(out / f'{name}.pth')], capture_output=True,
                          text=True)
    if done.returncode:
        raise UserError(f'{source} cannot be published: {done.stderr.strip()}')
    return Path(done.stdout.splitlines()[-1].rpartition('.pth:')[0] + '.pth')


@one_line_errors
def main() -> None:
    """Publishes the models; the list names no file that is not there, wherever this ends."""
    args = parse_args()
    load_safely_everywhere()
    index = model_index()
    models, path = split(args.models, index), args.out / LIST
    listed = read_list(path)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, source in models:
        file = publish(name, source, args.out)
        meta = read_checkpoint(file)['meta']
        listed[name] = dict(
            file=file.name, sha256=sha256_of(file), bytes=file.stat().st_size, config=index[name]['Config'],
            epoch=meta.get('epoch'), seed=meta.get('seed'), published=date.today().isoformat())
        write_json(path, dict(sorted(listed.items())))
        remove_earlier(file)
        print(f'{file}: {file.stat().st_size / 1e6:.2f} MB, sha256 {listed[name]["sha256"]}')


if __name__ == '__main__':
    sys.exit(main())
