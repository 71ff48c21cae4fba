"""Reading weights of any origin: our own, and the formats that authors publish."""
from collections.abc import Iterable
from pathlib import Path

from mmengine.logging import print_log
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import Tensor

from mmkd.utils.checkpoint import read_checkpoint, trust_checkpoints, weights_of
from mmkd.utils.checkpoint_classes import remember_classes

from .class_token import has_unused_token, without_token
from .converters import convert
from .index import find_checkpoint, model_index
from .urls import SCHEMES

# Families that only mmkd has: whoever loads their files, in whatever way, wants mmkd's names.
OWN_FAMILIES = ('cswin', 'slak')


def load_weights(name: str, own_names: Iterable[str]) -> dict[str, Tensor]:
    """Reads the weights that a recipe calls by name, under the names of the model that takes them.

    Args:
        name: Path, URL or name of a model in the index.
        own_names: The parameters of the model. A file that has most of them is taken as it is; any other one is
            converted if a converter knows it.

    Returns:
        Parameter name to tensor.

    Raises:
        UserError: The file cannot be found or read.
    """
    path = find_checkpoint(name)
    checkpoint = read_checkpoint(path)
    remember_classes(name, checkpoint)
    weights = weights_of(checkpoint, path)
    own = set(own_names)
    if len(own & weights.keys()) <= len(own) / 2:
        weights, family = convert(weights)
        if family:
            print_log(f'{name}: converted from the published format of {family}.', logger='current')
    if has_unused_token(weights, own):
        print_log(f'{name}: its class token is left out, as the model has none.', logger='current')
        weights = without_token(weights)
    # Computed, not learned: some of timm's versions save it, others do not.
    return {name: tensor for name, tensor in weights.items()
            if name in own or not name.endswith('.relative_position_index')}


def load_safely_everywhere(trust: bool = False) -> None:
    """Makes every checkpoint that MMEngine loads in this process go through :func:`read_checkpoint`.

    MMEngine itself falls back to unpickling arbitrary objects. Published files of mmkd's own backbones are converted,
    and names of the model index and URLs are found, so that ``init_cfg`` and ``load_from`` take both. An ``init_cfg``
    with a prefix takes all weights of a backbone, or raises
    (:class:`~mmkd.zoo.pretrained.PretrainedBackboneInit`). The command-line tools call this first.

    Args:
        trust: What ``--trust-checkpoint`` says, for all checkpoints of this process.
    """
    from .pretrained import PretrainedBackboneInit
    trust_checkpoints(trust)
    CheckpointLoader.register_scheme(['', *(f'{scheme}://' for scheme in SCHEMES)], loader=_load_any, force=True)
    WEIGHT_INITIALIZERS.register_module(name='Pretrained', module=PretrainedBackboneInit, force=True)


def _load_any(filename: str | Path, map_location: object = None) -> dict:
    checkpoint = read_checkpoint(find_checkpoint(str(filename)))
    remember_classes(str(filename), checkpoint)
    families = None if str(filename) in model_index() else OWN_FAMILIES
    weights, family = convert(weights_of(checkpoint, str(filename)), families)
    return dict(state_dict=weights) if family else checkpoint
