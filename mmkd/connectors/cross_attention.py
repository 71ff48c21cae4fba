"""The cross-attention connector of ScaleKD."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.precision import autocast_is_on
from mmkd.utils.sizes import resized, scaled_size


@MODELS.register_module()
class CrossAttentionConnector(nn.Module):
    r"""Lets a grid of queries, laid out like the teacher's map, gather the student's map by cross-attention.

    .. math::
        Z &= \mathrm{ReLU}(\mathrm{BN}(\mathrm{conv}_{3×3}(S))) + P, \qquad Q = \mathrm{ReLU}(W q) \\
        A &= \mathrm{softmax}\big(\tau\, (Q W_q)(Z W_k)^T / \sqrt d\big)\, Z W_v \\
        N &= \mathrm{LN}(A W_o), \qquad Y = N + \mathrm{FFN}(N)

    with a position embedding P, learned queries q (or the ones that are given), and d channels a head. There is no
    shortcut around the attention. For maps of another size than the one it was built for, the position embedding is
    interpolated (bicubic), and so are the learned queries.

    Source: Fan et al., ScaleKD: Strong Vision Transformers Could Be Excellent Teachers, NeurIPS 2024,
    arXiv 2411.06786, Sec. 2.1 and Fig. 1 (a); what the paper leaves open (projections, norms, τ) as in the authors'
    code. Differs from it: the 3×3 convolution has no bias, which the batch norm would take away again; windows are
    not offered; other sizes of maps are.

    Args:
        student_channels: Width of the student's map. Inferred from the tap in a recipe.
        teacher_channels: Width of the teacher's map and of the queries. Inferred from the tap in a recipe.
        student_size: Height and width of the student's map. Inferred from the tap in a recipe.
        teacher_size: Height and width of the teacher's map: the grid of queries. Inferred from the tap in a recipe.
        num_heads: Attention heads; they divide ``teacher_channels``. The authors take 16 for 768 and 24 for 1536.
        softmax_scale: τ, an extra factor on the attention's logits. 5 in the authors' configs.
        learned_queries: Whether there are learned queries. Without, each call has to give some.

    Shapes: student (N, student_channels, h, w); queries (N, teacher_channels, H, W) or None. Returns
    (N, teacher_channels, H, W).

    Raises:
        UserError: The heads do not divide the width.
    """

    def __init__(self,
                 student_channels: int,
                 teacher_channels: int,
                 student_size: Sequence[int],
                 teacher_size: Sequence[int],
                 num_heads: int = 8,
                 softmax_scale: float = 5.0,
                 learned_queries: bool = True) -> None:
        super().__init__()
        if teacher_channels % num_heads:
            raise UserError(f'CrossAttentionConnector expects num_heads to divide teacher_channels={teacher_channels}, '
                            f'got {num_heads}. Give another number of heads.')
        self.num_heads = num_heads
        self.scale = softmax_scale * (teacher_channels // num_heads)**-0.5
        self.teacher_size = tuple(teacher_size)
        self.patchify = nn.Sequential(
            nn.Conv2d(student_channels, student_channels, 3, padding=1, bias=False), nn.BatchNorm2d(student_channels),
            nn.ReLU(inplace=True))
        self.position = nn.Parameter(torch.empty(1, student_channels, *student_size))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.queries = nn.Parameter(torch.randn(1, teacher_channels, *teacher_size)) if learned_queries else None
        width = teacher_channels
        self.query = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, width))
        self.key_value = nn.Linear(student_channels, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(inplace=True), nn.Linear(4 * width, width))

    def forward(self, student: Tensor, queries: Tensor | None = None, size: Sequence[int] | None = None) -> Tensor:
        """Projects one student map; see the class for shapes.

        Args:
            student: The student's map.
            queries: Queries in place of the learned ones.
            size: Height and width of the learned queries' grid. If None, it is to ``teacher_size`` as the student's
                map is to ``student_size``.

        Raises:
            UserError: There are no queries.
        """
        if not autocast_is_on(student.device.type):
            student = student.to(self.position.dtype)
        keys, values = self._heads(self.key_value(self._student_tokens(student))).chunk(2, dim=1)
        queries = self._queries(student, size) if queries is None else queries
        tokens = self._heads(self.query(queries.flatten(2).transpose(1, 2)))  # (N or 1, heads, H·W, d)
        out = F.scaled_dot_product_attention(tokens.expand(len(student), -1, -1, -1), keys, values, scale=self.scale)
        out = self.norm(self.proj(out.transpose(1, 2).flatten(2)))  # (N, H·W, C)
        return (out + self.ffn(out)).transpose(1, 2).unflatten(2, queries.shape[2:])

    def _student_tokens(self, student: Tensor) -> Tensor:
        maps = self.patchify(student) + resized(self.position, student.shape[2:], 'bicubic')
        return maps.flatten(2).transpose(1, 2)  # (N, h·w, C)

    def _queries(self, student: Tensor, size: Sequence[int] | None) -> Tensor:
        if self.queries is None:
            raise UserError('CrossAttentionConnector expects queries in each call, got none, and it was built with '
                            'learned_queries=False. Give queries, or build it with learned_queries=True.')
        if size is None:
            size = scaled_size(student.shape[2:], self.position.shape[2:], self.teacher_size)
        return resized(self.queries, size, 'bicubic')

    def _heads(self, tokens: Tensor) -> Tensor:
        width = self.norm.normalized_shape[0] // self.num_heads
        return tokens.unflatten(2, (-1, width)).transpose(1, 2)  # (N, heads, L, d)
