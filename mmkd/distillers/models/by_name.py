"""The config behind what a tool's command line calls a model."""
from mmengine.config import Config

from mmkd.utils.configs.finding import load_config
from mmkd.utils.configs.options import merge_options

from .building import read_spec
from .names import is_model_name, named_model


def load_model_config(name: str, options: dict | None = None) -> Config:
    """Loads a config, or makes one of a model's name, without the model's weights.

    Args:
        name: A config (see :func:`~mmkd.utils.configs.finding.find_config`), or a name that
            :func:`~mmkd.distillers.models.names.named_model` takes.
        options: Dotted keys to override, as ``--cfg-options`` gives them.

    Returns:
        A config with a ``model``.

    Raises:
        UserError: There is no such model or config.
    """
    if is_model_name(name):
        named = named_model(name, 'model', pretrained=False)
        if 'config' not in named:
            config = Config(dict(model=read_spec(named, 'model').cfg, default_scope='mmpretrain'))
            merge_options(config, options or {})
            return config
        name = named['config']
    return load_config(name, options)
