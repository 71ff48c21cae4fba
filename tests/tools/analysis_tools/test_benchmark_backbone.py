"""Timing backbones side by side."""
import logging
import re

import pytest

from mmkd.utils.configs.finding import config_root

from ..conftest import call

TOOL = 'analysis_tools/benchmark_backbone.py'
SMALL = ['--size', '32', '--batch-size', '2', '--rounds', '1', '--device', 'cpu']


@pytest.fixture(autouse=True)
def restore_logging():
    yield
    logging.disable(logging.NOTSET)


def test_prints_a_row_for_each_run(tmp_path, capsys):
    assert call(TOOL, 'convnest-atto', 'resnet18', '--contiguous', '--sparsity', '0.4', *SMALL, cwd=tmp_path) == 0
    rows = re.findall(r'^(\S.*?) +([\d.]+) +([\d.]+)$', capsys.readouterr().out, re.MULTILINE)
    assert [name for name, _, _ in rows] == [
        'convnest-atto', 'resnet18', 'convnest-atto, contiguous', 'convnest-atto, sparse']
    assert rows[0][2] == '1.000' and all(float(value) > 0 for row in rows for value in row[1:])


def test_layer_by_layer_without_update(tmp_path, capsys):
    assert call(TOOL, 'convnest-atto', '--layers', '--no-update', *SMALL, cwd=tmp_path) == 0
    out = capsys.readouterr().out
    assert out.startswith('forward and backward, 2 images') and 'convnest-atto, layer by layer' in out


def test_memory_of_tiles_and_of_layers(tmp_path, capsys):
    """Tiles keep fewer wide maps."""
    words = ['convnest-atto', '--layers', '--no-update', '--memory']
    assert call(TOOL, *words, '--size', '32', '--batch-size', '48', '--rounds', '1', '--device', 'cpu',
                cwd=tmp_path) == 0
    tiles, layers = re.findall(r'^convnest-atto.* (\d+)$', capsys.readouterr().out, re.MULTILINE)
    assert 0 < int(tiles) < int(layers)


@pytest.mark.slow
def test_compiled(tmp_path, capsys):
    assert call(TOOL, 'convnest-atto', '--forward', '--compile', *SMALL, cwd=tmp_path) == 0
    assert re.search(r'^convnest-atto, compiled +[\d.]+ +[\d.]+$', capsys.readouterr().out, re.MULTILINE)


def test_inference(tmp_path, capsys):
    assert call(TOOL, 'convnest-atto', '--forward', *SMALL, cwd=tmp_path) == 0
    assert capsys.readouterr().out.startswith('inference, 2 images of 32x32 on cpu')


def test_a_checkpoint_that_is_missing_is_not_needed(tmp_path, capsys):
    (tmp_path / 'pretrained.py').write_text(
        f"_base_ = '{config_root()}/quickstart/convnest-mini_digits-5shot.py'\n"
        "model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='nowhere.pth', _delete_=True)))\n")
    assert call(TOOL, 'pretrained.py', '--forward', *SMALL, cwd=tmp_path) == 0
    assert capsys.readouterr().out.startswith('inference, 2 images of 32x32 on cpu')


def test_mistakes(tmp_path, capsys):
    assert call(TOOL, 'convnest-ato', *SMALL, cwd=tmp_path) == 2
    assert 'Did you mean convnest-atto' in capsys.readouterr().err
    assert call(TOOL, 'convnest-atto', '--rounds', '0', cwd=tmp_path) == 2
    assert 'expect 1 or more' in capsys.readouterr().err
