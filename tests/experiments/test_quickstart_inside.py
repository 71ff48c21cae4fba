"""What the report shows of the models' inside, from real runs of the tools on small models with random weights."""
import json

import numpy as np
import pytest
from PIL import Image

from mmkd.experiments.jobs.analysis import AnalysisJob
from mmkd.experiments.quickstart_figures import draw_inside
from mmkd.experiments.quickstart_inside import alignments, inside_content, inside_markdown, last_layers, read_fields

from ..tools.conftest import call

MODELS = ['quickstart/slak-mini_digits.py=random', 'quickstart/convnest-mini_digits-5shot.py=random']
LABELS = ['teacher (random weights)', 'student alone (random weights)', 'student distilled (random weights)']


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Both tools as jobs that are done: word to job."""
    folder = tmp_path_factory.mktemp('inside')
    for number in range(8):
        (folder / 'images' / 'ab'[number % 2]).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(folder / 'images' / 'ab'[number % 2] / f'{number}.png')
    words = [*MODELS, MODELS[1], '--labels', 'teacher', 'student alone', 'student distilled', '--images', 'images']
    jobs = dict(erf=('receptive_field', ['--number', '3', '--size', '48']), cka=('cka', ['--batch-size', '4']))
    for word, (stem, more) in jobs.items():
        arguments = ['python', f'analysis_tools/{stem}.py', *words, *more, '--out', str(folder / word)]
        jobs[word] = AnalysisJob(word, folder / word, arguments, 'key', word=word, stem=stem, arrays=word == 'erf')
        assert call(*arguments[1:], cwd=folder) == 0
    return jobs


@pytest.fixture
def content(runs):
    return inside_content(runs['erf'].collect(), runs['cka'].collect())


def test_figures_are_those_of_the_tools(runs, content):
    assert json.loads(json.dumps(content)) == content
    erf = json.loads((runs['erf'].folder / 'receptive_field.json').read_text())['numbers']
    cka = json.loads((runs['cka'].folder / 'cka.json').read_text())['numbers']
    fields = content['receptive_fields']
    assert (fields['number'], fields['size'], content['cka']['number'], content['cka']['size']) == (3, 48, 8, 32)
    assert list(fields['area_ratios']) == LABELS
    assert all(ratios == erf[label]['area_ratios']['log'] for label, ratios in fields['area_ratios'].items())
    assert any(fields['area_ratios'][LABELS[0]].values())
    for label in LABELS[1:]:
        pair = cka[f'{LABELS[0]} × {label}']
        for name, value in content['cka']['last_layers'][label].items():
            assert value == pair['values'][pair['rows'].index(name)][pair['columns'].index(name)]
        assert list(content['cka']['last_layers'][label]) == ['pre_logits', 'logits']


def test_markdown(content):
    text = '\n'.join(inside_markdown(content))
    ratio = content['receptive_fields']['area_ratios'][LABELS[0]]['0.5']
    value = content['cka']['last_layers'][LABELS[2]]['logits']
    rows = {row.split(' | ')[0][2:]: row for row in text.splitlines() if row.startswith('| ')}
    assert f'| {100 * ratio:.1f} % |' in rows[LABELS[0]] and rows[LABELS[0]].endswith('|  |  |')
    assert rows[LABELS[2]].endswith(f' | {value:.2f} |')
    assert '3 of 48×48 for the areas and 8 of 32×32 for CKA' in text
    assert 'mmkd analyse erf quickstart/slak-mini_digits.py=random' in text and 'mmkd analyse cka' in text


def test_what_is_not_defined_has_a_dash(content):
    content['receptive_fields']['area_ratios'][LABELS[1]]['0.99'] = None  # as JSON has NaN
    content['cka']['last_layers'][LABELS[1]]['logits'] = None
    row = next(line for line in inside_markdown(content)[0].splitlines() if LABELS[1] in line)
    assert row.count('–') == 2


def test_a_layer_that_sees_no_difference_has_no_cka(runs):
    numbers = json.loads(json.dumps(runs['cka'].collect()['numbers']))
    for pair in numbers.values():
        pair['values'][-1][-1] = None
    assert all(last_layers(each)['logits'] is None for each in alignments(numbers).values())


def test_picture(runs, tmp_path):
    fields, maps = read_fields(runs['erf'].folder), alignments(runs['cka'].collect()['numbers'])
    assert list(fields) == LABELS and list(maps) == [(label, LABELS[0]) for label in LABELS[1:]]
    scores = np.load(runs['erf'].folder / 'receptive_field.npz')
    assert all(np.array_equal(fields[label].scores, scores[label]) and fields[label].images == 3 for label in LABELS)
    draw_inside(tmp_path / 'inside.png', fields, maps)
    with Image.open(tmp_path / 'inside.png') as picture:
        pixels = np.asarray(picture.convert('RGB'))
    height, width = pixels.shape[:2]
    assert width >= 1200 and height >= 900
    for part in (pixels[:height // 2], pixels[height // 2:]):  # both rows are drawn
        assert part.std() > 20
