"""Where the tools are, and where they work: a checkout and a wheel have them in different places."""
from pathlib import Path

from mmkd.utils.configs.finding import config_root


def tool_path(name: str) -> str:
    """The path of a tool, as a command names it.

    Args:
        name: Its path below ``tools``, such as ``train.py``.

    Returns:
        The path, relative to the checkout; absolute if the tools were installed from a wheel.
    """
    tools = (config_root().parent / 'tools').resolve()
    return str(tools / name) if tools.parent.name == '.mim' else f'tools/{name}'


def working_root(root: Path) -> Path:
    """Where a tool puts the data and runs that configs name by relative paths.

    Args:
        root: The folder above ``tools``.

    Returns:
        The checkout; the working directory if the tools were installed from a wheel.
    """
    return Path.cwd() if root.name == '.mim' else root
