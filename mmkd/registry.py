"""Child registries of MMEngine's roots, in scope ``mmkd``.

MMEngine imports this module by itself when a config says ``type='mmkd.…'``, and the
``locations`` below are imported when a name is first looked up.
"""
import inspect

from mmengine import registry as root
from mmengine.registry import Registry

from mmkd.utils.building.signatures import checks_arguments


class CheckedRegistry(Registry):
    """A registry whose classes say in one line what is wrong with their arguments."""

    def _register_module(self, module: type, module_name: str | list[str] | None = None, force: bool = False) -> None:
        super()._register_module(module=module, module_name=module_name, force=force)
        if inspect.isclass(module) and module.__module__.partition('.')[0] == __package__:
            checks_arguments(module)


def _child(parent: Registry, locations: list[str]) -> Registry:
    return CheckedRegistry(parent.name, parent=parent, scope='mmkd', locations=locations)


MODELS = _child(
    root.MODELS,
    ['mmkd.backbones', 'mmkd.distillers', 'mmkd.losses', 'mmkd.connectors', 'mmkd.standardisers',
     'mmkd.layers'])
HOOKS = _child(root.HOOKS, ['mmkd.engine.hooks'])
LOOPS = _child(root.LOOPS, ['mmkd.engine.loops'])
OPTIM_WRAPPER_CONSTRUCTORS = _child(root.OPTIM_WRAPPER_CONSTRUCTORS, ['mmkd.engine.optimizers'])
DATASETS = _child(root.DATASETS, ['mmkd.datasets.classification', 'mmkd.datasets.replay'])
TRANSFORMS = _child(root.TRANSFORMS, ['mmkd.datasets.classification'])
METRICS = _child(root.METRICS, ['mmkd.evaluation'])
