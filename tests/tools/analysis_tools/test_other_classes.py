"""Images of classes that a model does not have: refused in one line by every tool that compares with them."""
import re

import pytest
import torch

from mmkd.analysis.command.models import build_models

from ..conftest import call

STUDENT = 'quickstart/convnest-mini_digits-5shot.py=random'


@pytest.mark.parametrize('tool', [
    ['loss_landscape.py', '--points', '3', '--line'],
    ['loss_landscape.py', '--batch-size', '4', '--points', '3', '--line'],
    ['grad_cam.py', '--number', '11', '--target', 'label'], ['robustness.py', '--corrupt', '--severities', '1']])
def test_refused(eleven_classes, tmp_path, capsys, tool):
    for library in ('captum', 'imagecorruptions'):
        pytest.importorskip(library)
    name, *options = tool
    assert call(f'analysis_tools/{name}', STUDENT, '--images', eleven_classes, *options, cwd=tmp_path) == 2
    assert capsys.readouterr().err == ('error: a model of 10 classes expects classes from 0 to 9, got 10. Take images '
                                       'whose classes are those of the model.\n')


@pytest.mark.parametrize('tool', [
    ['loss_landscape.py', '--points', '3', '--line'], ['grad_cam.py', '--target', 'label'],
    ['robustness.py', '--corrupt']])
def test_classes_in_another_order_are_refused(pictures, tmp_path, capsys, tool):
    for library in ('captum', 'imagecorruptions'):
        pytest.importorskip(library)
    name, *options = tool
    model, = build_models([STUDENT])
    torch.save(dict(state_dict=model.model.state_dict(), meta=dict(dataset_meta=dict(classes=[*'bacdefghij']))),
               tmp_path / 'swapped.pth')
    models = STUDENT.replace('random', 'swapped.pth')
    assert call(f'analysis_tools/{name}', models, '--images', pictures, *options, cwd=tmp_path) == 2
    assert "2 classes have another label than in the checkpoint swapped.pth: 'a' is 0" in capsys.readouterr().err


def test_maps_of_a_class_are_named_by_number_where_the_order_is_another(pictures, tmp_path, capsys):
    pytest.importorskip('captum')
    model, = build_models([STUDENT])
    torch.save(dict(state_dict=model.model.state_dict(), meta=dict(dataset_meta=dict(classes=[*'bacdefghij']))),
               tmp_path / 'swapped.pth')
    tool = ['analysis_tools/grad_cam.py', STUDENT.replace('random', 'swapped.pth'), '--images', pictures]
    assert call(*tool, '--target', '0', '--out', 'out', cwd=tmp_path) == 0
    assert re.search(r'^[ab] +class 0: ', capsys.readouterr().out, re.MULTILINE)


def test_of_no_matter_where_nothing_is_compared_with_them(eleven_classes, tmp_path):
    options = ['--images', eleven_classes, '--number', '11', '--batch-size', '4', '--out', 'out']
    for name in ('cka.py', 'histograms.py', 'frequency.py'):
        assert call(f'analysis_tools/{name}', STUDENT, *options, cwd=tmp_path) == 0
