"""YAML and pickles are data."""
import pickle
from collections import OrderedDict

import mmengine
import numpy as np
import pytest
from mmengine.config import Config

from mmkd.utils import UserError
from mmkd.utils.configs.finding import load_config
from mmkd.utils.trust import set_trust


class RunsCode:
    """A harmless payload."""

    def __reduce__(self):
        import os
        return os.mkdir, ('pwned', )


PAYLOADS = ['!!python/object/apply:os.mkdir [pwned]', '!!python/object/new:os.mkdir [pwned]',
            '!!python/name:os.mkdir', '!!python/module:os', '!!python/object/apply:os.system ["mkdir pwned"]']


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    set_trust(False)


@pytest.mark.parametrize('payload', PAYLOADS)
@pytest.mark.parametrize('ending', ['yml', 'yaml'])
def test_yaml_that_may_run_code(folder, payload, ending):
    (folder / f'evil.{ending}').write_text(f'model:\n  type: {payload}\n')
    (folder / 'child.py').write_text(f"_base_ = './evil.{ending}'\n")
    for read in (mmengine.load, Config.fromfile, load_config):
        with pytest.raises(UserError, match='may run code .*so it was refused'):
            read(f'evil.{ending}')
    with pytest.raises(UserError, match=r'config child.py cannot be read: .*may run code'):
        load_config('child.py')
    assert not (folder / 'pwned').exists()


def test_trusted_yaml(folder):
    (folder / 'own.yml').write_text(f'a: {PAYLOADS[0]}\n')
    set_trust(True)
    mmengine.load('own.yml')
    assert (folder / 'pwned').exists()


def test_what_configs_hold(folder):
    config = Config(dict(model=dict(type='A', size=(1, (2, 3)), names=['a'], rate=1e-3, none=None)))
    config.dump('config.yml')
    assert load_config('config.yml').model == config.model
    (folder / 'broken.yml').write_text('a: [1\nb: }')
    with pytest.raises(UserError, match='expects YAML, and cannot be read'):
        mmengine.load('broken.yml')


def test_pickles(folder):
    data = dict(images=[dict(id=1, size=(3, 4))], order=OrderedDict(a=1), array=np.arange(6.).reshape(2, 3),
                number=np.float64(0.5), names={'a', 'b'})
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (folder / 'data.pkl').write_bytes(pickle.dumps(data, protocol))
        read = mmengine.load('data.pkl')
        assert read['images'] == data['images'] and np.array_equal(read['array'], data['array'])
        (folder / 'evil.pkl').write_bytes(pickle.dumps([RunsCode()], protocol))
        with pytest.raises(UserError, match='mkdir. It may run code, so it was refused'):
            mmengine.load('evil.pkl')
    assert not (folder / 'pwned').exists()
