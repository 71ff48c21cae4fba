"""Testing a classifier on other images than those that its config names."""
from mmengine.config import Config

from mmkd.utils.configs.finding import config_root, load_config
from mmkd.utils.errors import UserError, nearest

FOLDER = '_base_/evaluation'
TEST_DATA = ('imagenet-real', 'imagenet-v2', 'imagenet-a', 'imagenet-r', 'imagenet-sketch', 'imagenet-c')


def set_test_data(config: Config, name: str) -> None:
    """Replaces a config's test data and metrics.

    The images go through the config's own test pipeline, unless the test data come with another one.

    Args:
        config: A config with ``test_dataloader``; changed in place.
        name: One of :data:`TEST_DATA`, or a config file with ``test_evaluator``, and a ``test_dataloader`` that has the
            entries to change, among them ``dataset``.

    Raises:
        UserError: There are no such data, or the config tests nothing.
    """
    if name not in TEST_DATA and not name.endswith('.py'):
        raise UserError(f'--data expects test data or a config file, got {name!r}. {nearest(name, TEST_DATA)}')
    path = config_root() / FOLDER / f'{name}.py' if name in TEST_DATA else name
    other = load_config(path)
    if not other.get('test_evaluator') or not other.get('test_dataloader', {}).get('dataset'):
        raise UserError(f'--data expects a config with test_evaluator and test_dataloader.dataset, got {path}.')
    if not config.get('test_dataloader') or 'pipeline' not in config.test_dataloader.dataset:
        raise UserError('--data expects a config whose test_dataloader.dataset has a pipeline, got none. '
                        'Test a classifier with it.')
    own = config.test_dataloader
    dataset = {'pipeline': own.dataset.pipeline, **other.test_dataloader.dataset}
    config.test_dataloader = {**own, **other.test_dataloader, 'dataset': dataset}
    config.test_evaluator = other.test_evaluator
