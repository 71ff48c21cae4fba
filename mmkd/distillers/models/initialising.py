"""The ``init_cfg`` of a distiller."""
from mmengine.model import initialize
from torch import nn

from mmkd.zoo.pretrained import PretrainedBackboneInit


def apply_init(model: nn.Module, cfg: dict | list[dict], spare: nn.Module | None = None) -> None:
    """Initialises a model by its ``init_cfg``: weights of files last, so that they stay.

    Args:
        model: The model.
        cfg: One initialiser of MMEngine's, or several.
        spare: A part that has weights of its own, which other initialisers than files leave alone.

    Raises:
        UserError: A file cannot be read, or has no tensor that fits.
    """
    cfgs = [cfg] if isinstance(cfg, dict) else list(cfg)
    files = [each for each in cfgs if str(each.get('type')).rpartition('.')[2] == 'Pretrained']
    others = [each for each in cfgs if each not in files]
    if others:
        before = {name: value.clone() for name, value in spare.state_dict().items()} if spare is not None else {}
        initialize(model, others)
        if spare is not None:
            spare.load_state_dict(before)
    for each in files:
        PretrainedBackboneInit(**{key: value for key, value in each.items() if key != 'type'})(model)
