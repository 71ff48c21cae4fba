"""Which packages are installed, and whether they go together. Nothing is imported, which would take seconds."""
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version

from mmkd.version import __version__

from .finding import ERROR, OK, WARNING, Finding

ONEDL, OPENMMLAB = 'onedl', 'openmmlab'
STACK = {  # import name to the distributions that have it, and the stack of each
    'mmengine': {'onedl-mmengine': ONEDL, 'mmengine': OPENMMLAB},
    'mmcv': {'onedl-mmcv': ONEDL, 'mmcv': OPENMMLAB, 'mmcv-lite': OPENMMLAB},
    'mmpretrain': {'onedl-mmpretrain': ONEDL, 'mmpretrain': OPENMMLAB},
    'mmdet': {'onedl-mmdetection': ONEDL, 'mmdet': OPENMMLAB},
    'mmseg': {'onedl-mmsegmentation': ONEDL, 'mmsegmentation': OPENMMLAB},
}
NEEDED = ('torch', 'torchvision', 'numpy')
OPTIONAL = {'timm': 'Models by timm name need it'}
INSTALL = "pip install -e '.[onedl]' in the folder of mmkd's clone, into an empty environment"


def installed(distribution: str) -> str | None:
    """The version of a distribution; None if it is not installed."""
    with suppress(PackageNotFoundError):
        return version(distribution)
    return None


def version_lines() -> list[str]:
    """The versions of mmkd, Python and the packages that are installed, a line each."""
    names = [*NEEDED, *OPTIONAL, *(name for distributions in STACK.values() for name in distributions)]
    found = [f'{name} {number}' for name in names if (number := installed(name))]
    return [f'mmkd {__version__}', f'Python {platform.python_version()}', *found]


def package_findings() -> list[Finding]:
    """Looks at Python, mmkd, PyTorch, both OpenMMLab stacks and timm."""
    findings = [Finding(OK, 'Python', platform.python_version()), Finding(OK, 'mmkd', __version__)]
    wrong = _out_of_range(stack_in_use())
    for name in NEEDED:
        findings.append(_single(name, wrong, ERROR, f'Install it: {INSTALL}.'))
    for package, distributions in STACK.items():
        findings.append(_of_stack(package, distributions, wrong))
    findings += _mixed()
    for name, why in OPTIONAL.items():
        findings.append(_single(name, wrong, WARNING, f'{why}: pip install {name}.'))
    return findings


def stack_in_use() -> str | None:
    """``'onedl'`` or ``'openmmlab'``, by the MMEngine that is installed."""
    return next((stack for name, stack in STACK['mmengine'].items() if installed(name)), None)


def _single(name: str, wrong: dict[str, str], status: str, mend: str) -> Finding:
    number = installed(name)
    if number is None:
        return Finding(status, name, 'not installed', mend)
    return _ranged(name, name, number, wrong)


def _of_stack(package: str, distributions: dict[str, str], wrong: dict[str, str]) -> Finding:
    there = {name: number for name in distributions if (number := installed(name))}
    if not there:
        return Finding(ERROR, package, 'not installed', f'Install it: {INSTALL}.')
    if len(there) > 1:
        return Finding(ERROR, package, _listed(there), 'They overwrite each other. Keep one stack: make a new '
                       f'environment, then {INSTALL}.')
    name, number = next(iter(there.items()))
    return _ranged(package, name, number, wrong)


def _ranged(package: str, name: str, number: str, wrong: dict[str, str]) -> Finding:
    found = number if package == name else f'{number} ({name})'
    if name in wrong:
        return Finding(WARNING, package, found, f"mmkd was tested with {wrong[name]}: pip install '{wrong[name]}'.")
    return Finding(OK, package, found)


def _mixed() -> Iterator[Finding]:
    stacks = {stack: [name for distributions in STACK.values() for name in distributions
                      if distributions[name] == stack and installed(name)] for stack in (ONEDL, OPENMMLAB)}
    if all(stacks.values()):
        found = '; '.join(f'{stack}: {", ".join(names)}' for stack, names in stacks.items())
        yield Finding(ERROR, 'stacks', f'parts of both, {found}',
                      f'They do not work together. Keep one stack: make a new environment, then {INSTALL}.')


def _out_of_range(stack: str | None) -> dict[str, str]:
    """Distribution to the requirement of mmkd's extra that its version does not meet."""
    try:
        from packaging.requirements import Requirement
        required = [Requirement(text) for text in requires('mmkd') or []]
    except (ImportError, PackageNotFoundError):  # a checkout that is not installed: nothing is known
        return {}
    wrong = {}
    for item in required:
        asked = stack is not None and item.marker is not None and item.marker.evaluate({'extra': stack})
        number = installed(item.name) if asked else None
        if number is not None and not item.specifier.contains(number, prereleases=True):
            wrong[item.name] = f'{item.name}{item.specifier}'
    return wrong


def _listed(there: dict[str, str]) -> str:
    return ', '.join(f'{name} {number}' for name, number in there.items())
