"""The page about exporting: its first command and its Python, on the student that comes with mmkd."""
import re
import shlex
from pathlib import Path

import mmkd
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmpretrain.registry import TRANSFORMS
from PIL import Image
from sklearn.datasets import load_sample_images

from mmkd.export.formats import SUFFIXES, TRACED_OPSETS

from ..tools.conftest import call
from .pages import code_to_run, text_of

pytest.importorskip('onnxruntime')
TEXT = text_of('export.md')


def test_the_command_and_ten_lines(home, tmp_path, monkeypatch, capsys):
    (tmp_path / 'data').symlink_to(home / 'data')
    command = shlex.split(re.search(r'```bash\n(mmkd export .*?)\n```', TEXT)[1])
    assert call('model_converters/export.py', *command[2:], cwd=tmp_path) == 0
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    [code] = code_to_run('export.md')
    variables: dict = {}
    exec(compile(code, 'export.md', 'exec'), variables)
    assert capsys.readouterr().out.strip() == variables['classes'][variables['logits'].argmax()]
    assert len([line for line in code.splitlines() if line and 'import' not in line]) <= 10
    right = 0
    for path in sorted((home / 'data/digits/val').glob('*/*.png'))[::25]:
        image = torch.tensor(list(Image.open(path).convert('RGB').tobytes())).reshape(32, 32, 3).permute(2, 0, 1)[None]
        [logits] = variables['session'].run(['logits'], dict(images=image.float().numpy()))
        right += int(variables['classes'][logits.argmax()] == path.parent.name)
    assert right >= 16  # of 20


def as_page(code: str, file: Path, short: int, side: int, onnx: Path) -> dict:
    """What the page's lines leave, for another picture and model."""
    for old, new in (('short, side = 32, 32', f'short, side = {short}, {side}'), ('student.onnx', str(onnx)),
                     ('data/digits/val/3/digit_0089.png', str(file))):
        assert old in code
        code = code.replace(old, new)
    variables: dict = {}
    exec(compile(code, 'export.md', 'exec'), variables)
    return variables


@pytest.mark.parametrize(('short', 'side'), [(32, 32), (73, 64)])
def test_the_lines_give_the_probabilities_of_a_test(home, tmp_path, monkeypatch, short, side):
    """A photograph that is not square, and that its camera held sideways, beside the model behind its own pipeline."""
    photograph, exif = Image.fromarray(load_sample_images().images[0]).resize((160, 120)), Image.Exif()
    exif[0x112] = 6
    photograph.save(tmp_path / 'a.jpg', exif=exif)
    monkeypatch.chdir(home)
    name = 'convnest-mini_slak-mini-nkd_digits-5shot'
    assert call('model_converters/export.py', name, '--format', 'onnx', '--out', tmp_path / 'a.onnx', cwd=home) == 0
    [code] = code_to_run('export.md')
    logits = torch.tensor(as_page(code, tmp_path / 'a.jpg', short, side, tmp_path / 'a.onnx')['logits'])
    init_default_scope('mmpretrain')
    steps = [dict(type='LoadImageFromFile'), dict(type='mmkd.ResizeEdge', scale=short, crop_size=side),
             dict(type='CenterCrop', crop_size=side), dict(type='PackInputs')]
    item = Compose([TRANSFORMS.build(step) for step in steps])(dict(img_path=str(tmp_path / 'a.jpg')))
    model = mmkd.get_model(name, pretrained=True).eval()
    batch = dict(inputs=[item['inputs']], data_samples=[item['data_samples']])
    with torch.no_grad():
        [sample] = model.test_step(batch)
    torch.testing.assert_close(logits.softmax(1), sample.pred_score[None], atol=1e-3, rtol=0)


def test_what_the_page_says_of_formats():
    assert set(re.findall(r'^\| `(\w+)` \|', TEXT, re.MULTILINE)) == set(SUFFIXES)
    assert f'an opset below {TRACED_OPSETS[0]}' in TEXT
