"""Parameters and FLOPs that the pages call counted are what the code counts."""
import re
from pathlib import Path

import pytest
from mmengine.fileio import load
from mmengine.registry import MODELS, init_default_scope

from mmkd.analysis import count_complexity, paper_shape
from mmkd.distillers.models import student_config
from mmkd.recipes.weightless import without_weights
from mmkd.utils.configs.finding import load_config

ROOT = Path(__file__).parents[2]
SLAK, CSWIN, TEACHERS = ((ROOT / f'configs/{name}/README.md').read_text(encoding='utf-8')
                         for name in ('slak', 'cswin', 'large_kernel_kd'))
COUNTED = [  # config, (parameters in M, FLOPs in G) as the page prints them
    *[(f'slak/{config}', figures) for config, figures in
      re.findall(r'^\| \[SLaK-\w\]\(([\w.-]+)\) \|.*?\|.*?\| ([\d.]+ M, [\d.]+ G) \|', SLAK, re.MULTILINE)],
    *[(f'cswin/{config}', f'{params} M, {flops} G') for config, params, flops in
      re.findall(r'^\| \[CSWin-[^]]+\]\(([\w.-]+)\) \| .*? \| ([\d.]+) M \| .*? \| .*? \| ([\d.]+) G \|', CSWIN,
                 re.MULTILINE)],
    ('large_kernel_kd/resnet50_32xb128-120e_in1k.py', ', '.join(
        re.search(r'\*\*ResNet-50\*\* \(([\d.]+ M) parameters, ([\d.]+ G) FLOPs, counted\)', TEACHERS).groups())),
    ('large_kernel_kd/convnext-tiny-bn_32xb128-120e_in1k.py',
     re.search(r'\*\*ConvNeXt-T\*\* \(([\d.]+ M, [\d.]+ G)\)', TEACHERS)[1]),
    ('large_kernel_kd/mobilenet-v3_8xb256-rsb-a1-120e_in1k.py',
     re.search(r'\*\*MobileNetV3-Large\*\* \(([\d.]+ M, [\d.]+ G)\)', TEACHERS)[1]),
]
QUICK_START = {entry['Config'].partition('/')[2]: entry['Metadata']
               for entry in load(str(ROOT / 'configs/quickstart/metafile.yml'))['Models']}
SIDES = {'pspnet': 96, 'retinanet': 96, 'efficientnet-lite0_': 64}  # of images, by a word of the config's name
FASHION = {entry['Config'].partition('/')[2]: entry['Metadata']
           for entry in load(str(ROOT / 'configs/fashion/metafile.yml'))['Models']}


def count(config: str, shape: tuple[int, ...] | None = None) -> tuple[float, float]:
    cfg = student_config(load_config(config))
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    model = MODELS.build(without_weights(cfg)[0])
    cost = count_complexity(model, shape or paper_shape(model))
    return cost.params, cost.flops


@pytest.mark.parametrize(('config', 'printed'), [
    pytest.param(*row, id=row[0], marks=() if 'tiny' in row[0] else pytest.mark.slow) for row in COUNTED])
def test_counted_figures(config, printed):
    params, flops = count(config, (3, 384, 384) if config.endswith('-384px.py') else None)
    assert f'{params / 1e6:.2f} M, {flops / 1e9:.2f} G' == printed


@pytest.mark.parametrize('config', QUICK_START)
def test_the_quick_starts_entries_of_the_zoo(config):
    """The metafile has them to the last digit, model-zoo.md shortens them, and the folder's README does."""
    stated, shape = QUICK_START[config], (3, 96, 96) if 'upernet' in config else (3, 32, 32)
    if 'mask-rcnn' in config:
        init_default_scope('mmdet')
        model = MODELS.build(student_config(load_config(config)).model)
        params, flops = sum(p.numel() for p in model.parameters()), None
    else:
        params, flops = count(config, shape)
    assert (params, flops) == (stated['Parameters'], stated.get('FLOPs'))
    readme = (ROOT / 'configs/quickstart/README.md').read_text(encoding='utf-8')
    line = next(line for line in readme.splitlines() if f'({Path(config).name})' in line)
    assert f'| {params / 1e6:.2f} M | {f"{flops / 1e6:.1f} M" if flops else "–"} |' in line


@pytest.mark.parametrize('config', FASHION)
def test_the_entries_of_fashion_mnist(config):
    side = next((size for word, size in SIDES.items() if word in Path(config).name), 28)
    stated, shape = FASHION[config], (3, side, side)
    if 'mask-rcnn' in config:
        init_default_scope('mmdet')
        model = MODELS.build(student_config(load_config(config)).model)
        params, flops = sum(p.numel() for p in model.parameters()), None
    else:
        params, flops = count(config, shape)
    assert (params, flops) == (stated['Parameters'], stated.get('FLOPs'))
    readme = (ROOT / 'configs/fashion/README.md').read_text(encoding='utf-8')
    line = next(line for line in readme.splitlines() if f'({Path(config).name})' in line)
    shown = f'{params / 1e6:.2f} M' if params >= 1e5 else f'{params / 1e3:.0f} k'
    assert f'| {shown} | {f"{flops / 1e6:.1f} M" if flops else "–"} |' in line


@pytest.mark.parametrize(('folder', 'entries'), [('quickstart', QUICK_START), ('fashion', FASHION)])
def test_every_small_recipe_has_an_entry(folder, entries):
    configs = {path.name for path in (ROOT / 'configs' / folder).glob('*.py')}
    readme = (ROOT / f'configs/{folder}/README.md').read_text(encoding='utf-8')
    table = re.findall(r'^\| \[[\w-]+\]\(([\w.-]+\.py)\) \|', readme, re.MULTILINE)
    assert sorted(table) == sorted(configs) == sorted(Path(config).name for config in entries)


def test_every_page_gave_figures():
    assert len(COUNTED) >= 3 + 4 + 3
