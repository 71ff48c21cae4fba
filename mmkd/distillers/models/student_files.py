"""What a distiller makes of the file of a published student."""
from mmengine.logging import print_log
from torch import Tensor, nn

from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import compare
from mmkd.utils.checkpoints.weights import STUDENT_PREFIX, candidates


def take_student_file(distiller: nn.Module, state: dict[str, Tensor], prefix: str) -> None:
    """Renames the weights of a student in place to those of a distiller, and leaves a distiller's alone.

    OpenMMLab's inferencers build a recipe and load a file with MMEngine's loader, which takes what fits and only warns.
    Here a student's file fits to the last tensor, or is an error.
    What a student's file cannot have, the terms' parameters and running averages, stays as the distiller has it.

    Args:
        distiller: The distiller, with a ``student``.
        state: Names to tensors that are being loaded.
        prefix: What the names of the distiller begin with.

    Raises:
        UserError: It is no file of a distiller, and not exactly the student's either.
    """
    given = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    parts = {name for name, _ in distiller.named_children()}
    if not given or parts & {part for name in given for part in name.split('.')[:2]}:  # the second: of a wrapper
        return
    own = {f'{prefix}{name}': value for name, value in nn.Module.state_dict(distiller).items()}
    students = {name: value for name, value in own.items() if name.startswith(f'{prefix}{STUDENT_PREFIX}')}

    def fitting(weights: dict[str, Tensor]) -> int:
        return sum(name in students and students[name].shape == value.shape for name, value in weights.items())

    best = max(({f'{prefix}{name}': value for name, value in names.items()} for names in candidates(given)),
               key=fitting)
    matched, problem = compare(students, best)
    if problem:
        raise UserError(f'the distiller expects weights of its student, or its own: {matched}; {problem}. Check that '
                        'the file belongs to this recipe.')
    print_log(f"A student's file is loaded into the distiller: {matched}.", logger='current')
    for name in given:
        del state[f'{prefix}{name}']
    state.update({name: value for name, value in own.items() if name not in students} | best)
