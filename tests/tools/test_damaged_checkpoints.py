"""More than 40 damaged checkpoints through train, test, publish, convert and resume: a line each, no payload run.

The tools run in this process, and a run that is set up once is handed one file after another.
"""
import io
import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.runner import EpochBasedTrainLoop, Runner

from mmkd.engine.checkpoints import tested_weights
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint

from .conftest import CONVNEST, EPOCHS, SHRINK, call

OPTIONS = ['--cfg-options', *SHRINK, 'train_dataloader.dataset.times=1', 'train_cfg.val_interval=4']


class RunsCode:
    """A harmless payload."""

    def __reduce__(self):
        return os.mkdir, ('pwned', )


def saved(content: object, **options: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def damaged_bytes(content: bytes) -> Iterator[bytes]:
    """Cut off, changed, and something else altogether."""
    size, draw = len(content), random.Random(0)
    for kept in (0, 1, 10, 100, 1000, size // 4, size // 2, size * 3 // 4, size - 30, size - 1):
        yield content[:kept]
    for place in [draw.randrange(size // 10, size * 9 // 10) for _ in range(10)]:
        yield content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1:]
    yield from (b'<html>quota</html>', b'{"error": 404}', b'Not Found', draw.randbytes(5000), bytes(5000),
                b'\x1f\x8b\x08' + bytes(50), b'version https://git-lfs.github.com/spec/v1\n', content[100:])
    yield from (pickle.dumps(RunsCode()), saved(dict(state_dict=RunsCode())), saved([RunsCode()]),
                saved(dict(state_dict=RunsCode()), _use_new_zipfile_serialization=False))


def damaged_contents(checkpoint: dict) -> Iterator[object]:
    """Whole files that hold the wrong things."""
    state = checkpoint['state_dict']
    name = 'head.fc.weight'
    yield from ([1, 2], torch.ones(3), 'text', {}, dict(checkpoint, state_dict={}), dict(checkpoint, state_dict=None),
                dict(checkpoint, meta=RunsCode()), dict(meta=checkpoint['meta']))
    yield dict(checkpoint, state_dict=state | {name: torch.full_like(state[name], float('nan'))})
    yield dict(checkpoint, state_dict={f'other.{key}': value for key, value in state.items()})


def damaged_training(checkpoint: dict) -> Iterator[object]:
    """Files that have weights, but cannot be gone on from."""
    state = checkpoint['state_dict']
    yield dict(checkpoint, state_dict={key: value for key, value in state.items() if key != 'head.fc.bias'})
    yield dict(checkpoint, state_dict={key: value.int() for key, value in state.items()})
    for key in ('meta', 'message_hub'):
        yield {name: value for name, value in checkpoint.items() if name != key}
        yield dict(checkpoint, **{key: 'text'})
        yield dict(checkpoint, **{key: {}})
    yield dict(checkpoint, optimizer=dict(state={}, param_groups=[]))
    yield dict(checkpoint, optimizer=[1])


@pytest.fixture(scope='module')
def files(workplace, plain_run) -> list[Path]:
    """The files that nothing can be made of."""
    path = plain_run / f'epoch_{EPOCHS}.pth'
    checkpoint = read_checkpoint(path)
    contents = [*damaged_bytes(path.read_bytes()), *map(saved, damaged_contents(checkpoint))]
    found = [workplace / f'damaged-{number}.pth' for number in range(len(contents))]
    for file, content in zip(found, contents):
        file.write_bytes(content)
    return found


def assert_refused(files: list[Path], lines: list[str | None], home: Path) -> None:
    assert len(lines) == len(files) >= 40
    assert [file.name for file, line in zip(files, lines) if line is None] == []
    assert not any('\n' in line or 'Traceback' in line for line in lines)
    assert not (home / 'pwned').exists()


def errors_of(files: list[Path], load) -> list[str | None]:
    """What the user is told of each; None if it was taken."""
    lines: list[str | None] = []
    for file in files:
        try:
            load(str(file))
        except UserError as error:
            lines.append(' '.join(str(error).split()))
        else:
            lines.append(None)
    return lines


@pytest.mark.timeout(900)
@pytest.mark.parametrize('resume', [True, False], ids=['resume', 'load_from'])
def test_train(files, plain_run, monkeypatch, resume):
    home, good = files[0].parent, plain_run / f'epoch_{EPOCHS}.pth'
    wanted = list(files)
    if resume:
        for number, content in enumerate(damaged_training(read_checkpoint(good))):
            wanted.append(home / f'training-{number}.pth')
            wanted[-1].write_bytes(saved(content))
    lines = []

    def run(loop: EpochBasedTrainLoop) -> None:
        def load(file: str) -> None:
            loop.runner._has_loaded, loop.runner._load_from = False, file
            loop.runner.load_or_resume()
        lines.extend(errors_of(wanted, load))

    monkeypatch.setattr(EpochBasedTrainLoop, 'run', run)
    way = ['--resume', str(good), '--auto-scale-lr', *OPTIONS] if resume else [*OPTIONS, f'load_from={good}']
    assert call('train.py', CONVNEST, '--work-dir', 'damaged', *way, cwd=home) == 0
    assert_refused(wanted, lines, home)


@pytest.mark.timeout(900)
def test_test(files, plain_run, monkeypatch):
    original, lines = tested_weights.test_weights, []

    def test(runner: Runner, checkpoint: str, which: str | None = None) -> dict:
        lines.extend(errors_of(files, lambda file: original(runner, file)))
        return {}

    monkeypatch.setattr(tested_weights, 'test_weights', test)
    assert call('test.py', CONVNEST, plain_run / f'epoch_{EPOCHS}.pth', cwd=files[0].parent) == 0
    assert_refused(files, lines, files[0].parent)


@pytest.mark.parametrize('tool', ['publish_student', 'convert_checkpoint'])
def test_publish_and_convert(files, capsys, tool):
    home, lines = files[0].parent, []
    for file in files:
        status = call(f'model_converters/{tool}.py', file, f'{tool}-out.pth', cwd=home)
        *_, last = capsys.readouterr().err.splitlines() or ['']
        assert status in (0, 2)
        lines.append(last.removeprefix('error: ') if status else None)
    other = files.index(files[-1])  # weights of some other model are whole weights
    if tool == 'publish_student':
        lines[other] = lines[other] or 'published'
    assert_refused(files, lines, home)
