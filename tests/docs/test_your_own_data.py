"""The page on data of one's own: its configs and commands, with three small models on generated pictures."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.docs.pages import commands, write_files
from tests.tools.conftest import call

SHAPES = dict(circle=ImageDraw.ImageDraw.ellipse, square=ImageDraw.ImageDraw.rectangle, line=ImageDraw.ImageDraw.line)
SMALL = ['train_dataloader.batch_size=9', 'val_dataloader.batch_size=9', 'train_cfg.max_epochs=6',
         'train_cfg.val_interval=6', 'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0',
         'train_dataloader.persistent_workers=False', 'val_dataloader.persistent_workers=False',
         'default_hooks.logger.interval=1', 'train_dataloader.dataset.pipeline.1.scale=64',
         *(f'val_dataloader.dataset.pipeline.{step}' for step in ('1.scale=72', '1.crop_size=64', '2.crop_size=64'))]
PICTURES = 3


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """A folder with the page's configs and three pictures of each shape, in both splits."""
    folder = tmp_path_factory.mktemp('own')
    numbers = np.random.default_rng(0)
    for split in ('train', 'val'):
        for name, draw in SHAPES.items():
            (folder / 'data/shapes' / split / name).mkdir(parents=True)
            for i in range(PICTURES):
                picture = Image.fromarray(numbers.integers(0, 80, (72, 64, 3), dtype=np.uint8))
                left, top = numbers.integers(4, 24, 2).tolist()
                draw(ImageDraw.Draw(picture), [left, top, left + 32, top + 32], fill=(250, 240, 90))
                picture.save(folder / f'data/shapes/{split}/{name}/{i}.png')
    write_files('your_own_data.md', folder)
    teacher = (folder / 'teacher.py').read_text().replace('resnet50', 'resnet10t').replace('ed=True', 'ed=False')
    (folder / 'teacher.py').write_text(teacher)  # no network here
    return folder


def run(command: list[str], folder: Path, *more: str) -> int:
    words = [word.replace('epoch_100', 'epoch_6') for word in command]
    options = list(more)
    if '--cfg-options' in words:
        options.remove('--cfg-options')
    return call(words[0].removeprefix('tools/'), *words[1:], *options, cwd=folder)


def test_whole_and_damaged_folders(folder, capsys, tmp_path):
    train, val = commands('your_own_data.md', 'verify')
    assert run(train, folder) == run(val, folder) == 0
    assert 'ok: 9 images' in capsys.readouterr().out
    (tmp_path / 'data/shapes/train/circle').mkdir(parents=True)
    (tmp_path / 'data/shapes/train/circle/a.png').write_bytes(b'no picture')
    assert run(train, tmp_path) == 1
    assert 'a.png' in (tmp_path / 'folders-problems.txt').read_text()


@pytest.mark.slow
def test_the_commands(folder, capsys):
    (train_teacher,), (trial,) = commands('your_own_data.md', 'teacher'), commands('your_own_data.md', 'trial')
    assert trial[trial.index('--cfg-options') + 1:] == ['model.pretrained=False', *SMALL]
    assert run(train_teacher, folder, '--cfg-options', *SMALL) == 0
    check, train, publish = commands('your_own_data.md', 'student')
    last = 'model.teacher.checkpoint=work_dirs/teacher/epoch_6.pth'
    capsys.readouterr()
    run(check, folder, '--device', 'cpu', '--batches', '1', '--cfg-options', *SMALL, last)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(('ok', 'warning', 'error'))]
    # the teacher has hardly been trained, which the line on the order of the labels says
    wrong = [line for line in lines if line.startswith('error') and 'label order' not in line]
    assert len(lines) > 10 and not wrong, wrong
    assert run(train, folder, '--cfg-options', *SMALL, last) == 0
    assert run(publish, folder) == 0
    (published,) = (folder / 'work_dirs/student').glob('student-*.pth')
    few = ['test_dataloader.batch_size=9', 'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
    assert call('test.py', 'student.py', published, '--cfg-options', *few, cwd=folder) == 0
    alone, _ = commands('your_own_data.md', 'alone')
    assert run(alone, folder, '--cfg-options', *SMALL) == 0
    assert (folder / 'work_dirs/alone-seed0/epoch_6.pth').is_file()
