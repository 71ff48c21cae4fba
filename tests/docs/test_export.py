"""The page about exporting: its first command and its Python, on the student that comes with mmkd."""
import re
import shlex

import pytest
import torch
from PIL import Image

from mmkd.export.formats import SUFFIXES, TRACED_OPSETS

from ..tools.conftest import call
from .pages import code_to_run, text_of

pytest.importorskip('onnxruntime')
TEXT = text_of('export.md')


def test_the_command_and_eight_lines(home, tmp_path, monkeypatch, capsys):
    (tmp_path / 'data').symlink_to(home / 'data')
    command = shlex.split(re.search(r'```bash\n(mmkd export .*?)\n```', TEXT)[1])
    assert call('model_converters/export.py', *command[2:], cwd=tmp_path) == 0
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    [code] = code_to_run('export.md')
    variables: dict = {}
    exec(compile(code, 'export.md', 'exec'), variables)
    assert capsys.readouterr().out.strip() == variables['classes'][variables['logits'].argmax()]
    assert len([line for line in code.splitlines() if line and 'import' not in line]) <= 8
    right = 0
    for path in sorted((home / 'data/digits/val').glob('*/*.png'))[::25]:
        image = torch.tensor(list(Image.open(path).convert('RGB').tobytes())).reshape(32, 32, 3).permute(2, 0, 1)[None]
        [logits] = variables['session'].run(['logits'], dict(images=image.float().numpy()))
        right += int(variables['classes'][logits.argmax()] == path.parent.name)
    assert right >= 16  # of 20


def test_what_the_page_says_of_formats():
    assert set(re.findall(r'^\| `(\w+)` \|', TEXT, re.MULTILINE)) == set(SUFFIXES)
    assert f'an opset below {TRACED_OPSETS[0]}' in TEXT
