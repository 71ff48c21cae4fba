"""The step from an ONNX model to int8: calibration pictures, and what it costs in accuracy and brings in speed."""
from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor

from mmkd.utils import UserError

from .comparing import compare_outputs
from .exporting import Exported
from .formats import BATCH, onnx_session
from .network import gives_logits
from .pictures import Preparation, ValidationSet, as_network_takes, picture_files, read_pictures
from .quantising import accuracies, images_a_second, quantise, same_files
from .sources import Source

WARN = 1.  # points of accuracy
FEW = 32
AGREEMENT = .9


def export_int8(source: Source, exported: Exported, inputs: Tensor, inside: bool, folder: str, calibration_images: int,
                validation_images: int | None, report: Callable[[str], None]) -> bytes:
    """Quantises an exported model, and reports what that changes.

    Args:
        source: The model.
        exported: The ONNX model.
        inputs: The pictures that it was compared on, as it takes them.
        inside: Whether it normalises its images.
        folder: The calibration pictures.
        calibration_images: How many of them to take.
        validation_images: How many pictures of the validation set to take; None for all.
        report: Is told, a line at a time.

    Returns:
        The quantised model.

    Raises:
        UserError: There are no calibration pictures, or the quantised model gives NaN.
    """
    size = (inputs.shape[2], inputs.shape[3])
    files = picture_files(folder, '--calibration')
    prepare = Preparation(source.config, source.form.channels, size)
    pictures = read_pictures(files, prepare, calibration_images, report)
    fixed = BATCH not in exported.free
    if fixed:
        pictures = pictures[:len(pictures) // 2 * 2] if len(pictures) > 1 else pictures.repeat(2, 1, 1, 1)
    report(f'calibrated on {len(pictures)} pictures of {folder}')
    if len(pictures) < FEW:
        report(f'warning: that is few; some {FEW} to 500 give steadier ranges.')
    eight = quantise(exported.content, as_network_takes(pictures, source.form, inside), 2 if fixed else 8)
    batch = inputs[:2] if fixed else inputs
    outputs = [onnx_session(content)(batch.numpy()) for content in (eight, exported.content)]
    difference = compare_outputs(*outputs, logits=gives_logits(source.model))
    report(f'int8 beside float: {difference}')
    if difference.agreement is not None and difference.agreement < AGREEMENT:
        report('warning: int8 often gives another class than the float model. Give more or other calibration pictures, '
               'as the model will see them.')
    _report_accuracy(source, exported, eight, inside, size, validation_images, files, report)
    _report_speed(exported, eight, inputs, report)
    return eight


def _report_accuracy(source: Source, exported: Exported, eight: bytes, inside: bool, size: tuple[int, int],
                     most: int | None, files: list, report: Callable[[str], None]) -> None:
    if not gives_logits(source.model) or BATCH not in exported.free:
        report('accuracy: not measured; only that of classifiers with a free batch size is.')
        return

    def batches(validation: ValidationSet) -> Iterator[tuple[Tensor, Tensor]]:
        for pictures, labels in validation.batches(size, most):
            yield as_network_takes(pictures, source.form, inside), labels

    try:
        validation = ValidationSet(source.config, source.form.channels)
        same = same_files(files, validation.files())
        if same:
            report(f'warning: {same} calibration pictures are in the validation set, too: the accuracy of int8 is then '
                   'too good. Take others.')
        (before, after), count = accuracies([exported.content, eight], batches(validation))
    except UserError as error:
        report(f'accuracy: not measured, as {error}')
        return
    report(f'top-1 accuracy on {count} validation pictures: float {before:.2f} %, int8 {after:.2f} %')
    if before - after > WARN:
        report(f'warning: int8 loses {before - after:.2f} points. Give more or other calibration pictures, as the '
               'model will see them, or use the float model.')


def _report_speed(exported: Exported, eight: bytes, inputs: Tensor, report: Callable[[str], None]) -> None:
    runs = [onnx_session(content) for content in (exported.content, eight)]
    sizes = (1, 16) if BATCH in exported.free else (2, )
    for size in sizes:
        images = np.resize(inputs.numpy(), (size, *inputs.shape[1:]))
        before, after = images_a_second(runs, images)
        report(f'images/s in onnxruntime on this CPU, batch {size}: float {before:.0f}, int8 {after:.0f}')
    report(f'size: float {len(exported.content) / 2**20:.2f} MiB, int8 {len(eight) / 2**20:.2f} MiB')
