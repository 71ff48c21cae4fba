"""The order of channels in which a recipe's images come."""
from mmengine.config import Config
from mmengine.logging import print_log

from mmkd.datasets.configured import gives_rgb
from mmkd.utils.building.build import is_distiller


def state_order(config: Config) -> None:
    """Tells the distiller of a recipe whose data are in RGB that they are, unless the recipe says it.

    The training data count; where there are none, those to test with. A recipe may have been told so of other data:
    that it goes by this is printed.

    Args:
        config: Any config; changed in place, so to be called before its model is built.
    """
    if not is_distiller(config.get('model')):
        return
    found = gives_rgb(config, 'train' if config.get('train_dataloader') else 'test')
    if found:
        config.model.setdefault('loads_rgb', True)
    elif config.model.get('loads_rgb'):
        print_log('The images are taken to come in RGB, as model.loads_rgb=True says; files are read in BGR. Leave it '
                  'out if it was written for other data.', 'current')
