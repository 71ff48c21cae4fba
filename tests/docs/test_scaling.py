"""The figures of docs/scaling.md are what the tool counts and computes, and those of performance.md."""
import re
import shlex

import pytest

from mmkd.benchmarks.scaling.setting import Setting
from tests.docs.pages import ROOT, text_of
from tests.tools.conftest import call

PAGE, SPEED = text_of('scaling.md'), text_of('performance.md')
TOOL = 'analysis_tools/benchmark_step.py'


def rows(first: str) -> list[list[str]]:
    """The cells of a table of the page, from a row on that begins so."""
    lines = PAGE[PAGE.index(f'\n| {first}') + 1:].partition('\n\n')[0].splitlines()
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def test_cores_are_measured_rates_divided():
    heads = [float(re.search(r': (\d+)', cell).group(1)) for cell in rows('student |')[0][2:]]
    assert heads == [371, 224, 155]
    for name, rate, *cores in rows('student |')[2:]:
        assert re.search(rf'\| {name} \| channels_last \| \d+ \| {rate} \|', SPEED), name
        assert [float(cell) for cell in cores] == [round(float(rate) / head, 1) for head in heads]
    assert all(re.search(rf'\| {head:.0f} \| \d+ \| [\d.]+ \|', SPEED) for head in heads)


def test_times_are_those_of_the_report():
    for name, time in (('ConvNeSt-T', 186), ('SLaK-T', 142)):
        assert f'| {name} | channels_last | {time} |' in SPEED and f'{time} ms' in PAGE


def test_defaults_are_those_of_the_code():
    shown = {name: row[1] for row in rows('`--setting`')[2:] for name in re.findall(r'`(\w+)`', row[0])}
    setting = Setting()
    for name in ('images_per_core', 'gpus_per_node', 'inside_gb', 'between_gb', 'latency_us', 'view_bytes'):
        assert float(shown.pop(name)) == getattr(setting, name), name
    assert setting.backward_share == 2 / 3 and shown.pop('backward_share') == '2/3'
    assert all(getattr(setting, name) is None for name in shown) and len(shown) == 4


def printed(*args: str, capsys: pytest.CaptureFixture) -> str:
    capsys.readouterr()
    assert call(TOOL, *args, '--device', 'cpu', cwd=ROOT) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_what_the_tool_prints(capsys):
    command, output = re.search(r'<!-- printed -->\n```bash\n(.*?)\n```\n\n```\n(.*?)```', PAGE, re.DOTALL).groups()
    assert printed(*shlex.split(command)[2:], capsys=capsys) == output


@pytest.mark.slow
@pytest.mark.parametrize('recipe', ['scale_kd/mobilenet-v1_resnet50-crd_8xb32-100e_in1k.py',
                                    'large_kernel_kd/convnext-tiny-bn_slak-tiny-kd_32xb128-120e_in1k.py'])
def test_what_is_sent(recipe, capsys):
    gradients, buckets, norms, crd = rows(f'`{recipe}`')[0][1:]
    out = printed(recipe, '--gpus', '2', '--setting', 'student_ms=1', 'teacher_ms=1', capsys=capsys)
    assert f'gradients {gradients} in {buckets} messages; ' in out
    assert norms == '–' or f'synchronised norms {norms} messages; ' in out
    assert crd == '–' or f'CRD {crd} messages; ' in out
