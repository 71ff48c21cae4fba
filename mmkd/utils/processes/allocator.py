"""Settings of glibc's allocator for processes that train on the CPU."""
import ctypes
import os
import platform
import sys

# glibc hands large blocks back to the system as they are freed, and each step takes them anew, page by page. 32 MiB is
# the largest block that it can be told to keep; what lies free at the end of its memory stays up to half a GiB.
TRIM_THRESHOLD, MMAP_THRESHOLD = (-1, 512 << 20), (-3, 32 << 20)  # glibc's number of the setting, and its value
OWN = ('MALLOC_', 'GLIBC_TUNABLES', 'LD_PRELOAD')


def keep_freed_memory() -> bool:
    """Has glibc keep the memory which every step of a training frees and takes again, in this process and its forks.

    Returns:
        Whether it does: not where the environment sets up an allocator, or where it is not glibc's.
    """
    if sys.platform != 'linux' or platform.libc_ver()[0] != 'glibc' or any(name.startswith(OWN) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(*TRIM_THRESHOLD), mallopt(*MMAP_THRESHOLD)])
