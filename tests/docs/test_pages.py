"""The code and the configs of the pages that no test of their own has."""
import re

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS, init_default_scope

from mmkd.recipes.weightless import without_weights
from mmkd.utils.command_line.trackers import TRACKERS
from mmkd.utils.configs.finding import config_root, load_config
from tests.apis.distilling.conftest import write_classes
from tests.docs.pages import code_to_run, text_of, write_files
from tests.tools.conftest import one_thread

RECIPE = 'quickstart/convnest-mini_slak-mini-features_digits-unlabelled.py'


@pytest.mark.parametrize(('page', 'files'), [
    ('teachers.md', 3), ('detectors_and_segmentors.md', 3), ('monitoring.md', 1), ('foundation.md', 2)])
def test_configs_build(page, files, tmp_path):
    written = write_files(page, tmp_path)
    assert len(written) == files
    for path in written:
        config = load_config(path)
        init_default_scope(config.default_scope)
        model = MODELS.build(ConfigDict(without_weights(config)[0]))
        assert any(p.requires_grad for p in model.parameters())


def test_trackers_take_what_the_page_says(tmp_path):
    section = text_of('monitoring.md').partition('## Trackers')[2]
    assert re.findall(r'^\| `(\w+)` \|', section, re.MULTILINE) == [*TRACKERS]
    (path,) = write_files('monitoring.md', tmp_path)
    kinds = [backend.type for backend in load_config(path).visualizer.vis_backends]
    assert kinds == ['LocalVisBackend', 'TensorboardVisBackend']


def test_python_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names, blocks = {}, code_to_run('python.md')
    assert len(blocks) == 8
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out
    assert 'torch.Size([2, 10])' in printed and 'loss_kd' in printed
    assert '[(1, 20, 56, 56), (1, 40, 28, 28), (1, 80, 14, 14), (1, 160, 7, 7)]' in printed
    saved = torch.load('distilled.pth', weights_only=True)['state_dict']
    assert {key.partition('.')[0] for key in saved} == {'student'}
    losses = [float(value) for value in re.findall(r'step \d: (\S+)', printed)]
    assert len(losses) == 8 and losses[-1] < losses[0]
    teacher = names['teacher']
    assert not teacher.training and not any(p.requires_grad for p in teacher.parameters())
    assert teacher.bn1.num_batches_tracked == 0 < names['student'].bn1.num_batches_tracked
    assert torch.load('student.pth', weights_only=True).keys() == names['student'].state_dict().keys()
    assert 'loss_at' in printed


def assert_onnx_computes(file: str, model: torch.nn.Module) -> None:
    runtime, images = pytest.importorskip('onnxruntime'), torch.rand(3, 3, 32, 32)
    (found,) = runtime.InferenceSession(file).run(None, dict(images=images.numpy()))
    assert torch.allclose(torch.from_numpy(found), model(images), atol=1e-4)


def test_the_call_of_the_distill_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / 'data/shapes')
    call, export = code_to_run('distill.md')
    with one_thread():
        names = {}
        exec(call, names)
        exec(export, names)
    assert_onnx_computes('student.onnx', names['result'].student)
    *_, figures, predicted, paths = capsys.readouterr().out.splitlines()
    assert all(0 <= float(word) <= 100 for word in figures.split()) and "('" in predicted
    assert paths.startswith('work_dirs/shapes/config.py work_dirs/shapes/student-')


@pytest.mark.slow
def test_the_recipe_of_the_python_page(home, monkeypatch):
    monkeypatch.chdir(home)
    block = text_of('python.md').split('<!-- run: needs data -->\n```python\n')[1].split('```')[0]
    few = ''.join(f'{split}_dataloader=dict(dataset=dict(indices=64)), ' for split in ('train', 'val'))
    assert 'dict(train_cfg' in block
    exec(block.replace('dict(train_cfg', f'dict({few}train_cfg'), {})
    assert (home / 'work_dirs/notebook/epoch_3.pth').is_file()


def test_figures_of_the_unlabelled_page_are_those_of_its_recipe():
    page, recipe = text_of('unlabelled.md'), config_root() / RECIPE
    assert str(RECIPE) in page
    figures = [cell for row in ('before', 'after ten epochs', 'teacher') for cell in re.search(
        rf'^\| (?:student )?{row} \| ([\d.]+) \| ([\d.]+) \|', page, re.MULTILINE).groups()]
    head = recipe.read_text(encoding='utf-8').partition('_base_')[0]
    assert sorted(figures) == sorted(re.findall(r'\d\d\.\d', head))
