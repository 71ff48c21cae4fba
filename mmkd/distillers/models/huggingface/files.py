"""What a repository or folder of a Hugging Face model says of the model and of its images."""
import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from mmengine.logging import print_log

from mmkd.utils import UserError
from mmkd.zoo.hub import hub_errors, is_offline
from mmkd.zoo.hub.reach import HELP, is_unreachable

# What config.json calls the kind, to what the classes' names begin with: those that the tests run.
KINDS = dict(vit='ViT', deit='DeiT', beit='Beit', vit_msn='ViTMSN', dinov2='Dinov2',
             dinov2_with_registers='Dinov2WithRegisters', dinov3_vit='DINOv3ViT', dinov3_convnext='DINOv3ConvNext',
             convnext='ConvNext', convnextv2='ConvNextV2', resnet='ResNet', regnet='RegNet', swin='Swin',
             swinv2='Swinv2', mobilenet_v2='MobileNetV2', clip='CLIP', clip_vision_model='CLIP', siglip='Siglip',
             siglip_vision_model='Siglip')
TOWERS = ('CLIP', 'Siglip')  # of two towers, the vision tower is taken
INSTALL = "Install it with: pip install 'transformers' (in a clone: pip install -e '.[onedl,hf]')"


def transformers() -> ModuleType:
    """The package.

    Raises:
        UserError: It is not installed, or does not run with this PyTorch.
    """
    if find_spec('transformers') is None:
        raise UserError(f"hf='…' expects the package transformers, which is not installed. {INSTALL}")
    import transformers as package
    if not package.utils.is_torch_available():
        import torch
        raise UserError(f"hf='…' expects a transformers that runs with PyTorch {torch.__version__}, got "
                        f'{package.__version__}, which needs a newer one. Install an older transformers or a newer '
                        'PyTorch.')
    return package


def where(name: str, revision: str | None) -> dict[str, Any]:
    """How every file of a model is asked for: from the hub's cache alone where the hub is out of reach.

    Raises:
        UserError: The name looks like a folder that is not there.
    """
    folder = Path(name).expanduser()
    if name.startswith(('.', '/', '~')) and not folder.is_dir():
        raise UserError(f'hf expects a name on the hub or an existing folder, got {name}. Check the path.')
    return dict(pretrained_model_name_or_path=str(folder) if folder.is_dir() else name, revision=revision or 'main',
                local_files_only=is_offline() or not folder.is_dir() and is_unreachable())


def model_config(name: str, revision: str | None) -> Any:
    """Reads config.json, and runs no code that a repository brings along.

    Raises:
        UserError: It cannot be read, or is not of a vision model that is known.
    """
    package = transformers()
    place = where(name, revision)
    with hub_errors(f'hf model {name!r}'):
        raw = _json_of(name, revision, 'config.json')
        if raw is None and is_offline() and not Path(name).expanduser().is_dir():
            raise UserError(f'hf model {name!r} is not in the cache, and MMKD_OFFLINE is set. Unset it, or give a '
                            'folder.')
        if raw is None and is_unreachable() and not Path(name).expanduser().is_dir():
            raise UserError(f'hf model {name!r} is not in the cache, {HELP}.')
        if raw is None:
            raise UserError(f'hf model {name!r} has no config.json, by which transformers knows a model. Take another '
                            'one, or give the file of its weights as a checkpoint of the right model.')
        _check_kind(name, raw.get('model_type'))
        config = package.AutoConfig.from_pretrained(**place, trust_remote_code=False)
    if getattr(config, 'quantization_config', None) is not None:
        raise UserError(f'hf model {name!r} expects ordinary weights, got quantised ones. Take the original model.')
    config._attn_implementation = None  # a file could name a kernel on the hub here, which would be run
    return config


def _check_kind(name: str, kind: str | None) -> None:
    if kind in ('timm_wrapper', 'timm_backbone'):
        raise UserError(f'hf model {name!r} is a model of timm. Write timm=… with its name there instead of hf=….')
    if kind not in KINDS:
        raise UserError(f'hf expects a vision model, got {name!r}, whose config.json says {kind!r}. Known kinds: '
                        f'{", ".join(KINDS)}.')


def normalisation_of(name: str, revision: str | None) -> dict | None:
    """Mean and standard deviation of a model's images, for pixels in 0…255, as preprocessor_config.json says them.

    Returns:
        ``mean`` and ``std`` a channel; None where the repository does not say, of which the log then tells.
    """
    with hub_errors(f'hf model {name!r}'):
        processor = _json_of(name, revision, 'preprocessor_config.json')
        if processor is None:
            processor = (_json_of(name, revision, 'processor_config.json') or {}).get('image_processor')
        if not processor or not processor.get('image_mean') or not processor.get('image_std'):
            print_log(f'hf model {name!r} does not say how its images are normalised: it gets them as they are. Set '
                      'its data_preprocessor.', logger='current', level=30)
            return None
        mean, std = processor['image_mean'], processor['image_std']
        if not processor.get('do_normalize', True):
            mean, std = [0.] * len(mean), [1.] * len(std)
        factor = processor.get('rescale_factor') or 1 / 255
        factor = factor if processor.get('do_rescale', True) else 1.
        return dict(mean=[value / factor for value in mean], std=[value / factor for value in std])


def _json_of(name: str, revision: str | None, file: str) -> dict | None:
    """A file of a repository or folder; None if there is none."""
    cached_file = import_module('transformers.utils.hub').cached_file
    place = where(name, revision)
    path = cached_file(place.pop('pretrained_model_name_or_path'), file, **place,
                       _raise_exceptions_for_missing_entries=False)
    return None if path is None else json.loads(Path(path).read_text(encoding='utf-8'))
