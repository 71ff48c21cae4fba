"""Pictures with a teacher, and a cache of its answers, that several tests train from."""
import pytest

from .cached import REPLAY, keep, make_recipe, write_files


@pytest.fixture(scope='package')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('cached')
    write_files(path)
    return path


@pytest.fixture(scope='package')
def cache(folder):
    """All logits of the mixed views, asked about in the training's own batches."""
    return keep(folder, make_recipe(folder, mixing=True, replay=REPLAY), 'all', like_training=True)
