"""The helper of the tests of several processes: who hangs, and where, is said within the limit."""
import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import distributed

from .processes import pids, run_ranks, wait_for, watched


def add(rank: int, folder: Path) -> None:
    value = torch.tensor([1. + rank])
    distributed.all_reduce(value)
    (folder / f'{rank}.txt').write_text(f'{value.item():g}')


def wait_for_nobody(rank: int) -> None:
    if rank == 1:
        distributed.recv(torch.zeros(1), src=0)  # what nobody sends
    else:
        time.sleep(600)


def fail(rank: int) -> None:
    if rank == 1:
        raise ValueError('the second one fails')
    distributed.barrier()


@pytest.mark.processes
def test_ranks_talk_to_each_other(tmp_path):
    run_ranks(add, tmp_path, tmp_path)
    assert [(tmp_path / f'{rank}.txt').read_text() for rank in (0, 1)] == ['3', '3']


@pytest.mark.processes
def test_a_hang_ends_with_the_stack_of_every_rank(tmp_path):
    with pytest.raises(pytest.fail.Exception) as caught:
        run_ranks(wait_for_nobody, tmp_path, limit=5)
    text = str(caught.value)
    assert 'wait_for_nobody took more than 5 s' in text
    assert text.count('--- process') == 2 and text.count('in wait_for_nobody') == 2 and 'in recv' in text
    assert pids(tmp_path) == []


@pytest.mark.processes
def test_a_rank_that_fails_ends_the_others(tmp_path):
    with pytest.raises(AssertionError, match='the second one fails'):
        run_ranks(fail, tmp_path)
    assert pids(tmp_path) == []


COMMAND = """
import subprocess, sys, time
if len(sys.argv) == 1:
    print('started', flush=True)
    subprocess.run([sys.executable, __file__, 'child'])
else:
    time.sleep(600)
"""


def test_a_silent_command_ends_with_the_stacks_of_all_its_processes(tmp_path):
    script, log, folder = tmp_path / 'script.py', tmp_path / 'log.txt', tmp_path / 'stacks'
    script.write_text(COMMAND)
    with log.open('w') as file:
        process = subprocess.Popen([sys.executable, str(script)], env=os.environ | watched(folder), stdout=file)
    wait_for(lambda: 'started' in log.read_text() and len(pids(folder)) == 2, process, log, folder)
    assert process.poll() is None
    with pytest.raises(pytest.fail.Exception) as caught:
        wait_for(lambda: False, process, log, folder, limit=3)
    text = str(caught.value)
    assert 'was silent for 3 s' in text and 'started' in text and text.count('--- process') == 2
    assert process.poll() is not None and pids(folder) == []


def test_all_that_use_several_processes_are_marked():
    """So that ``-m processes`` repeats all of them."""
    forgotten = []
    for path in Path(__file__).parent.rglob('test_*.py'):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            called = {ast.unparse(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
            if isinstance(node, ast.FunctionDef) and node.name.startswith('test_') and 'run_ranks' in called and (
                    'pytest.mark.processes' not in map(ast.unparse, node.decorator_list)):
                forgotten.append(f'{path.name}::{node.name}')
    assert forgotten == []
