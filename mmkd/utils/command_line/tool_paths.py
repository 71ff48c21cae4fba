"""Where the tools are, and where they work: a checkout and a wheel have them in different places."""
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]


def tools_folder() -> Path:
    """The folder of the tools: of the checkout if there is one, else what the wheel brought along.

    The configs are beside it. Nothing of MMEngine's is needed to find it.
    """
    shipped = PACKAGE / '.mim' / 'tools'
    return (shipped if shipped.is_dir() else PACKAGE.parent / 'tools').resolve()


def tool_path(name: str) -> str:
    """The path of a tool, as a command names it.

    Args:
        name: Its path below ``tools``, such as ``train.py``.

    Returns:
        The path, relative to the checkout; absolute if the tools were installed from a wheel.
    """
    tools = tools_folder()
    return str(tools / name) if tools.parent.name == '.mim' else f'tools/{name}'


def working_root(root: Path) -> Path:
    """Where a tool puts the data and runs that configs name by relative paths.

    Args:
        root: The folder above ``tools``.

    Returns:
        The checkout; the working directory if the tools were installed from a wheel.
    """
    return Path.cwd() if root.name == '.mim' else root
