"""Config files: finding them, overriding their entries, and keys and values that nothing would read."""
from .finding import config_root, find_config, load_config

__all__ = ['config_root', 'find_config', 'load_config']
