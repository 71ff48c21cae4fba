"""The page about predicting: its commands and its Python, on models with random weights and real pictures."""
import re
import shlex
from pathlib import Path

import mmkd
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from mmkd.utils.configs.finding import load_config
from mmkd.zoo.pretrained import PretrainedBackboneInit

from ..tools.conftest import call

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / 'docs/predict.md').read_text(encoding='utf-8')
RECIPE = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'
PARTS = ('load_safely', 'import ImageClassificationInferencer', 'DetInferencer', 'MMSegInferencer', 'get_model', 'timm',
         'TIMMBackbone')
TIMM = """
_base_ = ['configs/quickstart/_base_/datasets/digits_cls.py', 'configs/quickstart/_base_/runtime.py']
model = dict(timm='resnet10t', num_classes=10)
"""


def save(model: torch.nn.Module, path: Path, metainfo: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(metainfo))), path)


@pytest.fixture(scope='module')
def place(home, tmp_path_factory) -> Path:
    """A folder as the quick start leaves it, but with random weights and without the teacher's file."""
    place = tmp_path_factory.mktemp('predict')
    (place / 'configs').symlink_to(ROOT / 'configs')
    (place / 'data/digits/val/3').mkdir(parents=True)
    (place / 'data/digits/scenes').symlink_to(home / 'data/digits/scenes')
    for image in sorted((home / 'data/digits/val/3').iterdir())[:4]:  # to draw all takes long
        (place / 'data/digits/val/3' / image.name).symlink_to(image)
    (place / 'my_teacher.py').write_text(TIMM)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        init_default_scope('mmpretrain')
        torch.manual_seed(0)
        digits = load_config('quickstart/slak-mini_digits.py').metainfo
        distiller = MODELS.build(load_config(RECIPE).model | dict(data_preprocessor=dict(
            type='mmpretrain.ClsDataPreprocessor', **load_config(RECIPE).data_preprocessor)))
        save(distiller, place / 'work_dirs/quickstart/distilled-seed0/epoch_10.pth', digits)
        save(distiller.student, place / 'work_dirs/quickstart/student.pth', digits)
        save(mmkd.get_model('my_teacher.py'), place / 'my_teacher.pth', digits)
        for task in ('mask-rcnn', 'upernet'):
            config = f'quickstart/{task}_convnest-mini-distilled_digits.py'
            save(mmkd.get_model(config), place / f'work_dirs/quickstart/{task}-distilled-seed0/epoch_4.pth',
                 load_config(config).metainfo)
    return place


@pytest.fixture
def run(place, monkeypatch, capsys):
    """Runs the block of the page that has a text in it; returns its variables and what it printed."""
    monkeypatch.chdir(place)
    monkeypatch.setattr('mmkd.zoo.load_safely_everywhere', lambda: None)  # which would outlast the test

    def _run(text: str) -> tuple[dict, str]:
        [code] = [block for block in re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL) if owner(block) == text]
        variables: dict = {}
        exec(compile(code, text, 'exec'), variables)
        return variables, capsys.readouterr().out

    return _run


def owner(block: str) -> str:
    if 'load_config' in block:
        return 'timm'
    return next(part for part in reversed(PARTS) if part in block and part != 'timm')


def test_every_block_is_run():
    assert sorted(map(owner, re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL))) == sorted(PARTS)


def test_the_command(place, capsys):
    [line] = re.findall(r'```bash\n(.*?)\n```', TEXT, re.DOTALL)
    assert call(shlex.split(line)[1].removeprefix('tools/'), *shlex.split(line)[2:], cwd=place) == 0
    [file] = (place / 'work_dirs/quickstart/distilled-seed0').glob('student-*.pth')
    expected = torch.load(place / 'work_dirs/quickstart/student.pth', weights_only=True)['state_dict']
    assert torch.load(file, weights_only=True)['state_dict'].keys() == expected.keys()


def test_reading_files_safely(run):
    run('load_safely')


def test_classes_by_a_recipe_and_a_published_student(run, place):
    variables, text = run('import ImageClassificationInferencer')
    images = sorted((place / 'data/digits/val/3').iterdir())
    results = variables['classify'](list(map(str, images)))
    assert len(text.splitlines()) >= len(images) == len(list((place / 'predictions').glob('*.png')))
    model = mmkd.get_model(RECIPE, checkpoint='work_dirs/quickstart/student.pth').eval()
    pixels = torch.stack([torch.tensor(np.array(Image.open(image).convert('RGB'))).permute(2, 0, 1).flip(0)
                          for image in images])  # BGR, as OpenMMLab reads them
    data = model.data_preprocessor(dict(inputs=list(pixels)), False)
    expected = model(data['inputs'], mode='tensor').softmax(1).max(1)
    assert [result['pred_label'] for result in results] == expected.indices.tolist()
    assert np.allclose([result['pred_score'] for result in results], expected.values.detach(), atol=1e-5)


def test_boxes_and_masks(run, place):
    variables, _ = run('DetInferencer')
    assert len(variables['results']['predictions']) == 4 == len(list((place / 'predictions/boxes/vis').iterdir()))
    assert {'labels', 'scores', 'bboxes', 'masks'} <= variables['first'].keys()
    assert variables['detect'].visualizer.dataset_meta['classes'] == tuple('0123456789')


def test_a_class_for_each_pixel(run, place):
    variables, text = run('MMSegInferencer')
    assert '(96, 96)' in text and variables['results']['predictions'].max() <= 10
    assert {path.name for path in (place / 'predictions/classes_of_pixels').iterdir()} == {'vis', 'pred'}


@pytest.mark.parametrize(('task', 'kind'), [('mmdet', 'mask-rcnn'), ('mmseg', 'upernet')])
def test_recipes_of_detectors_and_segmentors(place, monkeypatch, task, kind):
    """The student of a recipe between two detectors predicts like the student alone, by its published file."""
    from mmdet.apis import DetInferencer
    from mmseg.apis import MMSegInferencer
    monkeypatch.chdir(place)
    recipe = f'configs/quickstart/{kind}_convnest-mini_{kind}-wide-fd-kd_digits.py'
    weights = f'work_dirs/quickstart/{kind}-distilled-seed0/epoch_4.pth'
    inferencer = DetInferencer if task == 'mmdet' else MMSegInferencer
    found = []
    for config in (recipe, f'configs/quickstart/{kind}_convnest-mini_digits.py'):
        result = inferencer(config, weights=weights, device='cpu')('data/digits/scenes/images/val/scene_0000.png')
        found.append(result['predictions'])
    if task == 'mmdet':
        assert found[0][0]['scores'] == found[1][0]['scores'] != [] and found[0][0]['labels'] == found[1][0]['labels']
    else:
        assert np.array_equal(*found)


def test_the_model_alone(run):
    assert 'torch.Size([1, 10])' in run('get_model')[1]


def test_a_timm_model(run):
    variables, text = run('timm')
    assert text.strip()[-1] in '0123456789'
    assert type(variables['classify'].model).__name__ == 'TimmClassifier'


def test_a_timm_student_as_a_backbone(run, place):
    config = run('TIMMBackbone')[0]['backbone']
    student = mmkd.get_model('my_teacher.py')
    save(student, place / 'student.pth', {})
    backbone = MODELS.build({key: value for key, value in config.items() if key != '_delete_'})
    PretrainedBackboneInit(config['init_cfg']['checkpoint'])(backbone)
    assert torch.equal(backbone.timm_model.layer1[0].conv1.weight, student.model.layer1[0].conv1.weight)
