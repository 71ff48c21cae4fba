"""Finding config files by path, by ``scope::path``, or below mmkd's own ``configs``."""
import difflib
import traceback
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config

from mmkd.utils.errors import UserError

from .keys import check_config
from .options import merge_options

MODEL_FORMS = {'timm': 'mmpretrain.TimmClassifier', 'hf': 'mmkd.HuggingFaceModel'}


def config_root(package: str = 'mmkd') -> Path:
    """The folder of a package's configs: ``.mim/configs`` when installed, else that of the checkout.

    Args:
        package: Import name: ``mmkd``, ``mmpretrain``, ``mmdet`` or ``mmseg``.

    Returns:
        The folder.

    Raises:
        UserError: The package is not installed or ships no configs.
    """
    # Importing it would take seconds; of a dotted name find_spec would import the first part.
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise UserError(f'a config path {package}::… expects the package {package}, which is not installed.')
    folder = Path(spec.origin).parent
    for root in (folder / '.mim' / 'configs', folder.parent / 'configs'):
        if root.is_dir():
            return root
    raise UserError(f'{package} ships no configs below {folder}. Reinstall it.')


def find_config(name: str | Path) -> Path:
    """Finds a config file.

    Args:
        name: A path, ``mmkd::…`` or ``mmpretrain::…``, or a path below mmkd's ``configs``.

    Returns:
        The file's path.

    Raises:
        UserError: There is no such config; the message lists the nearest ones.
    """
    text = str(name)
    package, separator, inner = text.rpartition('::')
    if not separator and Path(text).is_file():
        return Path(text)
    root = config_root(package if separator else 'mmkd')
    relative = inner.removeprefix('configs/')
    if (root / relative).is_file():
        return root / relative
    configs = [str(path.relative_to(root)) for path in root.rglob('*.py')]
    by_stem = {Path(config).stem: config for config in configs}
    close = difflib.get_close_matches(Path(relative).stem, by_stem, n=3, cutoff=0.5)
    hint = ', '.join(by_stem[stem] for stem in close)
    raise UserError(f'config expects an existing file, got {text!r}. '
                    + (f'Did you mean {hint}?' if hint else f'See the files below {root}.'))


def load_config(name: str | Path, options: dict | None = None) -> Config:
    """Loads a config found by :func:`find_config`.

    Args:
        name: See :func:`find_config`.
        options: Dotted keys to override, as ``--cfg-options`` gives them.

    Returns:
        The config; ``model=dict(timm='…')`` is written out.

    Raises:
        UserError: There is no such config, or one that it inherits from; it cannot be read; or a key in it, or in the
            options, is one that nothing reads.
    """
    path = find_config(name)
    try:
        config = Config.fromfile(path)
    except UserError as error:
        raise UserError(f'config {name} cannot be read: {error}') from error
    except Exception as error:  # MMEngine's parser and the file itself run here, and nothing else
        raise UserError(f'config {name} cannot be read: {_what(error, path)}. Correct the file.') from error
    if options:
        merge_options(config, options)
    _write_out_forms(config)
    check_config(config, f'config {name}')
    return config


def _write_out_forms(config: Config) -> None:
    """Turns ``model=dict(timm='…')`` and ``model=dict(hf='…')`` into the models that they stand for, in place."""
    model = config.get('model')
    form = next((form for form in MODEL_FORMS if isinstance(model, dict) and form in model), None)
    if form is None or 'type' in model:
        return
    if 'checkpoint' in model:
        raise UserError(f"model expects no checkpoint beside {form}='…', got one. Write load_from = FILE in the "
                        'config.')
    model = dict(model)
    config.model = dict(type=MODEL_FORMS[form], model_name=model.pop(form), **model)


def _what(error: Exception, path: Path) -> str:
    """The error in one line, with the line of the config (or of one that it inherits from) where it happened."""
    message = str(error).strip().rstrip('.') or type(error).__name__
    if isinstance(error, SyntaxError | OSError | UnicodeError):
        return message
    if isinstance(error, ImportError):
        return f'{message}; install it, or correct the import'
    files = {str(path), str(path.resolve())}
    lines = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    where = [line for line in lines if line[0] in files] or [
        line for line in lines if line[0].endswith('.py') and 'site-packages' not in line[0]
        and Path(__file__).parents[1] not in Path(line[0]).parents]
    line = f' ({Path(where[-1][0]).name}, line {where[-1][1]})' if where else ''
    return f'{type(error).__name__}: {message}{line}'
