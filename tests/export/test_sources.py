import pytest
import torch

from mmkd.export.facts import facts_of
from mmkd.export.sources import known_config, open_source
from mmkd.export.stated import stated_normalisations
from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config

NAME = 'convnest-mini_slak-mini-nkd_digits-5shot'
RECIPE = f'quickstart/{NAME}.py'


def test_the_config_of_a_name_of_the_index():
    assert known_config(NAME) == (RECIPE, 'by the model index')
    assert known_config(f'/tmp/{NAME}-5784d7b6.pth')[0] == RECIPE  # the file, wherever it lies


def save(path, experiment_name, **meta):
    torch.save(dict(state_dict={'a': torch.ones(1)}, meta=dict(experiment_name=experiment_name, **meta)), path)
    return str(path)


def test_the_config_of_a_run(tmp_path):
    file = save(tmp_path / 'epoch_1.pth', 'convnest-mini_digits-5shot_20260101_010203')
    assert known_config(file)[0] == 'quickstart/convnest-mini_digits-5shot.py'


@pytest.mark.parametrize('changed', [dict(mean=[1., 2., 3.]), dict(to_rgb=False)])
def test_a_run_of_a_config_of_that_name_which_normalises_otherwise(tmp_path, changed):
    """The file would be compared with a model of other images, and be found right."""
    name, config = 'convnest-mini_digits-5shot', load_config('quickstart/convnest-mini_digits-5shot.py')
    file = save(tmp_path / 'epoch_1.pth', f'{name}_20260101_010203', cfg=config.pretty_text)
    assert known_config(file)[0] == f'quickstart/{name}.py'
    config.merge_from_dict(dict(data_preprocessor=changed))
    (tmp_path / f'{name}.py').touch()
    save(tmp_path / 'epoch_1.pth', f'{name}_20260101_010203', cfg=config.pretty_text)
    with pytest.raises(UserError, match=f'{name}.py, normalises images otherwise. Give --config CONFIG, such as'):
        known_config(file)


def test_what_a_text_states_of_images():
    text = "model = dict(student={'data_preprocessor': dict(mean=[1], size=3)})\ndata_preprocessor = dict(to_rgb=True)"
    assert sorted(key for key, _ in stated_normalisations(text)) == ['mean', 'to_rgb']
    assert stated_normalisations('def') == stated_normalisations('raise SystemExit') == []


def test_a_run_of_a_config_of_ones_own(tmp_path):
    file = save(tmp_path / 'epoch_1.pth', 'mine_20260101_010203')
    with pytest.raises(UserError, match=r'name of its run \(mine\) says it. Give --config CONFIG\.'):
        known_config(file)
    (tmp_path / 'mine.py').write_text('raise SystemExit')  # it is named, but not run
    with pytest.raises(UserError, match='Give --config CONFIG, such as .*mine.py'):
        known_config(file)
    torch.save({'a': torch.ones(1)}, file)
    with pytest.raises(UserError, match=r'\(none\)'):
        known_config(file)


def test_a_source_and_its_facts():
    source = open_source(NAME)
    assert not source.model.training and source.size == (32, 32) and source.fixed_size is None
    assert source.classes == tuple('0123456789') and source.form.order == 'RGB'
    facts = facts_of(source, (32, 32), inside=True)
    assert facts['mean'] == '[123.675, 116.28, 103.53]' or facts['mean'].startswith('[123.67')
    assert facts['classes'] == '["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]'
    assert 'RGB, pixels in 0...255' in facts['input'] and facts['normalise'] == 'inside'
    assert '- mean) / std' in facts_of(source, (32, 32), inside=False)['input']


def test_a_config_of_another_model():
    with pytest.raises(UserError, match='tensors matched'):
        open_source(NAME, 'quickstart/slak-mini_digits.py')


def test_weights_of_a_timm_model(tmp_path):
    import timm
    torch.manual_seed(0)
    model = timm.create_model('resnet10t')
    torch.save(model.state_dict(), tmp_path / 'weights.pth')
    source = open_source(str(tmp_path / 'weights.pth'), 'timm:resnet10t')
    assert source.config is None and source.form.order == 'RGB' and source.form.mean[0] == pytest.approx(123.675)
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(source.model(images, mode='tensor'), model.eval()(images))
