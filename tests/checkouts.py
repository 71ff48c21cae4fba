"""Copies of the checkout, what is built from them, and Pythons that run it, for the tests of packaging."""
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ('mmkd', 'mmkd_command.py', 'configs', 'tools', 'setup.py', 'pyproject.toml', 'MANIFEST.in', 'LICENSE',
           'model-index.yml')


def copy_checkout(folder: Path) -> Path:
    """A clean checkout; skips the test where nothing can be built from it."""
    if tuple(map(int, version('setuptools').split('.')[:2])) < (70, 1):
        pytest.importorskip('wheel', reason='setuptools before 70.1 builds with the wheel package')
    folder.mkdir()
    ignore = shutil.ignore_patterns('.mim', '__pycache__')
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(hook: str, checkout: Path, output: Path) -> None:
    """Builds as ``pip wheel --no-build-isolation`` and ``pip install --no-build-isolation -e`` do."""
    code = f'from setuptools import build_meta; build_meta.{hook}({str(output)!r})'
    run_python(['-c', code], checkout)


def run_python(arguments: list[str], cwd: Path, python: str | Path = sys.executable, path: str | Path | None = None,
               **variables: str) -> str:
    """Runs a Python that sees ``path`` and its own packages only; returns what it prints."""
    env = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH' and not key.startswith('MMKD_')}
    env |= variables | ({'PYTHONPATH': str(path)} if path else {})
    result = subprocess.run([str(python), '-W', 'ignore', *arguments], capture_output=True, text=True, cwd=cwd,
                            env=env, timeout=240)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout.strip()
