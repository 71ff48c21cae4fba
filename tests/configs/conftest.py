"""What the tests of all configs share."""
import pytest
from mmengine.config import Config

from .generated_data import write_everything
from .reading import read_once


@pytest.fixture(scope='module', autouse=True)
def _each_file_is_read_once():
    """Keeps what MMEngine reads of each file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, '_file2dict', staticmethod(read_once))
        yield


@pytest.fixture(scope='session')
def all_data(home, fashion_home, tmp_path_factory):
    """A working directory with a little of every dataset, where the configs look for them."""
    root = write_everything(tmp_path_factory.mktemp('all_data'))
    for name, source in (('digits', home), ('fashion', fashion_home)):
        (root / 'data' / name).symlink_to(source / 'data' / name, target_is_directory=True)
    return root
