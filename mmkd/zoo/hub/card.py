"""What stands beside a published student's weights on the hub: model card, recipe and classes, as text."""
import re
from collections.abc import Mapping
from pathlib import Path

from mmkd.utils.checkpoints.weights import validated_kinds

from .address import WEIGHTS, HubAddress
from .errors import without_tokens

# Trackers take keys of the user's in a config, and addresses with a password in them.
NAMES = r'token|(?:api|access|private)_?key|passw(?:or)?d|secret'
SECRET = re.compile(rf"""((?i:{NAMES})\w*['"]?\s*[=:]\s*)(['"])(?:\\.|(?!\2).)*\2""")
LOGIN = re.compile(r'(://)[^\s/\'"]+@')


def recipe_of(checkpoint: Mapping) -> str | None:
    """The text of the config that a training checkpoint keeps, without what looks like a token; it is not run."""
    meta = checkpoint.get('meta')
    text = (meta.get('config') or meta.get('cfg')) if isinstance(meta, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        return None
    return without_tokens(LOGIN.sub(r'\1(removed)@', SECRET.sub(r'\1\2(removed)\2', text)))


def classes_of(meta: Mapping) -> list[str]:
    """The names of the classes in the order of their labels; empty if the file does not say them."""
    data = meta.get('dataset_meta')
    names = data.get('classes', data.get('CLASSES')) if isinstance(data, Mapping) else meta.get('CLASSES')
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def measured(checkpoint: Mapping, file: str, kind: str) -> dict[str, float]:
    """The validation figure that a training checkpoint holds of its own weights.

    An ``epoch_N.pth`` is written before its epoch is validated, so what a log in it says last is of older weights.
    Only the best figure counts, and only in the file that it was measured on.

    Args:
        checkpoint: The training checkpoint.
        file: Its name.
        kind: Which of its weights are published, ``'raw'`` or ``'ema'``.

    Returns:
        Name of the metric to its value; empty if there is none of these weights.
    """
    hub = checkpoint.get('message_hub')
    info = hub.get('runtime_info') if isinstance(hub, Mapping) else None
    validated = validated_kinds(checkpoint)
    if not isinstance(info, Mapping) or (validated and validated != (kind, )):
        return {}
    best, score, own = Path(str(info.get('best_ckpt', ''))).name, info.get('best_score'), Path(file).name
    found = re.fullmatch(r'best_(.+)_((?:epoch|iter)_\d+\.pth)', best)
    if found is None or own not in (best, found[2]) or not isinstance(score, int | float):
        return {}
    keys = [key for key in hub.get('log_scalars') or () if key.replace('/', '_').removeprefix('val_') == found[1]]
    return {keys[0].removeprefix('val/') if len(keys) == 1 else found[1]: float(score)}


def model_card(address: HubAddress, meta: Mapping, metrics: Mapping[str, float], has_recipe: bool) -> str:
    """The README.md of the repository.

    Args:
        address: Where it is pushed.
        meta: What the published file says of itself.
        metrics: What :func:`measured` found.
        has_recipe: Whether recipe.txt lies beside it.
    """
    place = f'hf://{address.repo}' + (f'@{address.revision}' if address.revision else '')
    classes = classes_of(meta)
    trained = ', '.join(f'{key} {meta[key]}' for key in ('epoch', 'iter', 'seed') if key in meta)
    lines = [
        '---', 'library_name: mmkd', 'tags:', '- knowledge-distillation', '---', '', f'# {address.repo}', '',
        f'A student that was trained with mmkd {meta.get("mmkd_version", "")}: its weights alone ({WEIGHTS}).', '',
        f'Trained until: {trained}.' if trained else 'The file does not say how long it was trained.', '',
        f'Classes: {len(classes)}, named in classes.json.' if classes else 'The file does not name its classes.', '',
        '## Measured', '',
        *_table(metrics), '',
        '## Use', '', '```python', f"student = dict(config='my_student.py', checkpoint='{place}')",
        f"backbone = dict(init_cfg=dict(type='Pretrained', checkpoint='{place}', prefix='backbone.'))", '```', '',
        *(['recipe.txt is the config of its training, as text.', ''] if has_recipe else [])]
    return '\n'.join(lines)


def _table(metrics: Mapping[str, float]) -> list[str]:
    if not metrics:
        return ['The file holds no figure that was measured on these weights.']
    rows = [f'| {name} | {value:.4g} |' for name, value in metrics.items()]
    return ['| metric | value |', '| --- | --- |', *rows, '', 'On the validation set of its recipe, by the run that '
            'trained it.']
