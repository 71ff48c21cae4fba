"""Exporting as a user does: what is written, what is said, and what is refused."""
import json
import re

import mmkd
import numpy as np
import pytest
import torch
from PIL import Image

from mmkd.utils.checkpoints.reading import read_checkpoint

from ..conftest import EPOCHS, call, fork, spawn

TOOL = 'model_converters/export.py'
NAME = 'convnest-mini_slak-mini-nkd_digits-5shot'
onnx = pytest.importorskip('onnx')
onnxruntime = pytest.importorskip('onnxruntime')


def logits_of(file, images: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(str(file)).run(None, dict(images=images))[0]


def test_the_published_student_in_float_and_int8(home, tmp_path):
    out = tmp_path / 'student.onnx'
    result = fork(TOOL, NAME, '--format', 'onnx', '--out', out, '--int8', '--calibration', 'data/digits/train',
                  '--calibration-images', 40, cwd=home)
    assert result.returncode == 0, result.stderr
    text = result.stdout
    assert 'free: batch, size' in text and 'top-1 agreement 100.0%' in text
    assert '16x3x32x32, 1x3x32x32, 3x3x64x80' in text
    before, after = map(float, re.search(r'500 validation pictures: float ([\d.]+) %, int8 ([\d.]+) %', text).groups())
    assert before == 91 and after > 88
    assert 'images/s' in text and 'too good' not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ['student-int8.onnx', 'student.onnx']
    assert (tmp_path / 'student-int8.onnx').stat().st_size < out.stat().st_size / 2
    facts = {each.key: each.value for each in onnx.load(out).metadata_props}
    assert json.loads(facts['classes']) == list('0123456789') and facts['mmkd_version'] == mmkd.__version__
    again = fork(TOOL, NAME, '--format', 'onnx', '--out', out, cwd=home)
    assert again.returncode == 2 and 'is there already. Give --force' in again.stderr


@pytest.mark.parametrize('weights', ['', '#raw'])
def test_a_training_checkpoint_by_its_recipe(ema_run, workplace, tmp_path, weights):
    """The student is taken, with the weights that were validated unless others are named."""
    out = tmp_path / 'student.onnx'
    file = f'{ema_run / f"epoch_{EPOCHS}.pth"}{weights}'
    assert call(TOOL, file, '--config', 'ema.py', '--format', 'onnx', '--out', out, '--normalise', 'outside',
                cwd=workplace) == 0
    key = 'ema_state_dict' if weights else 'state_dict'
    state = read_checkpoint(ema_run / f'epoch_{EPOCHS}.pth')[key]
    model = mmkd.get_model('quickstart/convnest-mini_digits-5shot.py').eval()
    state = {name.removeprefix('module.'): value for name, value in state.items()}
    model.load_state_dict({name.removeprefix('student.'): value for name, value in state.items()
                           if name.startswith('student.')})
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = model(images, mode='tensor').detach().numpy()
    assert np.abs(logits_of(out, images.numpy()) - expected).max() <= 1e-4 * np.abs(expected).max()


def test_of_a_detector_the_backbone(home, tmp_path):
    config = 'quickstart/mask-rcnn_convnest-mini_digits.py'
    torch.manual_seed(0)
    torch.save(dict(state_dict=mmkd.get_model(config).state_dict()), tmp_path / 'detector.pth')
    result = fork(TOOL, tmp_path / 'detector.pth', '--config', config, '--format', 'torchscript', '--size', '96',
                  cwd=home)
    assert result.returncode == 0, result.stderr
    assert 'exported: the backbone of a MaskRCNN' in result.stdout and 'top-1' not in result.stdout
    assert len(torch.jit.load(tmp_path / 'detector.ts.pt')(torch.rand(1, 3, 96, 96))) == 3


def test_a_folder_with_a_hash_in_its_name(tmp_path):
    """The file lies beside the checkpoint, of which the classes are read, too."""
    (tmp_path / 'run#2').mkdir()
    config = 'quickstart/convnest-mini_digits-5shot.py'
    torch.save(dict(state_dict=mmkd.get_model(config).state_dict(), meta=dict(dataset_meta=dict(
        classes=tuple('abcdefghij')))), tmp_path / 'run#2/student.pth')
    result = fork(TOOL, 'run#2/student.pth', '--config', config, '--format', 'onnx', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    facts = {each.key: each.value for each in onnx.load(tmp_path / 'run#2/student.onnx').metadata_props}
    assert json.loads(facts['classes']) == list('abcdefghij')


def test_calibration_pictures(home, tmp_path):
    """Damaged ones are named and left out; those of the validation set are too easy."""
    folder = tmp_path / 'some'
    folder.mkdir()
    for index, path in enumerate(sorted((home / 'data/digits/val/3').iterdir())[:3]):
        Image.open(path).save(folder / f'{index}.png')
        (folder / f'{index}.png').write_bytes(path.read_bytes())
    (folder / 'cut.png').write_bytes(path.read_bytes()[:60])
    result = fork(TOOL, NAME, '--format', 'onnx', '--out', tmp_path / 'a.onnx', '--int8', '--calibration', folder,
                  '--validation-images', 20, cwd=home)
    assert result.returncode == 0, result.stderr
    assert 'skipped: ' in result.stdout and 'cut.png' in result.stdout
    assert '1 of 4 pictures are damaged' in result.stdout and 'warning: that is few' in result.stdout
    assert 'warning: 3 calibration pictures are in the validation set' in result.stdout


@pytest.mark.parametrize(('arguments', 'words'), [
    (['--format', 'caffe'], "invalid choice: 'caffe'"),
    (['--format', 'onnx', '--int8'], '--int8 expects --calibration DIR beside it'),
    (['--format', 'onnx', '--calibration', '.'], '--calibration expects --int8'),
    (['--format', 'pt2', '--int8', '--calibration', '.'], '--int8 expects --format onnx, got --format pt2'),
    (['--format', 'torchscript', '--opset', '18'], '--opset expects --format onnx'),
    (['--format', 'onnx', '--opset', '9'], 'got 9. The smallest that works is 17'),
    (['--format', 'onnx', '--size', '1', '2', '3'], '--size expects one or two positive numbers'),
    (['--format', 'onnx', '--images', 'nowhere'], '--images expects a folder of pictures, got nowhere'),
    (['--format', 'onnx', '--int8', '--calibration', 'nowhere', '--out', 'a'], '--calibration expects a folder of'),
    (['--format', 'onnx', '--out', '.'], '--out expects a file, got the folder'),
    (['--format', 'onnx', '--config', 'nowhere.py'], 'config expects an existing file'),
    (['--format', 'torchscript', '--out', 'file/a.pt'], 'cannot write file/a.pt'),
])
def test_one_line_of_what_is_wrong(tmp_path, capsys, arguments, words):
    (tmp_path / 'file').write_text('')
    assert call(TOOL, NAME, *arguments, cwd=tmp_path) == 2
    text = capsys.readouterr().err.strip()
    assert words in text and (text.startswith('error: ') and '\n' not in text or 'usage' in text)
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_a_checkpoint_of_which_nothing_says_the_config(tmp_path, capsys):
    torch.save(dict(state_dict={'a': torch.ones(1)}), tmp_path / 'a.pth')
    assert call(TOOL, 'a.pth', '--format', 'onnx', cwd=tmp_path) == 2
    assert 'Give --config CONFIG.' in capsys.readouterr().err


def test_a_checkpoint_is_not_written_over(tmp_path, capsys):
    torch.save(dict(state_dict={'a': torch.ones(1)}), tmp_path / 'a.pth')
    before = (tmp_path / 'a.pth').read_bytes()
    (tmp_path / 'link.onnx').symlink_to('a.pth')
    for out in ('a.pth', 'link.onnx'):
        assert call(TOOL, 'a.pth', '--config', 'timm:resnet10t', '--format', 'onnx', '--out', out, '--force',
                    cwd=tmp_path) == 2
        assert 'another file than the checkpoint' in capsys.readouterr().err
    assert (tmp_path / 'a.pth').read_bytes() == before


def test_a_size_that_the_model_does_not_take(tmp_path, capsys):
    import timm
    torch.save(timm.create_model('vit_tiny_patch16_224').state_dict(), tmp_path / 'vit.pth')
    assert call(TOOL, 'vit.pth', '--config', 'timm:vit_tiny_patch16_224', '--format', 'torchscript', '--size', '256',
                cwd=tmp_path) == 2
    assert '--size expects 224 224, the only size that this model takes, got 256 256' in capsys.readouterr().err


def test_a_full_disk_leaves_what_was_there(tmp_path, capsys, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, 'No space left on device')

    (tmp_path / 'a.onnx').write_text('old')
    monkeypatch.setattr('mmkd.utils.files.whole.os.fsync', full)
    assert call(TOOL, NAME, '--format', 'onnx', '--out', 'a.onnx', '--force', cwd=tmp_path) == 2
    assert 'cannot write a.onnx: No space left on device' in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ['old']


def test_it_starts_by_itself(tmp_path):
    result = spawn(TOOL, '--help', cwd=tmp_path)
    assert result.returncode == 0 and '--calibration' in result.stdout
