"""Running a tool in a process that begins where the imports end, which otherwise take longer than most tests.

A server of processes imports PyTorch, MMEngine, mmpretrain and this package once. Each run is a fork of it with its own
folder, environment, arguments, output and exit status, as if Python had been started with the script.
"""
import gc
import os
import runpy
import subprocess
import sys
from pathlib import Path

import torch

from .processes import forking

LIMIT = 240.  # seconds, all processes of the machine at work


def run_forked(script: Path, *args: object, cwd: Path, env: dict[str, str],
               folder: Path) -> subprocess.CompletedProcess:
    """Runs a Python script, in a session of its own.

    Args:
        script: The file.
        *args: Its arguments.
        cwd: The folder in which it starts.
        env: All its environment variables. Those that PyTorch or the interpreter read when they start come too late,
            but for PYTHONPATH.
        folder: For its output; there must be no other call with the same one at a time.

    Returns:
        As from ``subprocess.run`` with captured output.
    """
    out, err = folder / 'forked.out', folder / 'forked.err'
    process = forking().Process(target=_run, args=(
        str(script), list(map(str, args)), str(cwd), env, str(out), str(err)))
    process.start()
    process.join(LIMIT)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(str(script), LIMIT, out.read_text(), err.read_text())
    result = subprocess.CompletedProcess([str(script), *args], process.exitcode, out.read_text(), err.read_text())
    out.unlink()
    err.unlink()
    return result


def _run(script: str, args: list[str], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    os.setsid()
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [str(Path(script).parent), *filter(None, env.get('PYTHONPATH', '').split(os.pathsep))]
    sys.argv = [script, *args]
    gc.freeze()  # as the tests' conftest does
    torch.set_num_threads(int(env.get('OMP_NUM_THREADS', 1)))
    runpy.run_path(script, run_name='__main__')
