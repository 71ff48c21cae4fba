"""Child registries of MMEngine's roots, in scope ``mmkd``.

MMEngine imports this module by itself when a config says ``type='mmkd.…'``, and the
``locations`` below are imported when a name is first looked up.
"""
from mmengine import registry as root
from mmengine.registry import Registry


def _child(parent: Registry, locations: list[str]) -> Registry:
    return Registry(parent.name, parent=parent, scope='mmkd', locations=locations)


MODELS = _child(
    root.MODELS,
    ['mmkd.backbones', 'mmkd.distillers', 'mmkd.losses', 'mmkd.connectors', 'mmkd.layers'])
HOOKS = _child(root.HOOKS, ['mmkd.engine.hooks'])
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS, ['mmkd.engine.optimizers'])
DATASETS = _child(root.DATASETS, ['mmkd.datasets'])
TRANSFORMS = _child(root.TRANSFORMS, ['mmkd.datasets'])
METRICS = _child(root.METRICS, ['mmkd.evaluation'])
