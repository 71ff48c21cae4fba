"""A process that has imported what a training needs, and forks: each fork goes on as a tool, without importing anew.

:mod:`mmkd.experiments.jobs.warm_start` starts it and talks to it by lines of JSON over a socket. First it says whether
it is fit to fork. Then it takes requests, and tells the process id of each fork and how it ended.
"""
import gc
import json
import os
import random
import runpy
import socket
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from select import select

LIBRARIES = ('mmpretrain', 'mmdet', 'mmseg')
PARTS = ('models', 'datasets', 'evaluation', 'engine', 'visualization')
OURS = ('mmkd.datasets.configured', 'mmkd.distillers', 'mmkd.engine.hooks', 'mmkd.engine.resume.setup', 'mmkd.losses',
        'mmkd.backbones', 'mmkd.connectors', 'mmkd.zoo', 'yapf.yapflib.yapf_api')
POLL_SECONDS = 0.05


def main(descriptor: int) -> None:
    """Runs the process; a fork returns as the tool has ended.

    Args:
        descriptor: Of the socket.
    """
    channel = socket.socket(fileno=descriptor)
    reason = import_all()
    _tell(channel, unfit=reason)
    request = _serve(channel) if reason is None else None
    if request is not None:
        _become(**request)


def import_all() -> str | None:
    """Imports what the tools need.

    Returns:
        Why a fork would not be the same as a process of its own; None if it is.
    """
    from mmengine.device import get_device
    device = get_device()
    if device != 'cpu':  # asking for it has started the driver, which does not survive a fork
        return f'there is an accelerator ({device})'
    # PyTorch 2.4 imports onnxruntime, which starts a thread, for a compiler that no job uses.
    hidden = sys.modules.setdefault('onnxruntime', None) is None  # type: ignore[arg-type]
    for name in OURS:
        import_module(name)
    for library in LIBRARIES:
        for part in PARTS if find_spec(library) else ():
            import_module(f'{library}.{part}')
    if hidden:
        del sys.modules['onnxruntime']
    import torch
    if torch.cuda.is_initialized():
        return 'CUDA is in use'
    tasks = Path('/proc/self/task')
    threads = len(os.listdir(tasks)) if tasks.is_dir() else 1
    return f'the imports started {threads - 1} threads' if threads > 1 else None


def _serve(channel: socket.socket) -> dict | None:
    """Forks for each request.

    Returns:
        The request, in a fork; None where there will be no more.
    """
    gc.collect()
    gc.freeze()  # what was imported stays shared between the forks
    running: set[int] = set()
    received = b''
    while True:
        if select([channel], [], [], POLL_SECONDS if running else None)[0]:
            part = channel.recv(1 << 16)
            if not part:
                return None
            *lines, received = (received + part).split(b'\n')
            for line in lines:
                pid = _fork(channel)
                if pid == 0:
                    return json.loads(line)
                running.add(pid)
                _tell(channel, pid=pid)
        for pid in list(running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                running.discard(pid)
                _tell(channel, ended=pid, status=os.waitstatus_to_exitcode(status))


def _fork(channel: socket.socket) -> int:
    """Forks a process that leads a session, from the first moment that anybody knows of it."""
    ready, begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        channel.close()
        os.close(ready)
        os.close(begun)
    else:
        os.close(begun)
        os.read(ready, 1)  # until the other end is closed
        os.close(ready)
    return pid


def _become(command: list[str], output: str, folder: str) -> None:
    """Goes on as a Python that was started with a script."""
    import numpy as np
    import torch
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number in (1, 2):
        os.dup2(file, number)
    os.close(file)
    os.chdir(folder)
    for seed in (random.seed, np.random.seed, torch.default_generator.seed):  # else all forks would draw the same
        seed()
    script = command[1]
    if not getattr(sys.flags, 'safe_path', False):
        sys.path.insert(0, str(Path(script).resolve().parent))
    sys.argv = command[1:]
    runpy.run_path(script, run_name='__main__')


def _tell(channel: socket.socket, **content: object) -> None:
    try:
        channel.sendall(json.dumps(content).encode() + b'\n')
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # whoever asked has gone, and the forks go on without us
