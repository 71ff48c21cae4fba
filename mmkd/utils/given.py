"""Objects that only this process has, in a config: a model or a data set that was handed over in Python."""
from typing import Any


class Given:
    """Keeps an object in a config that is copied, printed and written: it is never copied, and written as text.

    Args:
        value: The object.
        what: What stands for it in the config's text.
    """

    def __init__(self, value: Any, what: str) -> None:
        self.value, self.what = value, what

    def __deepcopy__(self, memo: dict) -> 'Given':
        return self

    def __copy__(self) -> 'Given':
        return self

    def __repr__(self) -> str:
        return repr(self.what)


def given(value: Any) -> Any:
    """The object itself, if it is kept so."""
    return value.value if isinstance(value, Given) else value
