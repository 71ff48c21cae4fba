"""mmkd: teach small ConvNets with large ones, inside OpenMMLab.

Import mmkd before mmpretrain, mmdet or mmseg: it supplies mmcv's compiled ops where they are missing, keeps a
``transformers`` that these packages do not know from breaking them, and teaches MMEngine to find ``mmkd::…``
configs, to read files in ``archive://…``, and to read YAML, JSON and pickles as data.
"""
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

try:
    import mmengine  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"mmkd expects MMEngine, which cannot be imported: {error}. In the folder of mmkd's clone: "
        "pip install -e '.[onedl]', or for the original OpenMMLab stack: pip install -e '.[openmmlab]'") from error

from .datasets.archives.backend import register_archive_backend
from .ops.mmcv_fallback import install_mmcv_fallback
from .utils.configs.harmless import register_harmless_configs
from .utils.configs.paths import register_config_paths
from .utils.files.plain import register_plain_files
from .utils.multimodal import leave_out_broken_multimodal
from .utils.optional_imports import hush_onedl

if TYPE_CHECKING:
    from .apis import DistillResult, distill, get_model, list_models
    from .distillers import Distiller

install_mmcv_fallback()
register_archive_backend()
register_config_paths()
register_harmless_configs()
register_plain_files()
hush_onedl()
leave_out_broken_multimodal()

APIS = ('DistillResult', 'distill', 'get_model', 'list_models')
__all__ = ['DistillResult', 'Distiller', '__version__', 'distill', 'get_model', 'list_models']


def __getattr__(name: str) -> Any:
    # These import torch: only on first use, so that `import mmkd` and every --help stay quick.
    room = 'distillers' if name == 'Distiller' else 'apis' if name in APIS else None
    if room is not None:
        return getattr(import_module(f'mmkd.{room}'), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
