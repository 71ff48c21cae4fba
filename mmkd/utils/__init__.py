"""Parts that several packages of mmkd share."""
from .errors import UserError, nearest
from .modules import import_submodules

__all__ = ['UserError', 'import_submodules', 'nearest']
