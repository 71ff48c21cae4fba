import pytest
import torch

from mmkd.export.facts import facts_of
from mmkd.export.sources import known_config, open_source
from mmkd.utils import UserError

NAME = 'convnest-mini_slak-mini-nkd_digits-5shot'
RECIPE = f'quickstart/{NAME}.py'


def test_the_config_of_a_name_of_the_index():
    assert known_config(NAME) == (RECIPE, 'by the model index')
    assert known_config(f'/tmp/{NAME}-5784d7b6.pth')[0] == RECIPE  # the file, wherever it lies


def save(path, experiment_name):
    torch.save(dict(state_dict={'a': torch.ones(1)}, meta=dict(experiment_name=experiment_name)), path)
    return str(path)


def test_the_config_of_a_run(tmp_path):
    file = save(tmp_path / 'epoch_1.pth', 'convnest-mini_digits-5shot_20260101_010203')
    assert known_config(file)[0] == 'quickstart/convnest-mini_digits-5shot.py'


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
