"""Laying a config's text out once: MMEngine does so anew for each checkpoint, for two logs and for the work dir."""
from collections.abc import Callable
from functools import wraps
from typing import Any

from mmengine.config import config as mmengine_config
from yapf.yapflib import yapf_api

KEPT = 4  # texts: a run has one config


def remember_formatting() -> None:
    """Makes MMEngine take a text that was formatted before, where it would format the same one again."""
    formatted = _remembering(yapf_api.FormatCode)
    for module in (yapf_api, mmengine_config):  # which of them MMEngine calls hangs on its version
        if hasattr(module, 'FormatCode'):
            module.FormatCode = formatted


def _remembering(function: Callable) -> Callable:
    """A function that keeps the answers to its last questions; one that does so already stays as it is."""
    if hasattr(function, 'answers'):
        return function
    answers: dict[str, Any] = {}

    @wraps(function)
    def remembered(*args: object, **kwargs: object) -> Any:
        key = repr((args, sorted(kwargs.items())))
        if key not in answers:
            answers[key] = function(*args, **kwargs)
            if len(answers) > KEPT:
                del answers[next(iter(answers))]
        return answers[key]

    remembered.answers = answers  # type: ignore[attr-defined]
    return remembered
