"""What is wrong with a term's config whatever the models are, found without building one."""
import inspect
from collections.abc import Mapping

from mmkd.registry import MODELS
from mmkd.utils.building.build import build, find_type
from mmkd.utils.building.signatures import accepted, check_given

from .inferred import INFERRED
from .term import Term, term_config


def examine_term(name: str, cfg: dict) -> None:
    """Holds a term's config against the classes that it names.

    A part that is told nothing of the models' tensors is built, so that it checks its arguments itself; of others their
    names and types are compared.

    Args:
        name: The term's name.
        cfg: Its config in a recipe.

    Raises:
        UserError: No run could take it.
    """
    cfg, what = term_config(name, cfg), f'term {name!r}'
    Term(name, **cfg)
    connectors = cfg.get('connector')
    for part in (cfg['loss'], *(connectors if isinstance(connectors, list) else [connectors]), cfg.get('teacher_norm')):
        kind = find_type(MODELS, part, what) if isinstance(part, Mapping) else None
        if not inspect.isclass(kind):  # no part at all, a module, or a function that makes one
            continue
        if (INFERRED.keys() - part.keys()) & accepted(kind)[0].keys():
            check_given(kind, part)
        else:
            build(MODELS, part, what)
