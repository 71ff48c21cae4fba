"""glibc's allocator in the runs of a plan."""
import platform
import subprocess
import sys

import pytest

from mmkd.utils.processes.allocator import SETTINGS, allocator_settings

FAULTS = """
import resource
def step():
    return len([b'x' * (20 << 20) for _ in range(6)])  # written to, and freed
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
glibc = pytest.mark.skipif(sys.platform != 'linux' or platform.libc_ver()[0] != 'glibc', reason='needs glibc')


@glibc
def test_freed_memory_is_not_taken_anew():
    counts = [int(subprocess.run([sys.executable, '-c', FAULTS], env=dict(PATH='') | settings,
                                 capture_output=True, text=True, check=True).stdout)
              for settings in ({}, allocator_settings({}))]
    assert counts[1] < counts[0] / 10


@glibc
@pytest.mark.parametrize('name', ['MALLOC_TRIM_THRESHOLD_', 'MALLOC_ARENA_MAX', 'GLIBC_TUNABLES', 'LD_PRELOAD'])
def test_what_the_user_has_set_stays(name):
    assert allocator_settings({'PATH': '/bin'}) == SETTINGS
    assert allocator_settings({'PATH': '/bin', name: '0'}) == {}


@pytest.mark.parametrize(('system', 'library'), [('darwin', ('', '')), ('linux', ('', '')), ('win32', ('', ''))])
def test_other_allocators_are_left_alone(monkeypatch, system, library):
    monkeypatch.setattr(sys, 'platform', system)
    monkeypatch.setattr(platform, 'libc_ver', lambda: library)
    assert allocator_settings({}) == {}
