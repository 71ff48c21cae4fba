"""The fork's note about OneDL."""
import subprocess
import sys

import pytest

SEGMENTOR = 'import mmkd, mmseg.datasets, mmdet.datasets'
OTHERS = """import logging, mmkd
from mmkd.utils.optional_imports import hush_onedl
hush_onedl()
from mmengine.logging import print_log
for text, level in (('Could not import OneDL', 20), ('Could not import OneDL', 10), ('something else', 10)):
    print_log(text, level=level)"""


def output_of(program: str) -> list[str]:
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], capture_output=True, text=True, check=True)
    return (result.stdout + result.stderr).splitlines()


@pytest.mark.slow
def test_importing_mmdet_and_mmseg_says_nothing_of_onedl():
    pytest.importorskip('mmseg')
    assert not [line for line in output_of(SEGMENTOR) if 'OneDL' in line]


def test_nothing_else_is_left_out():
    assert output_of(OTHERS) == ['Could not import OneDL', 'something else']
