"""The values that stand in the text of a config, read without running it."""
import ast
from typing import Any


def read_literally(text: str) -> dict[str, Any]:
    """Reads a config as MMEngine writes it into checkpoints: assignments of dicts, lists and values.

    Args:
        text: The config.

    Returns:
        Name to value, with None for whatever is no literal; empty for a text that is no Python.
    """
    try:
        body = ast.parse(text).body
        return {node.targets[0].id: _value(node.value) for node in body
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}


def _value(node: ast.AST) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        inner = [*node.args, *(each.value for each in node.keywords if not each.arg)]  # of keys that are no names
        whole = {key: value for each in inner if isinstance(each, ast.Dict) for key, value in _value(each).items()}
        return whole | {each.arg: _value(each.value) for each in node.keywords if each.arg}
    if isinstance(node, ast.Dict):
        return {key.value: _value(value) for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)}
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
