"""Tests of several processes: a limit of their own, no port to share, every process's stack when the limit runs out.

Ranks find each other through a file, and their sockets take ports that the system hands out. A test that hangs says
where, after a minute: what PyTorch and torchrun wait by themselves, half an hour, is longer than any test may last.

All of them carry the marker ``processes``. What depends on who comes first may fail one time in many; so after a change
run them often, beside something that keeps the machine busy::

    for i in $(seq 50); do python -m pytest -q -m processes --all tests || break; done
"""
import faulthandler
import gc
import multiprocessing
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
import torch
from torch import distributed

LIMIT = 60.0  # seconds, from when all ranks have imported what they need,
START = 180.0  # which takes this long at most: on a busy machine far longer than the test itself
STACKS = Path(__file__).parent / 'stacks'
PRELOADED = ['mmkd.losses', 'mmkd.engine.hooks', 'mmkd.distillers', 'mmkd.sparsity', 'mmpretrain.models',
             'mmpretrain.datasets', 'mmengine.runner', 'pytest']


def run_ranks(function: Callable[..., None], folder: Path, *args: Any, ranks: int = 2, limit: float = LIMIT) -> None:
    """Calls a function in processes that are joined by gloo.

    Args:
        function: Of a module, so that it can be pickled; gets its rank and ``args``.
        folder: For the processes' files; there must be no other call with the same one.
        *args: What else the function takes.
        ranks: Number of processes.
        limit: Seconds that they have together, once all have started.
    """
    context = forking()
    started = [context.Process(target=_rank, args=(function, str(folder), rank, ranks, limit, args), daemon=True)
               for rank in range(ranks)]
    for process in started:
        process.start()
    end, ready = time.monotonic() + START, False
    try:
        while any(process.exitcode is None for process in started):
            if any(process.exitcode for process in started):
                break  # the others would wait for it
            if not ready and len(list(folder.glob('rank_*.ready'))) == ranks:
                end, ready = time.monotonic() + limit, True
            if time.monotonic() > end:
                what = f'took more than {limit:g} s' if ready else f'did not start within {START:g} s'
                pytest.fail(f'{function.__name__} {what}.\n{stacks(folder)}', pytrace=False)
            time.sleep(0.02)
        errors = [path.read_text(encoding='utf-8') for path in sorted(folder.glob('rank_*.error'))]
        codes = [process.exitcode for process in started]
        assert codes == [0] * ranks, f'exit codes {codes}\n' + '\n'.join(errors)
    finally:
        for process in started:
            process.kill()
            process.join()


def run_tool(rank: int, script: Path, cwd: Path, *args: object) -> None:
    """Runs a tool in a process of :func:`run_ranks`, with ``--launcher pytorch``; one that does not end well fails."""
    os.chdir(cwd)
    sys.path[:0] = [str(script.parent), str(cwd)]
    sys.argv = [str(script), *map(str, args), '--launcher', 'pytorch']
    try:
        runpy.run_path(str(script), run_name='__main__')
    except SystemExit as exit:
        assert not exit.code, exit.code


@cache
def forking() -> Any:
    """Where the system can fork: from a server of processes that has imported, once, what takes ten seconds."""
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context('spawn')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOADED)
    return context


def _rank(function: Callable[..., None], folder: str, rank: int, ranks: int, limit: float, args: tuple) -> None:
    stack = open(f'{folder}/{os.getpid()}.stack', 'w', encoding='utf-8')  # noqa: SIM115  (for as long as it runs)
    faulthandler.register(signal.SIGUSR1, file=stack, all_threads=True)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks))
    torch.set_num_threads(1)
    gc.freeze()  # as the tests' conftest does
    Path(folder, f'rank_{rank}.ready').touch()
    try:
        distributed.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=ranks,
                                       timeout=timedelta(seconds=2 * limit))
        function(rank, *args)
        distributed.barrier()
        Path(folder, f'rank_{rank}.done').touch()
        while len(list(Path(folder).glob('rank_*.done'))) < ranks:  # none leaves while another still talks to it
            time.sleep(0.01)
    except BaseException:
        Path(folder, f'rank_{rank}.error').write_text(f'rank {rank}:\n{traceback.format_exc()}', encoding='utf-8')
        os._exit(1)  # without waiting for the others
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # destroy_process_group of PyTorch 2.4 may wait for a thread that waits for the interpreter


def watched(folder: Path, path: str = '') -> dict[str, str]:
    """Environment variables with which a command's Python processes can be asked for their stacks.

    Args:
        folder: For the processes' files.
        path: The command's PYTHONPATH.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return dict(MMKD_TEST_STACKS=str(folder), PYTHONPATH=os.pathsep.join(filter(None, (str(STACKS), path))))


def wait_for(done: Callable[[], bool], process: Popen, log: Path, folder: Path, limit: float = LIMIT) -> None:
    """Waits for something that a command does, or for its end.

    Args:
        done: Whether it has.
        process: The command, started with what :func:`watched` returned.
        log: File of its output.
        folder: What :func:`watched` was given.
        limit: Seconds that it may go on without writing to its log.
    """
    size, end, allowed = -1, 0., 0.
    while process.poll() is None and not done():
        if log.stat().st_size != size:
            size = log.stat().st_size
            allowed = limit if size else max(limit, START)  # importing comes before the first word
            end = time.monotonic() + allowed
        if time.monotonic() > end:
            text = stacks(folder)
            kill_all([process.pid, *pids(folder)])
            process.wait()
            said = log.read_text(encoding='utf-8')[-3000:]
            pytest.fail(f'{process.args} was silent for {allowed:g} s.\n{said}\n{text}', pytrace=False)
        time.sleep(0.02)


def pids(folder: Path) -> list[int]:
    """The processes that have written to a folder, and are still there."""
    return [pid for pid in (int(path.stem) for path in sorted(folder.glob('*.stack'))) if _runs(pid)]


def stacks(folder: Path) -> str:
    """What each thread of each process is doing."""
    for pid in pids(folder):
        os.kill(pid, signal.SIGUSR1)
    time.sleep(1)
    return '\n'.join(f'--- process {path.stem}\n{path.read_text(encoding="utf-8") or "has ended"}'
                     for path in sorted(folder.glob('*.stack'))) or 'No process has come so far as to be asked.'


def kill_all(processes: Iterable[int]) -> None:
    """Ends processes with no chance to tidy up, and waits until they are gone."""
    running, end = [pid for pid in processes if _runs(pid)], time.monotonic() + 10
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    while any(map(_runs, running)) and time.monotonic() < end:
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return not Path('/proc/self').exists()  # a system without /proc, or the process has just gone
    return state != 'Z'


