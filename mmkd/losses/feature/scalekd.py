"""ScaleKD: features compared through cross-attention and through the teacher's own last stage."""
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmkd.connectors.cross_attention import CrossAttentionConnector
from mmkd.layers.convnet import StatisticsKept
from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNTS, FLAG, POSITIVE, SHARE, SIZE, check_arguments, each, either, one_of
from mmkd.utils.precision import autocast_is_on, full_precision
from mmkd.utils.sizes import resized

from ..checks import Tensors, at_least_fp32, pair_tensors, shape_of

PROJECTORS, FIRST_VIEWS = ('cross_attention', 'linear', 'conv'), ('all', 'direct')


@MODELS.register_module()
class ScaleKDLoss(nn.Module):
    r"""Matches the student's projected map with the teacher's, in two views and on two paths.

    .. math::
        L(Y) &= \beta\, \big\|\hat T - \hat Y_1\big\|_2^2
            + (1-\beta)\, \big\|\widehat{\phi(T)} - \widehat{\phi(Y_2)}\big\|_2^2 \\
        Z_i &= g\big(f^{n-1}_i(S^{n-1}; q_i)\big), \qquad Y_i = f^n_i(S^n; Z_i), \qquad L = L(Z) + L(Y)

    Hats are maps normalised to length 1 over channels at each position; squares are summed over C, H and W and
    averaged over N. :math:`\phi` takes the direct component of a cosine transform away, which is the mean over
    positions, so no transform is computed. f are :class:`~mmkd.connectors.CrossAttentionConnector` s (CAP), two for
    the two views (DFM); g is the teacher's frozen last stage, whose output is the queries of the student's last
    stage, too (TPP). The method adds a KD term on the logits (Eq. 5), which is a term of its own in a recipe.

    Source: Fan et al., ScaleKD: Strong Vision Transformers Could Be Excellent Teachers, NeurIPS 2024,
    arXiv 2411.06786, Eqs. 1 to 5; the switches are those of Tables 9 and 17.
    Differs from the authors' code: it weighs the two views by 0.08 and 0.06, which is ``beta=4/7`` with the term's
    weight 0.14; it compares maps after the teacher's final norm, here they are what the taps read; the two paths
    through the last stage are one batch; maps shorter than 1e-6 at a position (1e-12 there) are not stretched to
    length 1.

    Args:
        student_channels: Width of the student's map or maps. Inferred from the taps in a recipe.
        teacher_channels: Width of the teacher's map or maps. Inferred, too.
        student_size: Height and width of the student's map or maps. Inferred, too.
        teacher_size: Height and width of the teacher's map or maps. Inferred, too.
        projector: ``cross_attention``, or one of Table 9 (b): ``linear`` at each position, or ``conv``: two 3×3
            convolutions, with BN and ReLU between, on the map resized (bilinear) to the teacher's size.
        dfm: Whether there is the second view, without the direct component. Without, β is 1.
        tpp: Whether there is the path through the teacher's last stage. It takes two taps on both sides, the last
            stage but one and the last; without, there is one.
        adaptive_queries: Whether the output of that path is the queries of the other (Table 9 (d)).
        beta: β, the weight of the first view. 0.6 in the paper.
        num_heads: Heads of the CAPs: a number, or one for each tap.
        softmax_scale: Extra factor on the CAPs' attention logits. 5 in the authors' configs.
        with_cp: Whether to save memory by computing the projectors and the last stage again in the backward pass.
        first_view: What the first view compares: ``all``, or ``direct`` for the direct component alone (Table 17).

    Shapes: student, teacher (N, C, H, W), or with ``tpp`` lists of two of them. target is not used. Returns a scalar.

    Raises:
        UserError: The projector or the first view is unknown, or the number of taps does not fit.
    """

    needs_target = False
    mixed_precision = True
    teacher_parts: tuple[str, ...] = ('last_stage', )

    def __init__(self,
                 student_channels: int | Sequence[int],
                 teacher_channels: int | Sequence[int],
                 student_size: Sequence,
                 teacher_size: Sequence,
                 projector: str = 'cross_attention',
                 dfm: bool = True,
                 tpp: bool = True,
                 adaptive_queries: bool = True,
                 beta: float = 0.6,
                 num_heads: int | Sequence[int] = 8,
                 softmax_scale: float = 5.0,
                 with_cp: bool = False,
                 first_view: str = 'all') -> None:
        super().__init__()
        sizes = either(SIZE, each(SIZE))
        check_arguments(
            self, student_channels=(student_channels, COUNTS), teacher_channels=(teacher_channels, COUNTS),
            student_size=(student_size, sizes), teacher_size=(teacher_size, sizes), beta=(beta, SHARE),
            projector=(projector, one_of(PROJECTORS)), dfm=(dfm, FLAG), tpp=(tpp, FLAG), num_heads=(num_heads, COUNTS),
            adaptive_queries=(adaptive_queries, FLAG), softmax_scale=(softmax_scale, POSITIVE),
            with_cp=(with_cp, FLAG), first_view=(first_view, one_of(FIRST_VIEWS)))
        widths = [_as_list(student_channels), _as_list(teacher_channels)]
        sizes = [_as_list(student_size, nested=True), _as_list(teacher_size, nested=True)]
        self.taps = 2 if tpp else 1
        for role, items in zip(('student', 'teacher') * 2, (*widths, *sizes), strict=True):
            self._check_count(role, len(items))
        self.beta, self.first_view = beta if dfm else 1.0, first_view
        self.with_cp = with_cp
        self.adaptive_queries = adaptive_queries and tpp and projector == 'cross_attention'
        self.projectors = nn.ModuleList()
        heads = _as_list(num_heads) * (self.taps if isinstance(num_heads, int) else 1)
        for i, (s, t, s_size, t_size, n) in enumerate(zip(*widths, *sizes, heads, strict=True)):
            learned = i == 0 or not self.adaptive_queries
            self.projectors.append(nn.ModuleList(
                CrossAttentionConnector(s, t, s_size, t_size, n, softmax_scale, learned)
                if projector == 'cross_attention' else _MapProjector(s, t, projector) for _ in range(1 + dfm)))
        self._last_stage: Callable[[Tensor], Tensor] | None = None
        if not tpp:
            self.teacher_parts = ()  # so that any teacher will do

    def bind(self, teacher_last_stage: Callable[[Tensor], Tensor]) -> None:
        """Takes the teacher's last stage.

        Args:
            teacher_last_stage: A function of the map of the teacher's last stage but one that returns its last.
        """
        self._last_stage = teacher_last_stage

    def forward(self, student: Tensors, teacher: Tensors, target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the class for shapes.

        Raises:
            UserError: The number of maps or their batch sizes differ, or the teacher's last stage is missing.
        """
        for role, value in (('student', student), ('teacher', teacher)):
            self._check_count(role, 1 if isinstance(value, Tensor) else len(value))
        students, teachers = zip(*pair_tensors(self, student, teacher, cast=False), strict=True)
        goals = self._views([teachers[-1]] * len(self.projectors[-1]))
        loss, queries = 0., [None] * len(goals)
        if self.taps == 2:
            proxies = self._through_teacher(students[0], teachers[0].shape[2:])
            loss = self._distance(proxies, goals)
            queries = proxies if self.adaptive_queries else queries
        size = teachers[-1].shape[2:]
        outputs = [self._run(project, students[-1], query, size)
                   for project, query in zip(self.projectors[-1], queries, strict=True)]
        return loss + self._distance(outputs, goals)

    def _through_teacher(self, student: Tensor, size: Sequence[int]) -> Sequence[Tensor]:
        if self._last_stage is None:
            raise UserError("ScaleKDLoss expects the teacher's last stage with tpp=True, got none. Call "
                            'bind(teacher_last_stage) first, as a recipe does, or set tpp=False.')
        maps = torch.cat([self._run(project, student, None, size) for project in self.projectors[0]])
        return self._run(self._last_stage, maps).chunk(len(self.projectors[0]))

    def _run(self, function: Callable[..., Tensor], *args: object) -> Tensor:
        if not (self.with_cp and torch.is_grad_enabled()):
            return function(*args)
        return checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False,
                          context_fn=lambda: (nullcontext(), StatisticsKept(self)))

    def _views(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Normalises a map for each view, the second without its direct component."""
        with full_precision(maps[0].device.type):
            maps = [at_least_fp32(item) for item in maps]
            maps[1:] = [item - item.mean((2, 3), keepdim=True) for item in maps[1:]]
            if self.first_view == 'direct':
                maps[0] = maps[0].mean((2, 3), keepdim=True).expand_as(maps[0])
            return [F.normalize(item, dim=1, eps=1e-6) for item in maps]

    def _distance(self, maps: Sequence[Tensor], goals: Sequence[Tensor]) -> Tensor:
        views = self._views(maps)
        if views[0].shape != goals[0].shape:
            raise UserError(f"ScaleKDLoss expects maps of the shape of the teacher's last, {shape_of(goals[0])}, got "
                            f'{shape_of(views[0])}. Tap the last stage, and with tpp=True the last two.')
        return sum(weight * (view - goal).square().sum() / len(goal)
                   for weight, view, goal in zip((self.beta, 1 - self.beta), views, goals, strict=False))

    def _check_count(self, role: str, count: int) -> None:
        if count != self.taps:
            raise UserError(f'ScaleKDLoss expects {self.taps} tap{"s" * (self.taps > 1)} of the {role} with '
                            f'tpp={self.taps == 2}, got {count}. Name the last two stages with tpp=True, and the last '
                            'with tpp=False.')


class _MapProjector(nn.Module):
    """A linear or convolutional projector with the call of a CAP."""

    def __init__(self, student_channels: int, teacher_channels: int, kind: str) -> None:
        super().__init__()
        self.layers = nn.Conv2d(student_channels, teacher_channels, 1) if kind == 'linear' else nn.Sequential(
            nn.Conv2d(student_channels, teacher_channels, 3, padding=1, bias=False), nn.BatchNorm2d(teacher_channels),
            nn.ReLU(inplace=True), nn.Conv2d(teacher_channels, teacher_channels, 3, padding=1))

    def forward(self, student: Tensor, queries: None, size: Sequence[int]) -> Tensor:
        if not autocast_is_on(student.device.type):
            student = student.to(next(self.parameters()).dtype)
        return self.layers(resized(student, size))


def _as_list(value: object, nested: bool = False) -> list:
    single = isinstance(value[0], int) if nested else isinstance(value, int)
    return [value] if single else list(value)
