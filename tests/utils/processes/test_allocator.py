"""glibc's allocator in the runs of a plan."""
import platform
import subprocess
import sys

import pytest

from mmkd.utils.processes import allocator
from mmkd.utils.processes.allocator import keep_freed_memory

FAULTS = f"""
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location('allocator', {allocator.__file__!r})
allocator = importlib.util.module_from_spec(spec)
spec.loader.exec_module(allocator)
keeps = len(sys.argv) > 1 and allocator.keep_freed_memory()
def step():
    return len([b'x' * (20 << 20) for _ in range(6)])  # written to, and freed
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(keeps, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
glibc = pytest.mark.skipif(sys.platform != 'linux' or platform.libc_ver()[0] != 'glibc', reason='needs glibc')


def faults(*words, **environment):
    """Whether a process keeps what is freed, and the pages that it was given in five steps after three."""
    keeps, count = subprocess.run([sys.executable, '-c', FAULTS, *words], env=dict(PATH='') | environment,
                                  capture_output=True, text=True, check=True).stdout.split()
    return keeps == 'True', int(count)


@glibc
def test_freed_memory_is_not_taken_anew():
    (_, without), (keeps, count) = faults(), faults('keep')
    assert keeps and count < without / 10


@glibc
@pytest.mark.parametrize(('name', 'value'), [('MALLOC_TRIM_THRESHOLD_', '131072'), ('MALLOC_ARENA_MAX', '2'),
                                             ('GLIBC_TUNABLES', ''), ('LD_PRELOAD', '')])
def test_what_the_user_has_set_stays(name, value):
    keeps, count = faults('keep', **{name: value})
    assert not keeps and count > 10_000


@pytest.mark.parametrize(('system', 'library'), [('darwin', ('', '')), ('linux', ('', '')), ('win32', ('', ''))])
def test_other_allocators_are_left_alone(monkeypatch, system, library):
    monkeypatch.setattr(sys, 'platform', system)
    monkeypatch.setattr(platform, 'libc_ver', lambda: library)
    assert not keep_freed_memory()
