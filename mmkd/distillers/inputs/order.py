"""The order of channels in which a recipe's images come."""
from mmengine.config import Config

from mmkd.datasets.configured import gives_rgb
from mmkd.utils.building.build import is_distiller


def state_order(config: Config) -> None:
    """Tells the distiller of a recipe whose training data are in RGB that they are, unless the recipe says it.

    Args:
        config: Any config; changed in place, so to be called before its model is built.
    """
    if is_distiller(config.get('model')) and gives_rgb(config, 'train'):
        config.model.setdefault('loads_rgb', True)
