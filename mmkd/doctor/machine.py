"""The machine below the packages: GPUs, compiled ops, Triton, cores, memory and space."""
import os
import shutil
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmkd.ops.mmcv_fallback import EXTENSION, install_mmcv_fallback
from mmkd.utils.versions import usable_cores

from .finding import ERROR, OK, WARNING, Finding

GIGA = 1024**3
SPACE = {'.': 5, 'work_dirs': 5, '/dev/shm': 1}  # gigabytes below which a place is short
LEAST = 0.1  # gigabytes without which no checkpoint is written
CUDA_BUILD = 'Install a build of PyTorch for CUDA that the driver knows: see pytorch.org.'


def torch_findings() -> list[Finding]:
    """Imports PyTorch, and looks at what only it can tell: GPUs, operators, Triton."""
    torch = _imported('torch')
    if not isinstance(torch, ModuleType):
        return [Finding(ERROR, 'PyTorch', torch, 'Reinstall torch.')] if find_spec('torch') else []
    return [*_gpus(torch), _torchvision(), _mmcv_ops(), _triton(torch)]


def machine_findings() -> list[Finding]:
    """Looks at cores, memory and space."""
    cores = usable_cores()
    findings = [Finding(OK, 'CPU cores', f'{cores} of {os.cpu_count()}')]
    total, available = memory()
    if total:
        short = available < 2 * GIGA
        findings.append(Finding(WARNING if short else OK, 'memory', f'{_size(available)} of {_size(total)} are free',
                                'Close other programs, or lower batch size and workers.' if short else ''))
    return findings + [_space(place, least) for place, least in SPACE.items() if Path(place).is_dir()]


def memory(proc: Path = Path('/proc/meminfo'), group: Path = Path('/sys/fs/cgroup')) -> tuple[int, int]:
    """Bytes of memory in all and free, of a container if it has a limit; zeros where the system does not tell."""
    try:
        lines = dict(line.split(':') for line in proc.read_text().splitlines())
        total, available = (int(lines[name].split()[0]) * 1024 for name in ('MemTotal', 'MemAvailable'))
    except (OSError, KeyError, ValueError):
        return 0, 0
    try:
        limit, used = (int((group / name).read_text()) for name in ('memory.max', 'memory.current'))
    except (OSError, ValueError):  # no limit
        return total, available
    return min(total, limit), min(available, max(0, limit - used))


def _space(place: str, least: float) -> Finding:
    free = shutil.disk_usage(place).free / GIGA
    name = 'free space in ' + ('this folder' if place == '.' else place)
    if free >= least:
        return Finding(OK, name, _size(free * GIGA))
    if place == '/dev/shm':
        return Finding(WARNING, name, _size(free * GIGA), 'Workers of the data loader hand batches over there. Give it '
                       'more (docker run --shm-size=8g), or lower num_workers.')
    return Finding(ERROR if free < LEAST else WARNING, name, _size(free * GIGA),
                   'Free some, or write elsewhere (--work-dir).')


def _size(count: float) -> str:
    return f'{count / GIGA:.1f} GB'


def _imported(name: str) -> ModuleType | str:
    """A module, or in one line why it cannot be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return import_module(name)
    except Exception as error:  # a broken extension raises whatever it likes
        return f'cannot be imported: {" ".join(str(error).split())[:300]}'


def _gpus(torch: ModuleType) -> list[Finding]:
    built = torch.version.cuda or torch.version.hip
    if not torch.cuda.is_available():
        there = Path('/dev/nvidia0').exists() or Path('/dev/kfd').exists()
        found = f'none that PyTorch can use (it was built for {f"CUDA {built}" if built else "the CPU"})'
        return [Finding(ERROR, 'GPU', found, CUDA_BUILD) if there else Finding(
            WARNING, 'GPU', found, 'Digits and tests run without one; ImageNet does not in any useful time.')]
    findings, kernels = [Finding(OK, 'CUDA', f'{built}')], torch.cuda.get_arch_list()
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        found = f'{facts.name}, {_size(facts.total_memory)}'
        fits = torch.version.hip or any(_runs_on(kernel, (facts.major, facts.minor)) for kernel in kernels)
        findings.append(Finding(OK if fits else ERROR, f'GPU {number}', found, '' if fits else
                                f'This PyTorch has kernels for {", ".join(kernels)} only. {CUDA_BUILD}'))
    return findings


def _runs_on(kernel: str, capability: tuple[int, int]) -> bool:
    """Whether ``sm_80`` (the same generation) or ``compute_80`` (all later ones) runs on a GPU."""
    kind, _, digits = kernel.rstrip('af').partition('_')
    major, minor = int(digits[:-1]), int(digits[-1])
    return (major, minor) <= capability and (kind == 'compute' or major == capability[0])


def _torchvision() -> Finding:
    module = _imported('torchvision.ops')
    if isinstance(module, str):
        return Finding(ERROR, 'torchvision ops', module, 'Install the torchvision that goes with this torch.')
    return Finding(OK, 'torchvision ops', 'can be imported')


def _mmcv_ops() -> Finding:
    if find_spec('mmcv') is None:
        return Finding(WARNING, 'mmcv ops', 'no mmcv', 'Detectors and segmentors need it.')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        fallback = install_mmcv_fallback()
    if not fallback:
        return Finding(OK, 'mmcv ops', f'compiled ({getattr(sys.modules.get(EXTENSION), "__file__", EXTENSION)})')
    broken = [str(warning.message) for warning in said if 'compiled ops' in str(warning.message)]
    if broken:
        return Finding(WARNING, 'mmcv ops', 'compiled ones that cannot be loaded', ' '.join(broken[0].split()))
    return Finding(OK, 'mmcv ops', "not compiled: torchvision's nms and roi_align stand in, others raise an error")


def _triton(torch: ModuleType) -> Finding:
    if not torch.cuda.is_available():
        return Finding(OK, 'Triton', 'not needed without a GPU')
    module = _imported('triton')
    if isinstance(module, str):
        return Finding(WARNING, 'Triton', module, 'Large kernels use a slower way: pip install triton.')
    return Finding(OK, 'Triton', str(module.__version__))
