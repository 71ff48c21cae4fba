"""The picture and the numbers."""
import json
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from mmkd.analysis.command.report import Report
from mmkd.utils import UserError


def test_picture_numbers_and_arrays(tmp_path, capsys):
    numbers = dict(one=1, values=np.arange(3), lost=float('nan'), tensor=torch.ones(2), deep=[{1: np.float32(0.5)}])
    Report(tmp_path / 'out', 'name').write(Figure(), numbers, dict(path=tmp_path), dict(scores=np.eye(2)))
    content = json.loads((tmp_path / 'out/name.json').read_text())
    assert content['numbers'] == dict(one=1, values=[0, 1, 2], lost=None, tensor=[1., 1.], deep=[{'1': 0.5}])
    assert content['settings'] == dict(path=str(tmp_path)) and content['versions']['mmkd'] and content['machine']
    assert Image.open(tmp_path / 'out/name.png').size[0] > 100
    assert np.array_equal(np.load(tmp_path / 'out/name.npz')['scores'], np.eye(2))
    assert capsys.readouterr().out == f'Written: {tmp_path}/out/name.png, .json, .npz\n'


def test_nothing_is_overwritten_unless_forced(tmp_path):
    Report(tmp_path, 'name').write(Figure(), dict(first=1), {}, dict(a=np.eye(2)))
    with pytest.raises(UserError, match='without name.png, name.json, name.npz, got .*--force'):
        Report(tmp_path, 'name')
    Report(tmp_path, 'other')
    Report(tmp_path, 'name', force=True).write(Figure(), dict(second=2), {})
    assert json.loads((tmp_path / 'name.json').read_text())['numbers'] == dict(second=2)
    assert not (tmp_path / 'name.npz').exists()


def test_the_folder_cannot_be_made(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='--out expects a folder'):
        Report(tmp_path / 'file', 'name')


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    with pytest.raises(UserError, match='Install it: pip install matplotlib'):
        Report(tmp_path / 'out', 'name')
    assert not (tmp_path / 'out').exists()
