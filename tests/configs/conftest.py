"""What the tests of all configs share."""
import copy

import pytest
from mmengine.config import Config


@pytest.fixture(scope='module', autouse=True)
def _each_file_is_read_once():
    """Keeps what MMEngine reads of each file, as hundreds of configs inherit the same ones."""
    read, known = Config._file2dict, {}

    def read_once(filename, *args, **kwargs):
        key = (str(filename), *args, *sorted(kwargs.items()))
        if key not in known:
            known[key] = read(filename, *args, **kwargs)
        return copy.deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, '_file2dict', staticmethod(read_once))
        yield
