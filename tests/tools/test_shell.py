import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
SCRIPTS = sorted(TOOLS.glob('*.sh'))
CONFIG = 'configs/convnest/convnest-tiny_32xb128_in1k.py'

pytestmark = pytest.mark.skipif(shutil.which('bash') is None, reason='needs bash')


def run(script, *args, cwd=None, **variables):
    env = {**os.environ, **variables}
    return subprocess.run(['bash', str(script), *args], capture_output=True, text=True, cwd=cwd, env=env,
                          stdin=subprocess.DEVNULL, timeout=60)


def fake_command(folder, name):
    """An executable that prints its arguments, one a line."""
    path = folder / name
    path.write_text('#!/bin/sh\nfor argument in "$@"; do echo "$argument"; done\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize('script', [*SCRIPTS, TOOLS.parent / '.ci' / 'run'], ids=lambda path: path.name)
def test_syntax(script):
    assert subprocess.run(['bash', '-n', str(script)], capture_output=True).returncode == 0


@pytest.mark.parametrize('name', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_usage_without_arguments(name):
    result = run(TOOLS / f'{name}.sh')
    assert result.returncode == 2
    assert f'Usage: bash tools/{name}.sh' in result.stderr


@pytest.mark.parametrize('script', [path for path in SCRIPTS if path.name != '_env.sh'], ids=lambda path: path.name)
def test_help(script, tmp_path):
    result = run(script, '--help', MMKD_VENV=str(tmp_path / 'none'))
    assert result.returncode == 0, result.stderr
    assert f'Usage: bash tools/{script.name}' in result.stdout
    assert not (tmp_path / 'none').exists()


def test_dist_train_calls_torchrun(tmp_path):
    python = fake_command(tmp_path, 'my python')
    result = run(TOOLS / 'dist_train.sh', CONFIG, '2', '--work-dir', 'a b', cwd=tmp_path, PYTHON=str(python),
                 PORT='1234', NNODES='3', NODE_RANK='1')
    arguments = result.stdout.splitlines()
    assert arguments[:2] == ['-m', 'mmkd.utils.processes.torchrun']
    assert {'--nnodes=3', '--node_rank=1', '--nproc_per_node=2', '--master_port=1234'} <= set(arguments)
    assert arguments[-6:] == [str(TOOLS / 'train.py'), CONFIG, '--launcher', 'pytorch', '--work-dir', 'a b']


def test_dist_test_calls_torchrun(tmp_path):
    python = fake_command(tmp_path, 'python')
    result = run(TOOLS / 'dist_test.sh', CONFIG, 'student.pth', '2', cwd=tmp_path, PYTHON=str(python))
    assert result.stdout.splitlines()[-5:] == [str(TOOLS / 'test.py'), CONFIG, 'student.pth', '--launcher', 'pytorch']


@pytest.mark.parametrize('name', ['dist_train.sh', 'dist_test.sh'])
@pytest.mark.parametrize(('variables', 'flag'), [
    (dict(), '--standalone'), (dict(PORT='1234'), '--master_port=1234'), (dict(NNODES='2'), '--master_port=29500'),
    (dict(MASTER_ADDR='10.0.0.1'), '--master_addr=10.0.0.1')])
def test_runs_on_one_machine_share_no_port(tmp_path, monkeypatch, name, variables, flag):
    for variable in ('PORT', 'NNODES', 'MASTER_ADDR', 'NODE_RANK'):
        monkeypatch.delenv(variable, raising=False)
    python = fake_command(tmp_path, 'python')
    arguments = run(TOOLS / name, CONFIG, *(['student.pth'] if name == 'dist_test.sh' else []), '2', cwd=tmp_path,
                    PYTHON=str(python), **variables).stdout.splitlines()
    ports = [argument for argument in arguments if argument.startswith(('--standalone', '--master_port'))]
    assert flag in arguments and len(ports) == 1 and '--nproc_per_node=2' in arguments


def test_gpus_must_be_a_number():
    result = run(TOOLS / 'dist_train.sh', CONFIG, '--amp')
    assert result.returncode == 1
    assert "GPUS expects a number from 1, got '--amp'" in result.stderr


def test_slurm_train_calls_srun(tmp_path):
    fake_command(tmp_path, 'srun')
    result = run(TOOLS / 'slurm_train.sh', 'gpu', 'job', CONFIG, '--amp', cwd=tmp_path, PYTHON='py', GPUS='4',
                 SRUN_ARGS='--mem 8G', PATH=f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
    arguments = result.stdout.splitlines()
    assert {'--job-name=job', '--ntasks=4', '--ntasks-per-node=4', '--gres=gpu:4'} <= set(arguments)
    assert arguments[-9:] == ['--mem', '8G', 'py', '-u', str(TOOLS / 'train.py'), CONFIG, '--launcher', 'slurm',
                              '--amp']


@pytest.mark.parametrize('name', ['slurm_train.sh', 'slurm_test.sh'])
@pytest.mark.parametrize(('variables', 'total', 'per_node'), [
    (dict(), 8, 8), (dict(GPUS='2'), 2, 2), (dict(GPUS='16'), 16, 8), (dict(GPUS='16', GPUS_PER_NODE='4'), 16, 4)])
def test_slurm_is_asked_for_no_more_than_all_gpus(tmp_path, monkeypatch, name, variables, total, per_node):
    for variable in ('GPUS', 'GPUS_PER_NODE', 'SRUN_ARGS'):
        monkeypatch.delenv(variable, raising=False)
    fake_command(tmp_path, 'srun')
    arguments = run(TOOLS / name, 'gpu', 'job', CONFIG, 'student.pth', cwd=tmp_path, PYTHON='py', **variables,
                    PATH=f'{tmp_path}{os.pathsep}{os.environ["PATH"]}').stdout.splitlines()
    assert {f'--ntasks={total}', f'--ntasks-per-node={per_node}', f'--gres=gpu:{per_node}'} <= set(arguments)


def test_slurm_gpus_must_be_a_number():
    result = run(TOOLS / 'slurm_train.sh', 'gpu', 'job', CONFIG, GPUS='two', PYTHON='py')
    assert result.returncode == 1 and "GPUS expects a number from 1, got 'two'" in result.stderr


def test_unknown_stack_is_an_error():
    result = run(TOOLS / 'run_tests.sh', '--stack', 'mmcv')
    assert result.returncode == 1
    assert "stack expects onedl or openmmlab, got 'mmcv'" in result.stderr


def test_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / 'thesis.txt').write_text('mine')
    result = run(TOOLS / 'run_tests.sh', MMKD_VENV=str(tmp_path))
    assert result.returncode == 1
    assert 'is no environment' in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


def test_wrong_python_is_an_error(tmp_path):
    result = run(TOOLS / 'run_tests.sh', MMKD_VENV=str(tmp_path / 'env'), PYTHON='no-such-python')
    assert result.returncode == 1
    assert 'PYTHON=no-such-python is no Python 3.10, 3.11 or 3.12' in result.stderr
    assert not (tmp_path / 'env').exists()


def test_foreign_environment_is_not_filled_up(tmp_path):
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', str(tmp_path)], check=True, timeout=60)
    site_packages = next(tmp_path.glob('lib/python*/site-packages'))
    (site_packages / 'numpy-1.0.dist-info').mkdir()
    (site_packages / 'numpy-1.0.dist-info' / 'METADATA').write_text('Metadata-Version: 2.1\nName: numpy\nVersion: 1.0')
    result = run(TOOLS / 'run_tests.sh', MMKD_VENV=str(tmp_path))
    assert result.returncode == 1
    assert 'has packages of yours, but not: torch torchvision' in result.stderr
    assert not list(tmp_path.glob('.mmkd-*'))
