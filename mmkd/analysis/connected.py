"""The student's map behind the trained connector of a recipe's term, beside the teacher's."""

import torch
from mmengine.config import Config
from torch import Tensor, nn

from mmkd.distillers import Distiller
from mmkd.distillers.taps import Tapped
from mmkd.distillers.teacher.building import split_tap
from mmkd.losses import ScaleKDLoss
from mmkd.registry import MODELS
from mmkd.utils import UserError, nearest
from mmkd.utils.building.build import is_distiller
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.checkpoints.weights import split_choice
from mmkd.zoo import find_checkpoint
from mmkd.zoo.loading import fit_weights

from .tap_reader import TapReader


def trained_distiller(config: Config, checkpoint: str, name: str) -> Distiller:
    """Builds a recipe with its terms as they were trained, in eval mode.

    Args:
        config: The recipe.
        checkpoint: One of its training checkpoints, which hold the connectors, too.
        name: What the recipe is called in messages.

    Raises:
        UserError: It is no recipe, or the checkpoint is that of another one, or of a student alone.
    """
    if not is_distiller(config.get('model')):
        raise UserError(f'{name} expects a distillation recipe, got the config of a single model. Name the recipe '
                        'whose connector is to be looked through.')
    distiller = MODELS.build(config.model)
    path, which = split_choice(checkpoint)
    source = find_checkpoint(path)
    weights, matched, problem = fit_weights(read_checkpoint(source), distiller.state_dict(), source, which)
    if problem:
        raise UserError(f'{name} expects a training checkpoint of this recipe, got {checkpoint}: {matched}; {problem}. '
                        'Give the epoch_*.pth of its run, which has the connectors, too.')
    distiller.load_state_dict(weights)
    for teacher in distiller.teachers.values():
        teacher.load()
    return distiller.eval()


class ConnectedMaps:
    """Gives the maps that a term compares.

    Of a :class:`~mmkd.losses.ScaleKDLoss` it is the last stage's map behind the projector of the view without the
    direct component, or behind the only one; of other losses what they get.

    Args:
        distiller: The distiller.
        term: Name of the term; None takes the first one that compares maps.

    Raises:
        UserError: There is no such term.
    """

    def __init__(self, distiller: Distiller, term: str | None = None) -> None:
        terms = dict(distiller.terms.items())
        if term is not None and term not in terms:
            raise UserError(f'--term expects a term of the recipe, got {term!r}. {nearest(term, terms)}')
        names = [term] if term else [name for name, each in terms.items() if 'logits' not in each.student_taps]
        if not names:
            raise UserError(f'the recipe expects a term that compares maps, has {", ".join(terms)}. Take a recipe '
                            'with a feature term.')
        self.name = names[0]
        self._distiller, self._term = distiller, terms[self.name]
        self._student = TapReader(distiller.student, self._term.student_taps)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The student's map and the teacher's.

        Args:
            images: (N, 3, H, W), normalised as the student wants them.

        Raises:
            UserError: The term compares no single maps.
        """
        teachers = self._distiller.teachers
        read = {}
        for tap in self._term.teacher_taps:
            name, own = split_tap(tap, teachers)
            read[tap] = teachers[name](images)[own]
        got: list[Tensor] = []
        handles = self._watch(got)
        try:
            labels = torch.zeros(len(images), dtype=torch.long, device=images.device)
            self._term(Tapped(self._student(images)), Tapped(read), labels)
        finally:
            for handle in handles:
                handle.remove()
        if len(got) != 2 or not all(isinstance(value, Tensor) and value.dim() == 4 for value in got):
            raise UserError(f'the term {self.name!r} expects to compare one map (N, C, H, W) with another one, and '
                            'compares something else. Name another one by --term.')
        return got[0], got[1]

    def _watch(self, got: list[Tensor]) -> list:
        """Hooks that put the two maps into a list."""
        loss = self._term.loss
        if not isinstance(loss, ScaleKDLoss):
            return [loss.register_forward_pre_hook(lambda _, inputs: got.extend(inputs[:2]))]

        def teacher(_: nn.Module, inputs: tuple) -> None:
            got.append(inputs[1] if isinstance(inputs[1], Tensor) else inputs[1][-1])

        def student(_: nn.Module, inputs: tuple, output: Tensor) -> None:
            got.insert(0, output)

        return [loss.register_forward_pre_hook(teacher), loss.projectors[-1][-1].register_forward_hook(student)]
