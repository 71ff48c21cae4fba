"""Writing a network in one of the formats, and running what was written. All of it in memory, until it is checked."""
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from mmkd.utils import UserError

SUFFIXES = {'onnx': '.onnx', 'torchscript': '.ts.pt', 'pt2': '.pt2'}
BATCH, SIZE = 'batch', 'size'
NAMES = {0: 'batch', 2: 'height', 3: 'width'}
ATTACHED = 'mmkd.json'  # the facts beside the weights in PyTorch's formats
TRACED, REASONED = 'traced', 'torch.export'
TRACED_OPSETS = (17, 20)  # LayerNormalization came with 17; PyTorch's tracing exporter ends at 20
REASONED_OPSETS = (18, 23)
DEFAULT_OPSET = 18
Outputs = list[np.ndarray]
Run = Callable[[np.ndarray], Outputs]


def can_reason() -> bool:
    """Whether ``torch.export`` writes ONNX here: from PyTorch 2.6 on, with onnxscript."""
    return hasattr(torch.export.Dim, 'AUTO') and importlib.util.find_spec('onnxscript') is not None


def ways(kind: str, opset: int = DEFAULT_OPSET) -> list[str]:
    """How a format can be written, what is tried first coming first.

    Tracing takes seconds and frees the sizes of most models, but takes sizes for constants that a model computes with;
    what it gives is compared at other sizes anyhow. ``torch.export`` takes much longer, and more opsets.

    Args:
        kind: ``'onnx'``, ``'torchscript'`` or ``'pt2'``.
        opset: ONNX's version of the operators.
    """
    if kind != 'onnx':
        return [TRACED] if kind == 'torchscript' else [REASONED]
    return [*([TRACED] if opset <= TRACED_OPSETS[1] else []),
            *([REASONED] if can_reason() and opset >= REASONED_OPSETS[0] else [])]


def check_packages(kind: str, opset: int) -> None:
    """Checks that what a format needs is installed, and that the opset can be written.

    Raises:
        UserError: It is not.
    """
    if kind != 'onnx':
        return
    missing = [name for name in ('onnx', 'onnxruntime') if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f'--format onnx expects the packages onnx and onnxruntime, and {" and ".join(missing)} '
                        f'{"is" if len(missing) == 1 else "are"} not installed. Install them with: '
                        'pip install onnx onnxruntime, or choose --format torchscript or pt2.')
    lowest, highest = TRACED_OPSETS[0], (REASONED_OPSETS if can_reason() else TRACED_OPSETS)[1]
    if not lowest <= opset <= highest:
        raise UserError(f'--opset expects {lowest} to {highest} with PyTorch {torch.__version__.split("+")[0]}, got '
                        f'{opset}. The smallest that works is {lowest}.')


def write(kind: str, way: str, network: nn.Module, images: Tensor, free: Sequence[str], names: Sequence[str],
          facts: Mapping[str, str], opset: int = DEFAULT_OPSET) -> bytes:
    """Writes a network.

    Args:
        kind: ``'onnx'``, ``'torchscript'`` or ``'pt2'``.
        way: One of :func:`ways`.
        network: In eval mode.
        images: An example, (2, C, H, W).
        free: What may change from call to call: ``'batch'`` and ``'size'``.
        names: Of the outputs.
        facts: Name to text, kept in the file.
        opset: ONNX's version of the operators.

    Returns:
        The file's content.
    """
    axes = {axis: name for axis, name in NAMES.items() if (BATCH if axis == 0 else SIZE) in free}
    with torch.no_grad(), _quiet():
        if kind == 'onnx':
            make = _traced_onnx if way == TRACED else _reasoned_onnx
            return _finished_onnx(make(network, images, axes, names, opset), axes, facts, opset)
        with io.BytesIO() as buffer:
            attached = {ATTACHED: json.dumps(dict(facts))}
            if kind == 'torchscript':
                traced = torch.jit.trace(network, images, check_trace=False)
                torch.jit.save(traced, buffer, _extra_files=attached)
            else:
                torch.export.save(_program(network, images, axes), buffer, extra_files=attached)
            return buffer.getvalue()


def _program(network: nn.Module, images: Tensor, axes: Mapping[int, str]) -> torch.export.ExportedProgram:
    def free(name: str) -> object:
        return torch.export.Dim.AUTO if hasattr(torch.export.Dim, 'AUTO') else torch.export.Dim(name)

    return torch.export.export(network, (images,), dynamic_shapes=({axis: free(name) for axis, name in axes.items()},))


def _traced_onnx(network: nn.Module, images: Tensor, axes: Mapping[int, str], names: Sequence[str],
                 opset: int) -> object:
    import onnx
    batches = {name: {axis: axes[axis] for axis in axes if axis == 0} for name in names}
    with io.BytesIO() as buffer:
        torch.onnx.export(network, (images,), buffer, input_names=['images'], output_names=list(names),
                          opset_version=opset, dynamic_axes=dict(images=dict(axes), **batches), dynamo=False)
        return onnx.load_from_string(buffer.getvalue())


def _reasoned_onnx(network: nn.Module, images: Tensor, axes: Mapping[int, str], names: Sequence[str],
                   opset: int) -> object:
    program = torch.onnx.export(
        network, (images,), dynamo=True, input_names=['images'], output_names=list(names), opset_version=opset,
        dynamic_shapes=(dict.fromkeys(axes, torch.export.Dim.AUTO),), verbose=False, external_data=False)
    return program.model_proto


def _finished_onnx(model: object, axes: Mapping[int, str], facts: Mapping[str, str], opset: int) -> bytes:
    """Names the free axes, writes the facts into the model, and checks it.

    Raises:
        UserError: It has another opset than it should have.
    """
    import onnx
    _name_axes(model, axes)
    if opset_of(model) != opset:
        raise UserError(f'--opset expects one that the model can be written in, got {opset}: PyTorch wrote '
                        f'{opset_of(model)}. Give --opset {opset_of(model)}.')
    onnx.helper.set_model_props(model, dict(facts) | dict(opset=str(opset)))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def opset_of(model: object) -> int:
    """The version of ONNX's own operators in a model."""
    return next(each.version for each in model.opset_import if each.domain in ('', 'ai.onnx'))


def _name_axes(model: object, axes: Mapping[int, str]) -> None:
    """Gives the free axes of the images a name that says what they are, in the outputs too.

    Raises:
        ValueError: The exporter has made a number of one of them.
    """
    dims = model.graph.input[0].type.tensor_type.shape.dim
    new = {}
    for axis, name in axes.items():
        if not dims[axis].dim_param:
            raise ValueError(f'{name} cannot be free: it became {dims[axis].dim_value}')
        new[dims[axis].dim_param] = name
    for value in [*model.graph.input, *model.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in new:
                dim.dim_param = new[dim.dim_param]


def read(kind: str, content: bytes) -> Run:
    """Loads what :func:`write` returned: a function of images (N, C, H, W), float32, that returns the outputs."""
    if kind == 'onnx':
        return onnx_session(content)
    if kind == 'torchscript':
        module = torch.jit.load(io.BytesIO(content))
    else:
        module = torch.export.load(io.BytesIO(content)).module()
    return lambda images: run_torch(module, torch.from_numpy(images))


def onnx_session(content: bytes) -> Run:
    """Loads an ONNX model in onnxruntime, on the CPU, with as many threads as PyTorch has."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what goes wrong is raised as well
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})


@torch.no_grad()
def run_torch(network: nn.Module, images: Tensor) -> Outputs:
    """Runs a network, and returns its outputs as arrays."""
    outputs = network(images)
    return [each.numpy() for each in (outputs if isinstance(outputs, list | tuple) else [outputs])]


@contextmanager
def _quiet() -> Iterator[None]:
    """Leaves out what exporters say of their own code; whether the result is right is measured afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)
