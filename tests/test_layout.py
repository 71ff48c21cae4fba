"""The house style, as far as a machine can check it: names, tests beside the code, lengths, annotations."""
import ast
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.registry import Registry
from mmkd import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'mmkd'
SOURCES = sorted(PACKAGE.rglob('*.py'))
TOOLS = sorted((ROOT / 'tools').rglob('*.py'))
# What others rely on: these names stay. A new class needs no line here.
PUBLIC = {
    'mmkd.backbones': ['CIFARResNet', 'CSWinTransformer', 'ConvNeSt', 'SLaK'],
    'mmkd.distillers': ['Distiller'],
    'mmkd.losses': ['ATLoss', 'BinaryKDLoss', 'CCLoss', 'CRDLoss', 'DISTLoss', 'DKDLoss', 'DiffKDLoss', 'DistProLoss',
                    'FDLoss', 'KDLoss', 'MGDLoss', 'NKDLoss', 'OFALoss', 'OFDLoss', 'RKDLoss', 'ReviewKDLoss',
                    'SRRLLoss', 'ScaleKDLoss'],
    'mmkd.connectors': ['AttentionFusionConnector', 'AuxiliaryHeadConnector', 'ConvConnector',
                        'CrossAttentionConnector', 'LinearConnector', 'MapToTokensConnector', 'ResizeConnector',
                        'TokensToMapConnector'],
    'mmkd.datasets': ['ImageNetC', 'ImageNetVariant', 'UnlabelledImages'],
    'mmkd.evaluation': ['MeanCorruptionError', 'ReaLAccuracy', 'SubsetAccuracy'],
    'mmkd.engine.hooks': ['DataFitHook', 'DistProProcessHook', 'DistProSearchHook', 'DistillationHook',
                          'DynamicSparsityHook', 'EMAHook', 'EpochSeedHook', 'FiniteTrainingHook', 'LoadFromHook',
                          'MissedValidationHook', 'SameRunHook', 'StrictResumeHook', 'ValidatedWeightsHook'],
    'mmkd.engine.loops': ['FeatureTestLoop', 'FeatureValLoop', 'TermLossTestLoop', 'TermLossValLoop'],
    'mmkd.engine.optimizers': ['LayerDecayOptimWrapperConstructor'],
}
REGISTRIES = [value for value in vars(registry).values() if isinstance(value, Registry) and value.scope == 'mmkd']


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((PACKAGE / folder).rglob('*.py'))
            if path.name != '__init__.py']


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_without_docstring(function: ast.FunctionDef) -> int:
    first = function.body[0]
    docstring = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - docstring


@pytest.mark.parametrize(('package', 'name'), [(package, name) for package in PUBLIC for name in PUBLIC[package]])
def test_public_classes_are_importable_and_registered(package, name):
    cls = getattr(import_module(package), name)
    assert any(known.module_dict.get(name) is cls for known in REGISTRIES)


@pytest.mark.parametrize('path', modules('losses', 'connectors', 'backbones'), ids=shown)
def test_every_module_has_its_test_file(path):
    test = ROOT / 'tests' / path.relative_to(PACKAGE).with_name(f'test_{path.name}')
    assert test.is_file(), f'write {shown(test)}'


@pytest.mark.parametrize('path', modules('losses/logit', 'losses/feature', 'losses/relation', 'connectors',
                                         'backbones', 'engine/hooks', 'engine/loops'), ids=shown)
def test_every_module_of_a_registry_folder_registers_a_public_class(path):
    module = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    import_module(module)
    found = {name: cls for known in REGISTRIES for name, cls in known.module_dict.items() if cls.__module__ == module}
    package = import_module(next(name for name in PUBLIC if module.startswith(f'{name}.')))
    assert found and all(getattr(package, name) is cls and name in package.__all__ for name, cls in found.items())


@cache
def trees() -> dict[str, ast.Module]:
    return {shown(path): ast.parse(path.read_text(encoding='utf-8')) for path in [*SOURCES, *TOOLS]}


def test_lengths():
    long = [shown(path) for path in [*SOURCES, *TOOLS] if len(path.read_text(encoding='utf-8').splitlines()) > 300]
    long += [f'{name}: {f.name}' for name, tree in trees().items() for f in functions(tree)
             if lines_without_docstring(f) > 50]
    assert long == []


def is_annotated(function: ast.FunctionDef) -> bool:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    named = [a for a in every if a is not None and a.arg not in ('self', 'cls')]
    return function.returns is not None and all(a.annotation is not None for a in named)


def test_signatures_are_annotated():
    """But Triton's kernels', which take pointers and numbers; what is annotated there is a constant."""
    bare = [f'{name}: {function.name}, line {function.lineno}' for name, tree in trees().items()
            for function in functions(tree) if not is_annotated(function)
            and not any(ast.unparse(decorator) == 'triton.jit' for decorator in function.decorator_list)]
    assert bare == []


def test_what_is_public_is_described():
    bare = [f'{name}: {node.name}' for name, tree in trees().items() for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith('_')
            and node.col_offset == 0 and not ast.get_docstring(node)]
    assert bare == [] and [name for name, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_users_never_meet_an_assertion_or_a_bare_not_implemented():
    def is_bare(node: ast.AST) -> bool:
        return isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id == 'NotImplementedError'

    assert [f'{shown(path)}, line {node.lineno}' for path in SOURCES for node in ast.walk(trees()[shown(path)])
            if isinstance(node, ast.Assert) or is_bare(node)] == []
