"""Settings of glibc's allocator for processes that train on the CPU."""
import platform
import sys
from collections.abc import Mapping

# glibc hands large blocks back to the system as they are freed, and each step takes them anew, page by page. 32 MiB is
# the largest block that it can be told to keep; what lies free at the end of its memory stays up to half a GiB.
SETTINGS = dict(MALLOC_MMAP_THRESHOLD_=str(32 << 20), MALLOC_TRIM_THRESHOLD_=str(512 << 20))
OWN = ('MALLOC_', 'GLIBC_TUNABLES', 'LD_PRELOAD')


def allocator_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that have glibc keep the memory which every step of a training frees and takes again.

    Args:
        environment: That of the process to be started.

    Returns:
        The variables to add; none if the user has set up an allocator, or if it is not glibc's.
    """
    if sys.platform != 'linux' or platform.libc_ver()[0] != 'glibc':
        return {}
    return {} if any(name.startswith(OWN) for name in environment) else dict(SETTINGS)
