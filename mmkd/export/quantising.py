"""int8: weights and activations of convolutions and matrix products in 8 bits, by onnxruntime's static quantisation."""
import hashlib
import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from mmkd.utils import UserError

from .formats import Run, onnx_session

# All others stay in float: a LayerNorm or GELU in 8 bits costs accuracy and saves no time. ReLUs are among them because
# a convolution's range is then that after its ReLU; before it, most of 256 steps would go to what the ReLU cuts off.
OPERATORS = ('Conv', 'Gemm', 'MatMul', 'Relu', 'Clip')


class _Reader:
    """Hands calibration pictures to onnxruntime, a few at a time."""

    def __init__(self, pictures: Tensor, batch: int = 8) -> None:
        self._batches: Iterator[Tensor] = iter(pictures.split(batch))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else dict(images=batch.numpy())


def quantise(content: bytes, pictures: Tensor, batch: int = 8) -> bytes:
    """Turns an ONNX model into one in int8, with the ranges that its activations have on some pictures.

    Weights get a scale for each channel, activations one each, from their lowest to their highest value.

    Args:
        content: The model.
        pictures: As it takes them, (N, C, H, W).
        batch: How many at a time: the model's own number, if that is fixed.

    Returns:
        The quantised model, with ``QuantizeLinear`` and ``DequantizeLinear`` around what is in 8 bits.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    facts = {each.key: each.value for each in onnx.load_from_string(content).metadata_props}
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            prepared, result = Path(folder, 'prepared.onnx'), Path(folder, 'int8.onnx')
            quant_pre_process(onnx.load_from_string(content), prepared, skip_symbolic_shape=True)
            # Weights of 7 bits: the sums of two products of 8 overflow on processors without VNNI instructions.
            quantize_static(prepared, result, _Reader(pictures, batch), quant_format=QuantFormat.QDQ,
                            op_types_to_quantize=list(OPERATORS), per_channel=True,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, reduce_range=True)
            model = onnx.load(str(result))
    finally:
        logging.disable(before)
    onnx.helper.set_model_props(model, facts | dict(quantised='int8', calibration_pictures=str(len(pictures))))
    return model.SerializeToString()


def same_files(files: Sequence[Path], others: Sequence[Path]) -> int:
    """How many files have the content of one of the others."""
    sizes: defaultdict[int, list[Path]] = defaultdict(list)
    for path in others:
        sizes[path.stat().st_size].append(path)
    count = 0
    for path in files:
        near = sizes.get(path.stat().st_size)
        if near:
            digest = _digest(path)
            count += any(_digest(other) == digest for other in near)
    return count


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def images_a_second(runs: Sequence[Run], images: np.ndarray, seconds: float = 1.) -> list[float]:
    """How many images models run in a second at their best, in turns: what else a machine does slows a run, or none.

    Args:
        runs: The models.
        images: One batch.
        seconds: For each model.
    """
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run(images)
    end = time.perf_counter() + seconds * len(runs)
    while time.perf_counter() < end or not times[-1]:
        for run, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            run(images)
            taken.append(time.perf_counter() - start)
    return [len(images) / min(taken) for taken in times]


def accuracies(contents: Sequence[bytes], batches: Iterator[tuple[Tensor, Tensor]]) -> tuple[list[float], int]:
    """The share of right answers of several ONNX models on the same pictures.

    Args:
        contents: The models.
        batches: Pictures as the models take them, and their classes.

    Returns:
        In percent, and the number of pictures.

    Raises:
        UserError: There are no pictures.
    """
    runs = [onnx_session(content) for content in contents]
    right, total = np.zeros(len(runs)), 0
    for pictures, labels in batches:
        total += len(labels)
        for index, run in enumerate(runs):
            right[index] += int((run(pictures.numpy())[0].argmax(1) == labels.numpy()).sum())
    if not total:
        raise UserError('the validation set is empty')
    return (100 * right / total).tolist(), total
