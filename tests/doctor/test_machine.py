"""Machines with and without GPUs, memory, space and compiled ops."""
import sys
import warnings
from collections import namedtuple
from types import SimpleNamespace

import pytest

from mmkd.doctor import machine
from mmkd.doctor.machine import GIGA, machine_findings, memory, torch_findings

Usage = namedtuple('Usage', 'total used free')


def fake_torch(capability: tuple[int, int] | None, kernels: list[str]) -> SimpleNamespace:
    cuda = SimpleNamespace(
        is_available=lambda: capability is not None, device_count=lambda: 1, get_arch_list=lambda: kernels,
        get_device_properties=lambda _: SimpleNamespace(name='GPU of a test', total_memory=80 * GIGA,
                                                        major=capability[0], minor=capability[1]))
    return SimpleNamespace(cuda=cuda, version=SimpleNamespace(cuda='12.8', hip=None))


@pytest.mark.parametrize(('capability', 'kernels', 'status'), [
    ((9, 0), ['sm_80', 'sm_90'], 'ok'), ((9, 0), ['sm_90a'], 'ok'), ((8, 6), ['sm_80'], 'ok'),
    ((12, 0), ['sm_80', 'sm_90'], 'error'), ((12, 0), ['sm_90', 'compute_90'], 'ok'), ((7, 0), ['sm_75'], 'error')])
def test_kernels_for_a_gpu(capability, kernels, status):
    _, gpu = machine._gpus(fake_torch(capability, kernels))
    assert (gpu.status, gpu.found) == (status, 'GPU of a test, 80.0 GB')
    assert (', '.join(kernels) in gpu.mend) == (status == 'error')


@pytest.mark.parametrize(('there', 'status'), [(True, 'error'), (False, 'warning')])
def test_no_usable_gpu(monkeypatch, there, status):
    monkeypatch.setattr(machine.Path, 'exists', lambda path: there)
    finding, = machine._gpus(fake_torch(None, []))
    assert finding.status == status and 'CUDA 12.8' in finding.found and finding.mend


def test_a_torch_that_cannot_be_imported(monkeypatch):
    monkeypatch.setattr(machine, 'import_module', lambda name: (_ for _ in ()).throw(OSError('libcudart.so\nis gone')))
    finding, = torch_findings()
    assert (finding.status, finding.found) == ('error', 'cannot be imported: libcudart.so is gone')


def test_compiled_ops(monkeypatch):
    monkeypatch.setattr(machine, 'install_mmcv_fallback', lambda: True)
    assert machine._mmcv_ops().status == 'ok' and 'roi_align stand in' in machine._mmcv_ops().found
    old = "mmcv's compiled ops\nare old"
    monkeypatch.setattr(machine, 'install_mmcv_fallback', lambda: warnings.warn(old, stacklevel=1) or True)
    assert machine._mmcv_ops()[::3] == ('warning', "mmcv's compiled ops are old")
    monkeypatch.setattr(machine, 'install_mmcv_fallback', lambda: False)
    monkeypatch.setitem(sys.modules, machine.EXTENSION, SimpleNamespace(__file__='_ext.so'))
    assert machine._mmcv_ops()[::2] == ('ok', 'compiled (_ext.so)')


def test_triton(monkeypatch):
    assert machine._triton(fake_torch(None, [])).status == 'ok'
    monkeypatch.setitem(sys.modules, 'triton', None)
    assert machine._triton(fake_torch((9, 0), []))[:2] == ('warning', 'Triton')
    monkeypatch.setitem(sys.modules, 'triton', sys)  # any module
    monkeypatch.setattr(sys, '__version__', '3.4.0', raising=False)
    assert machine._triton(fake_torch((9, 0), [])).found == '3.4.0'


@pytest.mark.parametrize(('free', 'statuses'), [(9, 'ok ok ok'), (0.5, 'warning warning warning'),
                                                (0.01, 'error error warning')])
def test_space(monkeypatch, tmp_path, free, statuses):
    (tmp_path / 'work_dirs').mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine.shutil, 'disk_usage', lambda place: Usage(0, 0, free * GIGA))
    places = [finding for finding in machine_findings() if 'space' in finding.what]
    assert [finding.status for finding in places] == statuses.split()
    assert [finding.what.rpartition(' ')[2] for finding in places] == ['folder', 'work_dirs', '/dev/shm']


def test_memory_of_a_container(tmp_path):
    proc = tmp_path / 'meminfo'
    proc.write_text('MemTotal:  1000 kB\nMemAvailable:  800 kB\n')
    assert memory(proc, tmp_path) == (1000 * 1024, 800 * 1024)
    (tmp_path / 'memory.max').write_text('max\n')
    (tmp_path / 'memory.current').write_text('102400\n')
    assert memory(proc, tmp_path) == (1000 * 1024, 800 * 1024)
    (tmp_path / 'memory.max').write_text('512000\n')
    assert memory(proc, tmp_path) == (512000, 409600)
    assert memory(tmp_path / 'none') == (0, 0)


def test_little_memory(monkeypatch):
    monkeypatch.setattr(machine, 'memory', lambda: (8 * GIGA, GIGA))
    short = next(finding for finding in machine_findings() if finding.what == 'memory')
    assert short[:3] == ('warning', 'memory', '1.0 GB of 8.0 GB are free')
