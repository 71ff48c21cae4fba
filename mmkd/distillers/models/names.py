"""Models by name, as one line says them: ``timm:NAME``, ``hf:NAME``, a name of the index, a plain model, a config."""
from pathlib import Path

from mmkd.utils import UserError, nearest
from mmkd.utils.configs.finding import config_root
from mmkd.zoo import model_index

FAMILIES = ('timm', 'hf')  # what may stand before a colon
NAMES = "'timm:NAME', 'hf:NAME', a name that mmkd.list_models() gives, or a config"


def plain_models() -> dict[str, Path]:
    """Name to file of the plain models, which no recipe is tied to."""
    return {path.stem: path for path in (config_root() / '_base_' / 'models').glob('*.py')}


def is_model_name(value: object) -> bool:
    """Whether a value is text that names a model."""
    return isinstance(value, str) and (
        value.startswith(tuple(f'{family}:' for family in FAMILIES)) or '::' in value or value.endswith('.py')
        or value in model_index() or value in plain_models())


def named_model(name: str | Path, role: str, pretrained: bool = True) -> dict:
    """Writes a name out as the dict that it stands for in a recipe.

    Args:
        name: ``'timm:resnet50'``, ``'hf:NAME'``, a name that :func:`mmkd.list_models` gives, or a config (a path,
            ``mmkd::…``, ``mmpretrain::…``).
        role: ``'student'`` or a teacher's, for messages.
        pretrained: Whether the model comes with published weights: timm's and Hugging Face's, and those that the index
            has. Plain models and configs have none. A student of the index that has none starts from nothing.

    Returns:
        ``dict(timm=…, pretrained=…)``, ``dict(hf=…)``, or ``dict(config=…)`` with or without a ``checkpoint``.

    Raises:
        UserError: It names nothing.
    """
    name = str(name) if isinstance(name, Path) else name
    if not isinstance(name, str):
        raise UserError(f'{role} expects {NAMES}, got {name!r}. Give its name as text.')
    family, colon, inner = name.partition(':')
    if colon and family in FAMILIES and not inner.startswith(':'):
        if not inner:
            raise UserError(f"{role} expects a name after '{name}', got none. Write {family}:NAME.")
        return dict(timm=inner, pretrained=pretrained) if family == 'timm' else (
            dict(hf=inner) | ({} if pretrained else dict(pretrained=False)))
    index, plain = model_index(), plain_models()
    if name in index:
        entry = index[name]
        wanted = pretrained and (role.startswith('teacher') or bool(entry.get('Weights')))
        return dict(config=f'mmkd::{entry["Config"].removeprefix("configs/")}') | (
            dict(checkpoint=name) if wanted else {})
    if name in plain:
        return dict(config=f'mmkd::_base_/models/{name}.py')
    if '::' in name or name.endswith('.py') or Path(name).is_file():
        return dict(config=name)
    raise UserError(f'{role} expects {NAMES}, got {name!r}. {nearest(name, [*index, *plain])}')
