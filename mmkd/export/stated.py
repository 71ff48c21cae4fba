"""What the text of a config says of the images, read without running it."""
import ast
from collections.abc import Iterator

KEYS = 'mean', 'std', 'to_rgb', 'bgr_to_rgb'


def stated_normalisations(text: str) -> list[tuple[str, str]]:
    """Every mean, deviation and order of channels that stands in a ``data_preprocessor``, in the order of the text.

    Args:
        text: Of a config, as MMEngine writes it.

    Returns:
        Pairs of key and value; none of a text that is no Python.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in ast.walk(tree):
        for name, value in _entries(node):
            if name == 'data_preprocessor':
                found += sorted((key, ast.dump(given)) for key, given in _entries(value) if key in KEYS)
    return found


def _entries(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        yield node.targets[0].id, node.value
    elif isinstance(node, ast.Call):
        yield from ((each.arg, each.value) for each in node.keywords if each.arg)
    elif isinstance(node, ast.Dict):
        yield from ((key.value, value) for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and isinstance(key.value, str))
