"""Which errors a user can mend, told by where they come from, and what to say of them in one line.

An error is the user's if it is

- a :class:`~mmkd.utils.errors.UserError`;
- the operating system's answer to a file, a folder, a disk or a connection, or a lack of memory;
- about a package that is not installed;
- raised by the code of OpenMMLab or timm, which here works on what a config says; code of PyTorch and of other
  libraries counts for the one that called it.

All others were raised by mmkd, its tools, or modules of the user's own: these are faults of a program, and keep their
traceback. An error from a data loader's worker is judged by the traceback that it brings along.
"""
import errno
import inspect
import re
import sysconfig
import traceback
from pathlib import Path

from mmkd.utils.building.build import unknown_type
from mmkd.utils.errors import UserError, lacks_memory, nearest

LIBRARIES = ('mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmseg', 'timm')
OURS = Path(__file__).resolve().parents[2]
MOST = 600  # characters of a message that is not ours
DISK = {errno.ENOSPC: 'Free space on the disk', errno.EDQUOT: 'Free space in your quota',
        errno.EFBIG: 'Allow larger files'}
PLACE = {errno.EACCES, errno.EPERM, errno.EROFS}
WRONG = (NameError, NotImplementedError, RecursionError, SyntaxError, SystemError)  # of a program, wherever it is from
STEPS = ('build_from_cfg', 'build_runner_from_cfg', 'build_model_from_cfg')


def explain(error: BaseException) -> str | None:
    """Says what a user can mend.

    Args:
        error: What ended a tool.

    Returns:
        One line; None if the error is a fault of a program.
    """
    for describe in (_ours, _unknown, _memory, _one_value, _system, _writer, _package, _library):
        message = describe(error)
        if message is not None:
            return ' '.join(message.split())  # torch's messages have several lines
    return None


def _ours(error: BaseException) -> str | None:
    if not isinstance(error, UserError):
        return None
    return _last_line(str(error))


def _unknown(error: BaseException) -> str | None:
    return unknown_type(error) if isinstance(error, KeyError) else None


def _memory(error: BaseException) -> str | None:
    text = str(error)
    if lacks_memory(error):
        return (f'there is not enough memory: {_cut(_last_line(text) or "none is left")}. Lower the batch size or the '
                'number of workers, or use a smaller model.')
    if isinstance(error, RuntimeError) and re.search(r'unable to .*(shared memory|file </torch_)', text):
        return (f'a worker of the data loader cannot hand over a batch: {_cut(_last_line(text))}. Give /dev/shm more '
                'room, or lower num_workers (0 needs none) or the batch size.')
    if isinstance(error, RuntimeError) and re.search(r'DataLoader worker .* (killed|exited unexpectedly)', text):
        return (f'a worker of the data loader was ended from outside: {_cut(text)}. Often memory or /dev/shm is full: '
                'lower num_workers or the batch size.')
    return None


def _one_value(error: BaseException) -> str | None:
    if not isinstance(error, ValueError) or 'Expected more than 1 value per channel' not in str(error):
        return None
    return (f'a batch norm cannot train: {_cut(str(error))}. A batch of one image gives it a single value where a map '
            'is pooled to 1×1: take more images a batch, and train_dataloader.drop_last=True if the last has one.')


def _system(error: BaseException) -> str | None:
    if not isinstance(error, OSError) or (error.errno is None and (type(error) is OSError or not str(error))):
        return None
    name = error.filename2 or error.filename
    name = name.decode(errors='replace') if isinstance(name, bytes) else name
    reason = (error.strerror or _last_line(str(error))).rstrip('.')
    if error.errno in DISK:
        mend = f'{DISK[error.errno]}, or write elsewhere (--work-dir or --out)'
    elif error.errno in PLACE:
        mend = 'Change its permissions, or name a place where you may write (--work-dir or --out)'
    else:
        mend = 'Check the path' if name is not None else 'Check the machine and the connection'
    nameless = 'a file' if error.errno in DISK else 'the system'
    return f'{name if name is not None else nameless} cannot be used: {reason}. {mend}.'


def _writer(error: BaseException) -> str | None:
    """torch reports a full disk, or a folder that is missing, as a RuntimeError of its archive writer."""
    text = str(error)
    if isinstance(error, RuntimeError) and re.search(r'PytorchStreamWriter|inline_container|Parent directory', text):
        return (f'a checkpoint cannot be written: {_cut(_last_line(text))}. Free space on the disk and check the '
                'folder, or write elsewhere (--work-dir or --out).')
    return None


def _package(error: BaseException) -> str | None:
    if not isinstance(error, ModuleNotFoundError) or not error.name or error.name.split('.')[0] == OURS.name:
        return None
    return f'the package {error.name} is needed and not installed. Install it.'


def _library(error: BaseException) -> str | None:
    if not isinstance(error, Exception) or isinstance(error, WRONG):
        return None
    place = next((place for place in reversed(_frames(error)) if _owner(place[0])), None)
    if place is None or _owner(place[0]) not in LIBRARIES:
        return None
    owner, path = _owner(place[0]), Path(place[0])
    inner = path.relative_to(next(parent for parent in path.parents if parent.name == owner).parent)
    message = _cut(_last_line(str(error)) or 'no message, but what is printed above may say more')
    return (f'{_built(error)}{type(error).__name__}: {message}{"" if message.endswith((".", "?", "!")) else "."} '
            f'{_argument(error)}({inner}, line {place[1]}; --traceback shows all.)')


def _frames(error: BaseException) -> list[tuple[str, int]]:
    """File and line of each frame, outermost first; those of a data loader's worker if it was one."""
    text = error.args[0] if error.args and isinstance(error.args[0], str) else ''
    if 'Original Traceback' in text:
        return [(file, int(line)) for file, line in re.findall(r'File "(.+?)", line (\d+)', text)]
    return [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]


def _owner(file: str) -> str | None:
    """The package that a file belongs to; ``'user'`` for others, and None for libraries that anyone calls."""
    path = Path(file)
    if path.is_relative_to(OURS) or 'tools' in path.parts and path.is_relative_to(OURS.parent):
        return OURS.name
    found = [part for part in path.parts if part in LIBRARIES]
    if found:
        return found[0]
    standard = {sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')}
    neutral = file.startswith('<') or {'site-packages', 'dist-packages'} & set(path.parts) or any(
        path.is_relative_to(folder) for folder in standard)
    return None if neutral else 'user'


def _calls(error: BaseException) -> list[dict]:
    """The local variables of MMEngine's builders in the traceback, outermost first."""
    return [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_name in STEPS and isinstance(frame.f_locals.get('cfg'), dict)]


def _built(error: BaseException) -> str:
    calls = _calls(error)
    kind = calls[-1]['cfg'].get('type') if calls else None
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', None)
    return f'{name} cannot be built from its config: ' if name else ''


def _argument(error: BaseException) -> str:
    """The nearest arguments to one that a class does not have."""
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    calls = _calls(error)
    built = calls[-1].get('obj_cls') if calls else None
    if found is None or not callable(built):
        return ''
    try:
        names = set(inspect.signature(built).parameters) - {'self', 'args', 'kwargs'}
    except (TypeError, ValueError):
        return ''
    return f'{nearest(found[1], names)} '


def _last_line(text: str) -> str:
    """The message of a worker's traceback, without its name; other texts as they are."""
    if 'Original Traceback' not in text:
        return text.strip()
    last = text.strip().splitlines()[-1]
    return re.sub(r'^[\w.]+(Error|Exception|Warning)?: ', '', last)


def _cut(text: str) -> str:
    text = ' '.join(text.split())
    return text if len(text) <= MOST else f'{text[:MOST]} …'
