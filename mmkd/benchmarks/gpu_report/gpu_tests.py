"""The tests marked ``gpu``, where there is a checkout."""
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from mmkd.utils.versions import usable_cores

from .settings import Settings

ROOT = Path(__file__).parents[3]


def measure_part(settings: Settings) -> Iterator[dict]:
    """One row for all of them, and one for each that did not pass."""
    files = sorted(map(str, (ROOT / 'tests').rglob('test_*_gpu.py')))
    if not files:
        yield dict(case='tests marked gpu', error='No tests beside this package: run it from a checkout.')
        return
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, 'report.xml')
        command = [sys.executable, '-m', 'pytest', '-q', '-m', 'gpu', '-p', 'no:cacheprovider', f'--junitxml={report}']
        if find_spec('xdist'):
            command += ['-n', str(min(8, usable_cores()))]  # most of the time goes into compiling
        subprocess.run([*command, *files], cwd=ROOT, stdout=sys.stderr, check=False)
        suite = ElementTree.parse(report).getroot().find('testsuite')
    counts = {name: int(suite.get(name)) for name in ('tests', 'failures', 'errors', 'skipped')}
    yield dict(case='tests marked gpu', **counts)
    for case in suite.iter('testcase'):
        for child in case:
            if child.tag in ('failure', 'error'):
                yield dict(case=case.get('name'), error=(child.get('message') or '')[:300])
