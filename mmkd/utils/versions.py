"""Which versions are installed, and how many cores there are."""
import os
import platform
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from mmkd.version import __version__

PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain')


def installed_versions() -> dict[str, str]:
    """Versions of Python, mmkd and the packages below it, under whatever name they were distributed.

    Nothing is imported, which would take seconds.
    """
    distributions = packages_distributions()
    versions = dict(python=platform.python_version())
    for package in PACKAGES:
        try:
            versions[package] = version(distributions.get(package, [package])[0])
        except PackageNotFoundError:
            versions[package] = 'not installed'
    return versions | dict(mmkd=__version__)


def usable_cores() -> int:
    """The cores that this process may use: those of its affinity, and a container's limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    try:
        quota, period = Path('/sys/fs/cgroup/cpu.max').read_text().split()
        cores = min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):  # not Linux, or no limit
        pass
    return cores
