"""tools/quickstart.py: its plan, its messages, and one short run from end to end."""
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / 'tools'))  # as Python does for a script
import quickstart  # noqa: E402
import quickstart_plan  # noqa: E402
from quickstart_pictures import CAPTIONS, draw_figures  # noqa: E402

from mmkd.utils import UserError  # noqa: E402


@pytest.fixture
def plan(home, monkeypatch):
    monkeypatch.chdir(home)
    monkeypatch.setattr(quickstart_plan, 'CONFIGS', str(ROOT / 'configs/quickstart'))

    def make(**settings):
        return quickstart_plan.Plan(quickstart_plan.Settings(Path('work'), **settings))

    return make


def arguments(job):
    return [part for part in job.arguments if isinstance(part, str)]


def copy_of_checkout(folder):
    """A checkout of its own, so that no test writes into this one."""
    for name in ('mmkd', 'configs', 'tools'):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    return folder / 'tools/quickstart.py'


def environment(root=ROOT):
    return os.environ | dict(PYTHONPATH=str(root), CUDA_VISIBLE_DEVICES='')


def test_plan(plan):
    jobs = plan(threads=3).jobs
    assert len(jobs) == 1 + 2 * 5 + 1 + 4 + 2
    assert jobs['teacher'].threads == 3 and jobs['alone-seed3'].threads == 1
    assert jobs['distilled-seed3'].needs == ('teacher', )
    assert jobs['publish-distilled-seed0'].needs == ('distilled-seed0', )
    assert jobs['mask-rcnn-distilled-seed0'].needs == ('publish-distilled-seed0', )
    assert jobs['upernet-scratch-seed0'].needs == ()
    options = ['randomness.seed=3', 'train_dataloader.dataset.dataset.ann_file=meta/train_5_per_class_seed3.txt']
    for kind in ('alone', 'distilled'):
        assert arguments(jobs[f'{kind}-seed3'])[-2:] == options
    assert '--cfg-options' not in jobs['alone-seed0'].arguments  # what the config says itself
    assert jobs['alone-seed0'].iterations == jobs['distilled-seed0'].iterations > 1


def test_what_looks_into_the_models(plan):
    jobs = plan().jobs
    for word in ('erf', 'cka'):
        job = jobs[f'inside-{word}']
        assert job.needs == ('teacher', 'alone-seed0', 'distilled-seed0')
        assert arguments(job)[2:] == ['--labels', 'teacher', 'student alone', 'student distilled', '--out',
                                      f'work/inside-{word}']
        assert len(job.arguments) == len(arguments(job)) + 3  # checkpoints that are named when it starts
        assert job.key != plan(check=True).jobs[job.name].key


def test_without_matplotlib_nothing_is_drawn(plan, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)  # as if it was not installed
    made = plan()
    assert not {'inside-erf', 'inside-cka'} & set(made.jobs) and len(made.jobs) == 1 + 2 * 5 + 1 + 4
    assert draw_figures(made) == {}


def test_full_plan_contains_the_quick_one(plan):
    quick, full = plan().jobs, plan(full=True).jobs
    assert all(full[name].key == job.key for name, job in quick.items())
    assert len(full) == 1 + 3 * 5 + 2 * 3 + 2 * 3 * 3 + 2
    job = full['upernet-alone-seed2']
    assert job.needs == ('publish-alone-seed2', )
    student = 'model.backbone.init_cfg.checkpoint=work/student-alone-seed2.pth'
    assert arguments(job)[-2:] == ['randomness.seed=2', student]


def test_a_changed_config_changes_what_depends_on_it(plan, home, tmp_path, monkeypatch):
    shutil.copytree(ROOT / 'configs', tmp_path / 'configs')
    monkeypatch.setattr(quickstart_plan, 'CONFIGS', str(tmp_path / 'configs/quickstart'))
    before = {name: job.key for name, job in plan().jobs.items()}
    with open(tmp_path / 'configs/quickstart/slak-mini_digits.py', 'a') as file:
        file.write("\noptim_wrapper = dict(optimizer=dict(lr=1e-9))\n")
    monkeypatch.setattr(quickstart_plan, 'CONFIGS', str(tmp_path / 'configs/quickstart'))
    after = {name: job.key for name, job in quickstart_plan.Plan(quickstart_plan.Settings(Path('work'))).jobs.items()}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {'teacher', *(f'distilled-seed{seed}' for seed in range(5)), 'publish-distilled-seed0',
                       'mask-rcnn-distilled-seed0', 'upernet-distilled-seed0', 'inside-erf', 'inside-cka'}


def test_description(plan):
    text = plan().describe()
    side = json.loads(Path('data/digits/digits.json').read_text())['scene_size']
    assert '50 of these labels' in text and 'Number of seeds: 5' in text and f'8 scenes of {side}×{side}' in text
    assert 'check' not in text
    assert 'mean nothing' in plan(check=True).describe()


def test_arguments(monkeypatch, tmp_path):
    monkeypatch.setattr(quickstart, 'usable_cores', lambda: 16)
    args = quickstart.parse_args([])
    assert (args.jobs, args.threads, args.work_dir) == (4, 4, Path('work_dirs/quickstart'))
    assert quickstart.parse_args(['--check']).work_dir == Path('work_dirs/quickstart-check')
    monkeypatch.chdir(tmp_path)
    assert quickstart.parse_args(['--work-dir', 'here', '--jobs', '2']).work_dir == tmp_path / 'here'
    with pytest.raises(SystemExit):
        quickstart.parse_args(['--jobs', '0'])


def test_clean_removes_only_its_own(tmp_path):
    for name in ('teacher', 'mine'):
        (tmp_path / name).mkdir()
    (tmp_path / 'teacher/done.json').write_text('{"key": "a"}')
    mine = ('notes.txt', 'photo.png', 'student-01234567.pth', 'student-mine.pth', 'students.pth')
    for name in ('student.pth', 'student-kd-seed12.pth', 'report.json', 'curves.png', 'clock.json', *mine):
        (tmp_path / name).touch()
    quickstart.clean(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(['mine', *mine])


def test_all_that_is_published_is_cleaned(plan, tmp_path):
    jobs = plan(full=True).jobs.values()
    published = [job.target.name for job in jobs if isinstance(job, quickstart_plan.PublishJob)]
    for name in published:
        (tmp_path / name).touch()
    quickstart.clean(tmp_path)
    assert len(published) == 6 and not any(tmp_path.iterdir())


@pytest.mark.parametrize('files', [
    {'student-01234567.pth': 'weights', 'config.py': 'model = dict()'},  # as of `mmkd distill`
    {'report.md': 'mine'}, {'student.pth': 'weights'}, {'clock.json': '{"seconds": 3.0}', 'report.json': '{}'},
    {'teacher/done.json': '{"key": "a"}', 'clock.json': '{"seconds": 3.0}'},  # as of `mmkd compare`
    {'digits/digits.json': '{"format": 1}'}])
def test_a_folder_of_something_else_is_refused(tmp_path, monkeypatch, capsys, files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    before = sorted(tmp_path.rglob('*'))
    monkeypatch.setattr(quickstart, 'run', None)
    monkeypatch.setattr(signal, 'signal', lambda *_: None)
    monkeypatch.chdir(tmp_path)
    for words in ([], ['--clean']):
        monkeypatch.setattr(sys, 'argv', ['quickstart.py', '--work-dir', str(tmp_path), *words])
        with pytest.raises(SystemExit, match='2'):
            quickstart.main()
        error = capsys.readouterr().err
        assert f'--work-dir expects a new or empty folder, or one of an earlier quick start, got {tmp_path}.' in error
        assert error.count('\n') == 1
        assert sorted(tmp_path.rglob('*')) == before and all((tmp_path / n).read_text() == t for n, t in files.items())


@pytest.mark.parametrize('files', [
    {}, {'.lock': ''}, {'clock.json': '{"quickstart": 1, "seconds": 0.0}'},
    {'digits/run.json': '{"key": "", "seconds": 0}', '.lock': ''},  # cut off while the digits were made
    {'digits/done.json': '{"key": "", "seconds": 3}', 'teacher/run.json': '{"key": "a"}', 'student.pth': ''}])
def test_a_folder_of_an_earlier_quick_start_is_taken(tmp_path, files):
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    quickstart.check_folder(tmp_path)
    quickstart.check_folder(tmp_path / 'new')
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='--work-dir expects'):
        quickstart.check_folder(tmp_path / 'file')


def test_failed_run(tmp_path):
    """A failing child's last lines are shown, and the status is not zero; nothing is downloaded or trained."""
    script = copy_of_checkout(tmp_path)
    (tmp_path / 'data/digits').mkdir(parents=True)
    (tmp_path / 'data/digits/notes.txt').write_text('mine')
    result = subprocess.run([sys.executable, str(script)], cwd='/', env=environment(tmp_path), capture_output=True,
                            text=True)
    assert result.returncode == 1
    assert 'python tools/dataset_converters/digits.py' in result.stdout
    assert '--out expects a new or empty folder' in result.stderr
    assert 'error: digits failed with exit status 2.' in result.stderr
    assert 'work_dirs/quickstart/digits/output.txt' in result.stderr


@pytest.mark.skipif(os.name != 'posix' or os.geteuid() == 0, reason='root may write everywhere')
def test_unwritable_folder(tmp_path):
    tmp_path.chmod(0o555)
    result = subprocess.run([sys.executable, str(ROOT / 'tools/quickstart.py'), '--work-dir', str(tmp_path / 'work')],
                            env=environment(), capture_output=True, text=True)
    tmp_path.chmod(0o755)
    assert result.returncode == 1
    assert result.stderr.count('\n') == 1 and 'cannot be used' in result.stderr


STUB = """
import json, sys, time, zipfile
from pathlib import Path
words = dict(word.split('=', 1) for word in sys.argv if '=' in word)
folder, epoch = Path(sys.argv[3]), int(words.get('train_cfg.max_epochs', 1))
if {sleep} and folder.name == 'teacher':
    time.sleep(120)
log = folder / '20260101/vis_data/scalars.json'
log.parent.mkdir(parents=True)
log.write_text(json.dumps({{'accuracy/top1': 50., 'coco/bbox_mAP': 0.2, 'coco/segm_mAP': 0.3, 'mIoU': 40., 'time': 1.,
                           'step': epoch}}))
zipfile.ZipFile(folder / f'epoch_{{epoch}}.pth', 'w').close()
(folder / 'last_checkpoint').write_text(str(folder / f'epoch_{{epoch}}.pth'))
"""


ANALYSIS_STUB = """
import json, sys
from pathlib import Path
folder, labels = Path(sys.argv[sys.argv.index('--out') + 1]), sys.argv[sys.argv.index('--labels') + 1:][:3]
assert all(Path(word.partition('=')[2]).is_file() for word in sys.argv[1:4])
numbers = {numbers}
(folder / '{stem}.npz').touch()
(folder / '{stem}.json').write_text(json.dumps(dict(numbers=numbers, settings=dict(images=dict(number=7, size=32)))))
"""
ERF_STUB = "{label: dict(area_ratios=dict(log={'0.5': 0.25}), images=7, skipped=0) for label in labels}"
CKA_STUB = """{f'teacher × {label}': dict(values=[[0.75, 0.1], [0.1, 0.5]], rows=['pre_logits', 'logits'],
           columns=['pre_logits', 'logits'], batches=1) for label in labels[1:]}"""


@pytest.fixture
def stubbed(home, tmp_path):
    """A checkout whose tools only pretend; they leave what the real ones leave."""
    script = copy_of_checkout(tmp_path)
    (tmp_path / 'data').symlink_to(home / 'data')
    tools = script.parent
    (tools / 'dataset_converters/digits.py').write_text('')
    (tools / 'model_converters/publish_student.py').write_text(
        "import sys\nopen(sys.argv[2].replace('student', 'student-01234567'), 'w').write('weights')\n")
    (tools / 'train.py').write_text(STUB.format(sleep=False))
    for stem, numbers in (('receptive_field', ERF_STUB), ('cka', CKA_STUB)):
        (tools / f'analysis_tools/{stem}.py').write_text(ANALYSIS_STUB.format(stem=stem, numbers=numbers))
    return script


def test_every_stage_ends_in_the_report(stubbed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(quickstart, 'ROOT', tmp_path)
    monkeypatch.setattr(quickstart, 'draw_figures', lambda plan: CAPTIONS)
    monkeypatch.setattr(signal, 'signal', lambda *_: None)
    monkeypatch.setattr(quickstart, 'time', SimpleNamespace(monotonic=itertools.count().__next__))  # a second a look
    monkeypatch.setattr(sys, 'argv', ['quickstart.py', '--check', '--jobs', '4'])
    monkeypatch.chdir(tmp_path)
    assert quickstart.main() == 0
    output = capsys.readouterr().out
    work_dir = Path('work_dirs/quickstart-check')
    row = ['UperNet,', 'mIoU', '(%),', '1', 'seed', '40.0', '40.0', '+0.0']
    assert row in [line.split() for line in output.splitlines()]
    assert '\x1b' not in output and '\r' not in output
    assert 'Start mask-rcnn-distilled-seed0' in output
    assert (work_dir / 'student.pth').read_text() == 'weights'
    report = json.loads((work_dir / 'report.json').read_text())
    assert report['teacher_top1'] == 50. and report['bbox_mAP'] == dict(scratch=0.2, distilled=0.2)
    commands = (work_dir / 'report.md').read_text()
    teacher = 'model.teacher.checkpoint=work_dirs/quickstart-check/teacher/epoch_2.pth'
    assert teacher in commands and str(tmp_path) not in commands and sys.executable not in commands
    assert report['inside']['receptive_fields']['area_ratios']['student distilled'] == {'0.5': 0.25}
    assert report['inside']['cka']['last_layers']['student alone'] == dict(pre_logits=0.75, logits=0.5)
    assert '| student distilled | 25.0 % | 0.75 | 0.50 |' in commands and '\nmmkd analyse erf configs/' in commands
    assert 'inside' in report['seconds']
    assert quickstart.main() == 0  # all is done
    assert 'Start teacher' not in capsys.readouterr().out
    assert json.loads((work_dir / 'report.json').read_text()) == report
    shutil.rmtree(work_dir / 'alone-seed0')
    (work_dir / 'inside-erf/receptive_field.npz').unlink()
    assert quickstart.main() == 0
    output = capsys.readouterr().out  # a run from the same settings gives the same model: CKA holds
    assert 'Start alone-seed0' in output and 'Start inside-erf' in output and 'Start inside-cka' not in output


def test_a_report_without_matplotlib(stubbed, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(quickstart, 'ROOT', tmp_path)
    monkeypatch.setattr(signal, 'signal', lambda *_: None)
    monkeypatch.setattr(sys, 'argv', ['quickstart.py', '--check', '--jobs', '4'])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, 'matplotlib', None)  # as if it was not installed
    assert quickstart.main() == 0
    output = capsys.readouterr().out
    assert 'no figures, as matplotlib is not installed. Install it' in output and 'UperNet, mIoU' in output
    text = Path('work_dirs/quickstart-check/report.md').read_text()
    assert '.png' not in text and 'Inside' not in text
    assert 'inside' not in json.loads(Path('work_dirs/quickstart-check/report.json').read_text())


def test_interrupt(stubbed, tmp_path):
    (stubbed.parent / 'train.py').write_text(STUB.format(sleep=True))
    command = [sys.executable, str(stubbed), '--check', '--jobs', '1']
    process = subprocess.Popen(command, cwd='/', env=environment(tmp_path), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    work_dir, deadline = tmp_path / 'work_dirs/quickstart-check', time.monotonic() + 60
    while not (work_dir / 'teacher/run.json').exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert quickstart.read_json(work_dir / 'clock.json')['quickstart']  # from the first second on
    second = subprocess.run(command, cwd='/', env=environment(tmp_path), capture_output=True, text=True)
    assert second.returncode == 2 and 'in use by another run' in second.stderr
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert 'interrupted; nothing is left running. The same command goes on from here.' in errors
    (stubbed.parent / 'train.py').write_text('raise SystemExit("no space left")')
    result = subprocess.run(command, cwd='/', env=environment(tmp_path), capture_output=True, text=True)
    assert result.returncode == 1
    assert 'no space left\nerror: teacher failed with exit status 1.' in result.stderr


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='finds child processes in /proc')
def test_a_killed_quick_start_keeps_its_clock(stubbed, tmp_path):
    (stubbed.parent / 'train.py').write_text(STUB.format(sleep=True))
    process = subprocess.Popen([sys.executable, str(stubbed), '--check', '--jobs', '1'], cwd='/',
                               env=environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock, deadline = tmp_path / 'work_dirs/quickstart-check/clock.json', time.monotonic() + 120
    while quickstart.read_json(clock).get('seconds', 0) < 2 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.1)
    children = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
    for pid in [process.pid, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    process.wait()
    assert quickstart.Stopwatch(clock).seconds() >= 2


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_end_to_end(tmp_path):
    """Smoke test with real, drastically shortened runs: about a minute on two idle cores."""
    pytest.importorskip('sklearn')
    script = copy_of_checkout(tmp_path)
    result = subprocess.run([sys.executable, str(script), '--check'], cwd='/', env=environment(tmp_path),
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    work_dir = tmp_path / 'work_dirs/quickstart-check'
    report = json.loads((work_dir / 'report.json').read_text())
    assert len(report['student_distilled_top1']['values']) == 1
    assert {'distilled', 'scratch'} == set(report['bbox_mAP']) == set(report['segm_mAP']) == set(report['mIoU'])
    assert 'UperNet, mIoU' in result.stdout
    for name in CAPTIONS:
        with Image.open(work_dir / name) as image:
            assert min(image.size) > 200
        assert f'({name})' in (work_dir / 'report.md').read_text()
    look_inside_again(report['inside'], tmp_path)


def look_inside_again(inside, folder):
    """The commands that the report prints give the figures of the report."""
    typed = {part['command'].split()[2]: shlex.split(part['command']) for part in inside.values()}
    for words in typed.values():
        words[:2] = [sys.executable, '-m', 'mmkd', 'analyse']
        result = subprocess.run(words, cwd=folder, env=environment(folder), capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
    fields = json.loads((folder / 'work_dirs/analysis/receptive_field.json').read_text())['numbers']
    for label, ratios in inside['receptive_fields']['area_ratios'].items():
        assert ratios == fields[label]['area_ratios']['log']
    maps = json.loads((folder / 'work_dirs/analysis/cka.json').read_text())['numbers']
    for label, layers in inside['cka']['last_layers'].items():
        assert layers['logits'] == maps[f'teacher × {label}']['values'][-1][-1] is not None
