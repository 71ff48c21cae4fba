"""Saying what made a training step's numbers bad: an image, a teacher, a loss or the update."""
import copy
import math
from collections.abc import Iterator, Mapping, Sequence

from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmkd.distillers.teacher import CachedTeacher

from .finite import MOST_SKIPPED, FiniteGuard, Reading

MOST = 8  # names in a list of files
FEW = 3  # of other names
HINTS = dict(  # nearest to the cause first
    image='Mend these images, or leave them out.',
    preprocessor="Check mean and std of the data preprocessor, and the pipeline's last transforms.",
    teacher="Check the teacher's weights, its dtype and its input.",
    loss='Check the settings of that loss and these images, or lower the learning rate.',
    weight='Lower the learning rate, or clip the gradients with optim_wrapper.clip_grad.',
    scale='The gradients overflow however small the loss scale: train in fp32 or with dtype=bfloat16.',
    skipped='The gradients overflow at this loss scale: lower it, set loss_scale=\'dynamic\', or train in fp32.',
    state='Lower the learning rate, or clip the gradients with optim_wrapper.clip_grad.',
    buffer='Check these images, or lower the learning rate.')


def explain(guard: FiniteGuard, reading: Reading) -> tuple[int, str]:
    """Says what is bad of this process, and how it may be mended.

    Returns:
        A rank, lower the nearer to the cause (a NaN of one process spoils the weights of all), and the words, which are
        empty where nothing is bad.
    """
    bad = reading.bad()
    if not bad:
        return len(HINTS), ''
    kinds = {kind: [name for found, name in bad if found == kind] for kind, _ in bad}
    files = list(image_files(reading.batch))
    cause, texts = '', []
    if 'loss' in kinds or 'teacher' in kinds:
        cause, texts = _inputs(guard.model, reading.batch, files)
    if 'teacher' in kinds:
        cause = cause or 'teacher'
        texts.append('nan or inf from the teacher at ' + listed(kinds['teacher'], FEW) + _teacher_weights(guard.model))
    if 'loss' in kinds:
        cause = cause or 'loss'
        terms = [name for name in kinds['loss'] if name != 'loss'] or ['loss']
        texts.append(listed([f'{name} = {bad["loss", name]:g}' for name in terms]))
    if not texts:
        cause = next(kind for kind in ('weight', 'scale', 'skipped', 'state', 'buffer') if kind in kinds)
        texts.append(_update(guard, bad, cause, kinds[cause]))
    rates = ', '.join(f'{rate:g}' for rate in guard.learning_rates())
    images = f' The images are {listed(files)}.' if files else ''
    return list(HINTS).index(cause), f'{", ".join(texts)}. The learning rate is {rates}. {HINTS[cause]}{images}'


def _update(guard: FiniteGuard, bad: Mapping, kind: str, names: list[str]) -> str:
    value = bad[kind, names[0]]
    if kind == 'scale':
        return f'a loss scale of {1 / value if value else math.inf:g}'
    if kind == 'skipped':
        return f'more than {MOST_SKIPPED} updates in a row that were skipped'
    if kind == 'state':
        return f'nan or inf in what the optimizer keeps, {listed(names, FEW)}'
    if kind == 'buffer':
        return f'nan or inf in the buffers {listed(names, FEW)}'
    much = f'a root mean square of {value / math.sqrt(guard.size(names[0])):.3g}' if math.isfinite(value) else (
        'nan or inf')
    steps = f' by the gradients of {guard.accumulated} steps' if guard.accumulated > 1 else ''
    return f'{much} in weights that were updated{steps}: {listed(names, FEW)}'


def _inputs(model: nn.Module, batch: object, files: list[str]) -> tuple[str, list[str]]:
    """Whether the images were bad already: before or after the data preprocessor."""
    bad = list(_bad_images(batch, files))
    if bad:
        return 'image', [f'nan or inf in {listed(bad)}']
    preprocess = getattr(model, 'data_preprocessor', None)
    if preprocess is None or batch is None:
        return '', []
    try:
        fine = all(tensor.isfinite().all() for tensor in _tensors(preprocess(copy.deepcopy(batch), True)))
    except Exception:  # the run stops in any case, with what is known
        return '', []
    return ('', []) if fine else ('preprocessor', ['nan or inf in the preprocessed images'])


def _bad_images(batch: object, files: list[str]) -> Iterator[str]:
    if isinstance(batch, Mapping):
        batch = batch.get('inputs', list(batch.values()))
    for tensor in _tensors(batch):
        rows = tensor if tensor.dim() == 4 else tensor[None]
        several = [t for t in _tensors(batch) if t.dim() == tensor.dim()]
        first = next(i for i, t in enumerate(several) if t is tensor)
        for row, image in enumerate(rows):
            if not image.isfinite().all():
                number = row if tensor.dim() == 4 else first
                yield files[number] if number < len(files) else f'image {number + 1} of the batch'


def _teacher_weights(model: nn.Module) -> str:
    """Says which teachers hold weights that are not finite."""
    teachers = getattr(model, 'teachers', {})
    running = {name: teacher for name, teacher in teachers.items() if not isinstance(teacher, CachedTeacher)}
    bad = [name for name, teacher in running.items()
           if not all(value.isfinite().all() for value in teacher.model.state_dict().values()
                      if value.is_floating_point())]
    return f', whose weights{" (" + listed(bad) + ")" if len(teachers) > 1 else ""} are not finite' if bad else ''


def image_files(batch: object) -> Iterator[str]:
    """The files of a batch, of all data samples inside it, where they know them."""
    if isinstance(batch, BaseDataElement):
        path = batch.get('img_path')
        yield from ([path] if isinstance(path, str) else path if isinstance(path, list) else [])
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from image_files(value)
    elif isinstance(batch, Sequence) and not isinstance(batch, str | bytes):
        for value in batch:
            yield from image_files(value)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def listed(names: Sequence[str], most: int = MOST) -> str:
    """The first names, and how many more there are."""
    more = len(names) - most
    return ', '.join(names[:most]) + (f' and {more} more' if more > 0 else '')
