"""The house style, as far as a machine can check it: names, tests beside the code, lengths, annotations."""
import ast
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.registry import Registry
from mmkd import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'mmkd'
SOURCES = sorted(PACKAGE.rglob('*.py'))
TOOLS = sorted((ROOT / 'tools').rglob('*.py'))
TREES = {path: ast.parse(path.read_text(encoding='utf-8')) for path in [*SOURCES, *TOOLS]}
# What others rely on: one line here for each new public class.
PUBLIC = {
    'mmkd.backbones': ['CIFARResNet', 'CSWinTransformer', 'ConvNeSt', 'SLaK'],
    'mmkd.distillers': ['Distiller'],
    'mmkd.losses': ['ATLoss', 'BinaryKDLoss', 'CCLoss', 'CRDLoss', 'DISTLoss', 'DKDLoss', 'DiffKDLoss', 'DistProLoss',
                    'FDLoss', 'KDLoss', 'MGDLoss', 'NKDLoss', 'OFALoss', 'OFDLoss', 'RKDLoss', 'ReviewKDLoss',
                    'SRRLLoss', 'ScaleKDLoss'],
    'mmkd.connectors': ['AttentionFusionConnector', 'AuxiliaryHeadConnector', 'ConvConnector',
                        'CrossAttentionConnector', 'LinearConnector', 'MapToTokensConnector', 'ResizeConnector',
                        'TokensToMapConnector'],
    'mmkd.datasets': ['ImageNetC', 'ImageNetVariant'],
    'mmkd.evaluation': ['CorruptionError', 'ReaLAccuracy', 'SubsetAccuracy'],
    'mmkd.engine.hooks': ['DistProProcessHook', 'DistProSearchHook', 'DistillationHook', 'DynamicSparsityHook',
                          'EpochSeedHook', 'LoadFromHook', 'StrictResumeHook', 'ValidatedWeightsHook'],
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
                                         'backbones', 'engine/hooks'), ids=shown)
def test_every_module_of_a_registry_folder_registers_a_public_class(path):
    module = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
    import_module(module)
    names = [name for known in REGISTRIES for name, cls in known.module_dict.items() if cls.__module__ == module]
    assert names and set(names) <= {name for names in PUBLIC.values() for name in names}


@pytest.mark.parametrize('path', TREES, ids=shown)
def test_lengths(path):
    assert len(path.read_text(encoding='utf-8').splitlines()) <= 300
    assert [f.name for f in functions(TREES[path]) if lines_without_docstring(f) > 50] == []


@pytest.mark.parametrize('path', TREES, ids=shown)
def test_signatures_are_annotated(path):
    bare = []
    for function in functions(TREES[path]):
        if any(ast.unparse(decorator) == 'triton.jit' for decorator in function.decorator_list):
            continue  # Triton's kernels take pointers and numbers; what is annotated is a constant
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        named = [a for a in every if a is not None and a.arg not in ('self', 'cls')]
        if function.returns is None or any(a.annotation is None for a in named):
            bare.append(f'{function.name}, line {function.lineno}')
    assert bare == []


@pytest.mark.parametrize('path', TREES, ids=shown)
def test_what_is_public_is_described(path):
    tree = TREES[path]
    bare = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)
            and not node.name.startswith('_') and node.col_offset == 0 and not ast.get_docstring(node)]
    assert ast.get_docstring(tree) and bare == []


@pytest.mark.parametrize('path', SOURCES, ids=shown)
def test_users_never_meet_an_assertion_or_a_bare_not_implemented(path):
    def is_bare(node: ast.AST) -> bool:
        return isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id == 'NotImplementedError'

    assert [node.lineno for node in ast.walk(TREES[path]) if isinstance(node, ast.Assert) or is_bare(node)] == []
