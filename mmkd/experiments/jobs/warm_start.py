"""Starting tools as forks of a process that has done the imports, which take longer than many a small run."""
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PROGRAM = ('import sys; sys.path[:] = filter(None, sys.path); '  # a script does not search the working directory
           'from mmkd.experiments.jobs.warm_process import main; main({})')
THREADS = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS')


def spawn(command: Sequence[str], output: Path, env: dict[str, str], pass_fds: tuple[int, ...]) -> subprocess.Popen:
    """Starts a command in a session of its own, so that Ctrl-C does not reach it."""
    with open(output, 'ab') as file:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=env,
                                start_new_session=True, pass_fds=pass_fds)


class Forked:
    """A tool that is a fork, or will be: what one needs of ``subprocess.Popen``.

    Args:
        server: Forks it.
        command: The command that it stands for.
        output: File for what it prints.
    """

    def __init__(self, server: '_Server', command: Sequence[str], output: Path) -> None:
        self.server, self.command, self.output = server, command, output
        self.pid: int | None = None
        self.returncode: int | None = None
        self.spawned: subprocess.Popen | None = None  # where no fork can be had

    def poll(self) -> int | None:
        """The exit status; None as long as it runs."""
        if self.returncode is None:
            self.server.advance()
        if self.spawned is not None:
            self.returncode = self.spawned.poll()
        return self.returncode


class _Server:
    """One warm process: its forks have its environment.

    Args:
        env: Environment variables.
        pass_fds: Open files that the forks inherit.
    """

    def __init__(self, env: dict[str, str], pass_fds: tuple[int, ...]) -> None:
        self.env, self.pass_fds = env, pass_fds
        self.fit: bool | None = None  # None: it is still importing
        self._waiting: list[Forked] = []  # to be asked for
        self._asked: list[Forked] = []  # the process id is not known yet
        self._running: dict[int, Forked] = {}
        self._received = b''
        self._channel, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, '-c', PROGRAM.format(other.fileno())], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, start_new_session=True,
                pass_fds=(*pass_fds, other.fileno()))
        self._channel.setblocking(False)

    def start(self, command: Sequence[str], output: Path) -> Forked:
        """Asks for a fork, as soon as it can be had."""
        forked = Forked(self, command, output)
        self._waiting.append(forked)
        self.advance()
        return forked

    def advance(self) -> None:
        """Takes note of what the process said, and asks for what is wanted."""
        for line in self._lines():
            self._note(**json.loads(line))
        if self.fit is not None:
            for forked in self._waiting:
                self._ask(forked)
            self._waiting.clear()

    def settle(self, seconds: float) -> None:
        """Sees to it that the process id of each fork is known, and that no other begins."""
        self._waiting.clear()
        deadline = time.monotonic() + seconds
        while self._asked and self.fit and time.monotonic() < deadline:
            self.advance()
            time.sleep(0.01)

    def close(self) -> None:
        """Ends the process; what it forked goes on."""
        self._channel.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _ask(self, forked: Forked) -> None:
        if self.fit:
            request = dict(command=list(forked.command), output=str(forked.output.resolve()), folder=os.getcwd())
            with suppress(BrokenPipeError, ConnectionResetError):  # _lines notices
                self._channel.send(json.dumps(request).encode() + b'\n')
            self._asked.append(forked)
        else:
            forked.spawned = spawn(forked.command, forked.output, self.env, self.pass_fds)
            forked.pid = forked.spawned.pid

    def _lines(self) -> list[bytes]:
        if self.fit is False:
            return []
        try:
            part = self._channel.recv(1 << 16)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            part = b''
        if not part:
            self._lost()
        *lines, self._received = (self._received + part).split(b'\n')
        return lines

    def _note(self, unfit: str | None = None, pid: int | None = None, ended: int | None = None,
              status: int | None = None) -> None:
        if ended is not None:
            self._running.pop(ended).returncode = status
        elif pid is not None:
            self._asked[0].pid = pid
            self._running[pid] = self._asked.pop(0)
        else:
            self.fit = unfit is None

    def _lost(self) -> None:
        """The process has ended: before it forked anything its jobs are started anew, after that they have failed."""
        self.fit = False
        for forked in [*self._asked, *self._running.values()]:
            if forked.pid is not None:
                with suppress(ProcessLookupError):
                    os.killpg(forked.pid, signal.SIGKILL)
            forked.returncode = -signal.SIGKILL
        self._asked.clear()
        self._running.clear()


class WarmStart:
    """Starts tools as forks of warm processes, one for each number of threads.

    Where a fork would not be the same as a process of its own (there is a GPU, an import started threads, or it is not
    Linux), and where ``MMKD_FORKS`` is 0, a tool gets such a process.

    Args:
        env: Environment variables of the tools, but for the number of threads.
        pass_fds: Open files that they inherit.
    """

    def __init__(self, env: dict[str, str], pass_fds: tuple[int, ...] = ()) -> None:
        self.env, self.pass_fds = env, pass_fds
        self._servers: dict[int, _Server] = {}

    def start(self, command: Sequence[str], output: Path, threads: int, warm: bool) -> 'subprocess.Popen | Forked':
        """Starts a command in a session of its own.

        Args:
            command: A Python script, if ``warm``.
            output: File for what it prints, which may be there.
            threads: ``OMP_NUM_THREADS``.
            warm: Whether it is one of the tools that import all of OpenMMLab.
        """
        # NumPy's and SciPy's pools, begun when they are imported, would compete with PyTorch's.
        env = self.env | dict.fromkeys(THREADS, str(threads)) | dict(OPENBLAS_NUM_THREADS='1')
        if not warm or sys.platform != 'linux' or env.get('MMKD_FORKS') == '0':
            return spawn(command, output, env, self.pass_fds)
        output.touch()
        if threads not in self._servers:
            self._servers[threads] = _Server(env, self.pass_fds)
        return self._servers[threads].start(command, output)

    def settle(self, seconds: float) -> None:
        """Sees to it that each fork has its process id, and that no other begins."""
        for server in self._servers.values():
            server.settle(seconds)

    def close(self) -> None:
        """Ends the warm processes."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()
