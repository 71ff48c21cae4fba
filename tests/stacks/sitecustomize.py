"""Lets a test ask a Python process that it started for its stacks, and those that this one starts."""
import faulthandler
import os
import signal

if folder := os.environ.get('MMKD_TEST_STACKS'):
    _file = open(os.path.join(folder, f'{os.getpid()}.stack'), 'w', encoding='utf-8')  # noqa: SIM115
    faulthandler.register(signal.SIGUSR1, file=_file, all_threads=True)
