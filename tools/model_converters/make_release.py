"""Makes the files of a release: published models under the names of the model index, and a list of them."""
import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from mmkd.utils import UserError, nearest
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.files.small import write_text
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


def split(model: str, index: dict[str, dict]) -> tuple[str, Path]:
    """Splits NAME=CHECKPOINT.

    Raises:
        UserError: It has another form, the name is not in the index, or there is no such file.
    """
    name, equals, path = model.partition('=')
    if not equals or not Path(path).is_file():
        raise UserError(f'make_release expects NAME=CHECKPOINT with an existing file, got {model!r}.')
    if name not in index:
        raise UserError(f'make_release expects the name of a model in the index, got {name!r}. {nearest(name, index)}')
    return name, Path(path)


def publish(name: str, source: Path, out: Path) -> Path:
    """Publishes a checkpoint under a model's name; files of the same name with other digits are replaced.

    Returns:
        The file.

    Raises:
        UserError: It cannot be published.
    """
    before = set(out.glob(f'{name}-????????.pth'))
    done = subprocess.run([sys.executable, str(TOOL), str(source), str(out / f'{name}.pth')], capture_output=True,
                          text=True)
    if done.returncode:
        raise UserError(f'{source} cannot be published: {done.stderr.strip()}')
    file = Path(done.stdout.splitlines()[-1].rpartition('.pth:')[0] + '.pth')
    for path in before - {file}:
        path.unlink()
    return file


@one_line_errors
def main() -> None:
    """Publishes the models and writes the list."""
    args = parse_args()
    load_safely_everywhere()
    index = model_index()
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / LIST
    listed = json.loads(path.read_text(encoding='utf-8')) if path.is_file() else {}
    for name, source in [split(model, index) for model in args.models]:
        file = publish(name, source, args.out)
        meta = read_checkpoint(file)['meta']
        listed[name] = dict(
            file=file.name, sha256=sha256_of(file), bytes=file.stat().st_size, config=index[name]['Config'],
            epoch=meta.get('epoch'), seed=meta.get('seed'), published=date.today().isoformat())
        print(f'{file}: {file.stat().st_size / 1e6:.2f} MB, sha256 {listed[name]["sha256"]}')
    write_text(path, json.dumps(dict(sorted(listed.items())), indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(main())
