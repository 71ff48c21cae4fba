"""Reading ``model-index.yml`` and its metafiles."""
from pathlib import Path

from mmengine.fileio import load

from mmkd.utils import UserError, nearest
from mmkd.utils.command_line.tool_paths import tool_path
from mmkd.utils.configs.finding import config_root

from .download import cached_path, download
from .hub import SCHEME, pull


def model_index() -> dict[str, dict]:
    """The models that mmkd's metafiles list.

    Returns:
        Model name to its metafile entry, with ``Config`` relative to the folder above ``configs``.
    """
    root = config_root().parent
    index = root / 'model-index.yml'
    if not index.is_file():
        return {}
    files = load(str(index)).get('Import') or []
    return {entry['Name']: entry for file in files for entry in load(str(root / file))['Models']}


def find_checkpoint(name: str) -> str:
    """Turns what a recipe calls a checkpoint into a local path, downloading it if it must.

    Args:
        name: Path, URL, ``hf://ORG/NAME[@REVISION][/FILE]`` or name of a model in the index.

    Returns:
        The path.

    Raises:
        UserError: It is none of them, the index has no weights for it yet, or the download fails.
    """
    if name.startswith(f'{SCHEME}://'):
        return str(pull(name))
    if '://' in name:
        return str(download(name))
    if Path(name).expanduser().is_file():
        return str(Path(name).expanduser())
    index = model_index()
    if name in index:
        return str(_weights_of(name, index[name]))
    if '/' in name or name.endswith(('.pth', '.pt', '.bin', '.safetensors')):
        raise UserError(f'checkpoint expects an existing file, got {name}. Check the path.{_quick_start_hint(name)}')
    raise UserError(f'checkpoint expects a file, a URL or a name in the model index, got {name!r}. '
                    'What a recipe names and the index does not has no published weights: train it and give the path. '
                    f'{nearest(name, index)}')


def _quick_start_hint(name: str) -> str:
    if 'work_dirs/quickstart/' not in Path(name).as_posix():
        return ''
    return f' The quick start makes it: bash {tool_path("quickstart.sh")}'


def _weights_of(name: str, entry: dict) -> Path:
    """The file of an entry's weights.

    Raises:
        UserError: There are none, or they can be had by hand only.
    """
    if entry.get('Weights Folder'):
        raise UserError(f'checkpoint {name!r} lies in a folder that only a browser can open: '
                        f'{entry["Weights Folder"]}. Download it from there and give the path of the file.')
    if not entry.get('Weights'):
        raise UserError(f'checkpoint {name!r} is in the model index, but has no published weights yet. '
                        f'Train it with {entry["Config"]} and give the path of the result.')
    path = weights_path(entry)
    if '://' in entry['Weights']:
        return download(entry['Weights'], entry.get('SHA256'))
    if not path.is_file():
        raise UserError(f'checkpoint {name!r} comes with a clone or source distribution of mmkd, not with its wheel: '
                        f'{path} does not exist. Take it from there, or train it with {entry["Config"]}, and give the '
                        'path of the file.')
    return download(path.as_uri(), entry.get('SHA256'))


def weights_path(entry: dict) -> Path:
    """Where the weights of an entry are on this machine, whether they are there or not.

    Args:
        entry: An entry with ``Weights``: a URL, or a path below the folder of ``model-index.yml``.
    """
    if '://' in entry['Weights']:
        return cached_path(entry['Weights'])
    return config_root().resolve().parent / entry['Weights']  # of the checkout, also when installed for editing
