"""The check of a recipe that its validation without labels can be done."""
from collections.abc import Iterator

from mmkd.distillers.teacher import without_model
from mmkd.engine.features import PooledFeatures
from mmkd.engine.loops import FeatureValLoop, TermLossValLoop
from mmkd.registry import LOOPS
from mmkd.utils import UserError

from .recipe import Finding, Recipe


def check_validation(recipe: Recipe) -> Iterator[Finding]:
    """A validation by features has a tap to read and a bank that is large enough; one by losses has such terms."""
    config = recipe.config.get('val_cfg') or {}
    kind = LOOPS.get(config['type']) if isinstance(config.get('type'), str) else config.get('type')
    if not isinstance(kind, type) or not issubclass(kind, FeatureValLoop | TermLossValLoop):
        return
    if recipe.config.get('val_evaluator'):
        yield Finding('error', f'val_evaluator expects [] beside val_cfg.type={config["type"]!r}, which computes its '
                      'figures itself. Write val_evaluator=[].')
    if issubclass(kind, FeatureValLoop):
        yield from _features(recipe, config)
    else:
        yield from _losses(recipe)


def _features(recipe: Recipe, config: dict) -> Iterator[Finding]:
    learner = next(iter(recipe.single_models().values()))
    try:
        tap = PooledFeatures(learner, config.get('tap')).tap
    except UserError as error:
        yield Finding('error', f'val_cfg.tap: {error}')
        return
    neighbours = config.get('neighbours', 20)
    if recipe.bank is None:
        yield Finding('error', 'val_cfg expects bank_dataloader, the labelled images to compare with, got none.')
    elif neighbours > len(recipe.bank):
        yield Finding('error', f'val_cfg.neighbours expects at most {len(recipe.bank)}, the images of the bank, got '
                      f'{neighbours}. Lower it.')
    else:
        yield Finding('ok', f'validation by features at {tap}, pooled, of {neighbours} neighbours among '
                      f'{len(recipe.bank):,} images.')


def _losses(recipe: Recipe) -> Iterator[Finding]:
    if recipe.distiller is None:
        yield Finding('error', 'val_cfg expects a distiller for mmkd.TermLossValLoop, got another model.')
        return
    numbering = [name for name, term in recipe.distiller.terms.items() if term.uses_indices]
    if numbering:
        yield Finding('error', f'val_cfg: mmkd.TermLossValLoop cannot ask {", ".join(numbering)} for other images, '
                      'since it numbers those of training. Use mmkd.FeatureValLoop.')
    unasked = without_model(recipe.distiller.teachers)
    if unasked:
        yield Finding('error', f'val_cfg: mmkd.TermLossValLoop cannot ask the {", ".join(unasked)} for other images, '
                      'since there is its cache alone. Write its config and checkpoint beside the cache.')
    if not numbering and not unasked:
        yield Finding('ok', f'validation by the losses of {", ".join(recipe.distiller.terms)}.')
