"""Measures what ScaleKD's loss adds to a training step, beside a plain formulation of the same equations."""
import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import mmkd  # noqa: F401
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS as ROOT_MODELS
from torch import Tensor, nn
from tqdm import tqdm

from mmkd.benchmarks.timing import peak_bytes, seconds
from mmkd.connectors import CrossAttentionConnector
from mmkd.distillers.parts import last_stage
from mmkd.losses import ScaleKDLoss
from mmkd.utils.command_line.cli import ToolParser, one_line_errors

# Student and teacher maps of stages 3 and 4 at 224×224, the CAPs' heads, and the teacher's width and heads.
PAIRS = dict(
    resnet18_swin_tiny=dict(student=[(256, 14), (512, 7)], teacher=[(384, 14), (768, 7)], heads=[8, 12],
                            embed_dims=96, num_heads=[3, 6, 12, 24]),
    resnet50_swin_large=dict(student=[(1024, 14), (2048, 7)], teacher=[(768, 14), (1536, 7)], heads=[16, 24],
                             embed_dims=192, num_heads=[6, 12, 24, 48]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} Both get the same random maps, weights and Swin teacher, and run forward and backward '
        'in turn, round after round. The plain one repeats the queries, keeps the attention matrix, builds matrices '
        'of the cosine transform at each call, and runs the two views one after the other. Memory is the peak above '
        'weights, their gradients and the given maps, as PyTorch allocates it. Time '
        "is the clock's on a GPU, the processor's on a CPU, so that other jobs there count less.")
    parser.add_argument('--pair', choices=PAIRS, default='resnet18_swin_tiny')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--rounds', type=int, default=5, help='rounds to take the median of (default: 5)')
    parser.add_argument('--amp', choices=('bf16', 'fp16'), help='run mmkd under autocast; the plain one stays in fp32')
    parser.add_argument('--with-cp', action='store_true', help='let mmkd compute activations again')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    return parser.parse_args(argv)


class PlainConnector(CrossAttentionConnector):
    """The same projection, one operation after the other."""

    def forward(self, student: Tensor, queries: Tensor | None = None, size: Sequence[int] | None = None) -> Tensor:
        """Projects one student map; see the base class for shapes."""
        queries = self.queries.repeat(len(student), 1, 1, 1) if queries is None else queries
        keys, values = self._heads(self.key_value(self._student_tokens(student))).chunk(2, dim=1)
        query = self._heads(self.query(queries.flatten(2).transpose(1, 2)))
        attention = (query @ keys.transpose(2, 3) * self.scale).softmax(dim=3)  # (N, heads, H·W, h·w)
        out = self.norm(self.proj((attention @ values).transpose(1, 2).flatten(2)))
        return (out + self.ffn(out)).transpose(1, 2).unflatten(2, queries.shape[2:])


class PlainScaleKD(ScaleKDLoss):
    """The same loss as its equations are printed, with the cosine transform of Eq. 2."""

    def forward(self, student: list[Tensor], teacher: list[Tensor], target: Tensor | None = None) -> Tensor:
        """Computes the loss; see the base class for shapes."""
        proxies = [self._last_stage(project(student[0])) for project in self.projectors[0]]
        outputs = [project(student[1], proxy) for project, proxy in zip(self.projectors[1], proxies, strict=True)]
        return self._both_views(proxies, teacher[1]) + self._both_views(outputs, teacher[1])

    def _both_views(self, maps: list[Tensor], goal: Tensor) -> Tensor:
        first = _distance(maps[0], goal)
        return self.beta * first + (1 - self.beta) * _distance(without_direct_component(maps[1]),
                                                               without_direct_component(goal))


def _distance(maps: Tensor, goal: Tensor) -> Tensor:
    return F.mse_loss(F.normalize(maps, dim=1), F.normalize(goal, dim=1), reduction='sum') / len(maps)


def without_direct_component(maps: Tensor) -> Tensor:
    """Transforms maps (N, C, H, W), sets the coefficient of frequency zero to zero, and transforms them back."""
    rows, columns = (cosine_transform(size, maps) for size in maps.shape[2:])
    spectrum = rows @ maps @ columns.T
    spectrum[:, :, 0, 0] = 0
    return rows.T @ spectrum @ columns


def cosine_transform(size: int, like: Tensor) -> Tensor:
    """The orthonormal DCT-II, as a matrix (size, size)."""
    n = torch.arange(size, dtype=like.dtype, device=like.device)
    matrix = torch.cos(torch.pi * n[:, None] * (2 * n + 1) / (2 * size)) * (2 / size)**0.5
    matrix[0] /= 2**0.5
    return matrix


def build(pair: dict, device: str) -> dict[str, ScaleKDLoss]:
    """Both losses with the same weights and the same teacher.

    Args:
        pair: An entry of ``PAIRS``.
        device: Where to put them.

    Returns:
        ``plain`` and ``mmkd``.
    """
    arch = dict(embed_dims=pair['embed_dims'], depths=[1, 1, 1, 2], num_heads=pair['num_heads'])
    teacher = ROOT_MODELS.build(dict(type='mmpretrain.ImageClassifier',
                                     backbone=dict(type='mmpretrain.SwinTransformer', img_size=224, arch=arch)))
    function = last_stage(teacher.to(device).eval().requires_grad_(False))
    losses = {}
    for name, kind in (('plain', PlainScaleKD), ('mmkd', ScaleKDLoss)):
        loss = kind(*([c for c, _ in pair[role]] for role in ('student', 'teacher')),
                    *([(side, side) for _, side in pair[role]] for role in ('student', 'teacher')),
                    num_heads=pair['heads'])
        loss.bind(function)
        losses[name] = loss.to(device)
    for connector in losses['plain'].projectors.modules():
        if isinstance(connector, CrossAttentionConnector):
            connector.__class__ = PlainConnector
    losses['plain'].load_state_dict(losses['mmkd'].state_dict())
    return losses


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    pair = PAIRS[args.pair]
    losses = build(pair, args.device)
    losses['mmkd'].with_cp = args.with_cp
    maps = {role: [torch.randn(args.batch_size, c, side, side, device=args.device, requires_grad=role == 'student')
                   for c, side in pair[role]] for role in ('student', 'teacher')}
    dtype = dict(bf16=torch.bfloat16, fp16=torch.float16).get(args.amp)

    def forward(name: str) -> Tensor:
        with torch.autocast(args.device.split(':')[0], dtype, enabled=name == 'mmkd' and dtype is not None):
            return losses[name](maps['student'], maps['teacher'])

    print(f'{args.pair}, {args.batch_size} images on {args.device}, medians of {args.rounds} rounds')
    report(measure(losses, forward, args.rounds, args.device))


def measure(losses: dict[str, nn.Module], forward: Callable[[str], Tensor], rounds: int,
            device: str) -> dict[str, dict[str, float]]:
    """Runs both in turn.

    Args:
        losses: What :func:`build` returned.
        forward: Computes the loss of a name.
        rounds: Rounds after one to warm up.
        device: Where they run.

    Returns:
        Name to median ``seconds``, ``bytes`` and ``value`` of the loss.
    """
    times: dict[str, list[float]] = {name: [] for name in losses}
    results = {}
    clock = time.perf_counter if device.startswith('cuda') else time.process_time
    for _ in tqdm(range(rounds + 1), desc='rounds', file=sys.stderr):
        for name in losses:
            times[name].append(seconds(lambda name=name: forward(name).backward(), device, clock))
    for name in losses:
        results[name] = dict(seconds=statistics.median(times[name][1:]), value=float(forward(name).detach()),
                             bytes=peak_bytes(lambda name=name: forward(name).backward(), device))
    return results


def report(results: dict[str, dict[str, float]]) -> None:
    """Prints the results side by side."""
    for name, row in results.items():
        print(f'  {name:<6} {1000 * row["seconds"]:9.1f} ms {row["bytes"] / 2**20:9.1f} MiB   loss {row["value"]:.5f}')
    plain, ours = results['plain'], results['mmkd']
    print(f'  mmkd / plain: time {ours["seconds"] / plain["seconds"]:.2f}, '
          f'memory {ours["bytes"] / plain["bytes"]:.2f}')


if __name__ == '__main__':
    sys.exit(main())
