"""Making everything that MMEngine loads go through mmkd's safe and strict readers."""
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader

from mmkd.utils.checkpoints.safe_torch import guard_torch_load
from mmkd.utils.trust import set_trust

from .loading import load_any
from .pretrained import PretrainedBackboneInit
from .urls import CHECKPOINT_SCHEMES


def load_safely_everywhere(trust: bool = False) -> None:
    """Makes every file that this process loads go through :func:`read_checkpoint`, or through PyTorch's safe reader.

    MMEngine itself falls back to unpickling arbitrary objects. Published files of mmkd's own backbones are converted,
    and names of the model index and URLs are found, so that ``init_cfg`` and ``load_from`` take both. An ``init_cfg``
    takes all weights of a backbone with a prefix, and at least some without, or raises
    (:class:`~mmkd.zoo.pretrained.PretrainedBackboneInit`). All command-line tools that build a model call this first.

    Args:
        trust: What ``--trust-checkpoint`` says, for all files of this process.
    """
    set_trust(trust)
    prefixes = ['', *(f'{scheme}://' for scheme in CHECKPOINT_SCHEMES)]
    CheckpointLoader.register_scheme(prefixes, loader=load_any, force=True)
    WEIGHT_INITIALIZERS.register_module(name='Pretrained', module=PretrainedBackboneInit, force=True)
    guard_torch_load()
