"""Runs the losses beside their authors' code, from clones of the authors' repositories, and prints the differences."""
import argparse
import ast
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, Union
from unittest.mock import patch

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import constant_init, kaiming_init
from mmengine.structures import InstanceData
from mmkd import losses
from torch import Tensor, nn

from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors

EPILOG = """\
Nothing of the authors' is copied: the functions are taken from the files of the clones, and run as they stand there.
Read them first. Clone what you want to compare, each repository under its own name:

  git clone https://github.com/Hao840/vanillaKD AUTHORS/vanillaKD

All is float64 on the CPU, with random inputs of a fixed seed. The figures are the largest relative difference of the
loss and of its gradient with respect to the student's tensors, and the parameters of FGD and MGD.

examples:
  python tools/misc/compare_with_authors.py AUTHORS
  python tools/misc/compare_with_authors.py AUTHORS --methods KD DKD"""
ROUNDING = 1e-12  # share of the largest gradient below which one is zero but for rounding
Trained = tuple[Tensor, list[Tensor]]  # a loss and its parameters
LOGITS, MAPS, FEATURES = 'logits', 'maps', 'features'


class Comparison(NamedTuple):
    """One row of the table.

    Args:
        repository: GitHub's name of it; the clone has the last part of it.
        file: Where in it the code is.
        names: What is taken from the file.
        inputs: ``'logits'``, ``'maps'`` or ``'features'``.
        theirs: Gets the names and the student's, teacher's and target's tensors, and returns the authors' loss, or it
            and its parameters.
        ours: The same of ours, without the names, and the parameters in the order of theirs.
    """
    repository: str
    file: str
    names: tuple[str, ...]
    inputs: str
    theirs: Callable[..., Tensor | Trained]
    ours: Callable[..., Tensor | Trained]


def _one_hot(target: Tensor, like: Tensor) -> Tensor:
    return F.one_hot(target, like.shape[1]).to(like.dtype)


def _their_views(code: SimpleNamespace, student: Tensor, teacher: Tensor) -> Tensor:
    """ScaleKD's two views of a map; the code expects the student's as tokens (N, H·W, C)."""
    loss, tokens = SimpleNamespace(alpha=(0.08, 0.06)), student.flatten(2).transpose(1, 2)
    kind = code.FreqMaskingDistillLoss
    return kind.get_spat_loss(loss, tokens, teacher) + kind.get_freq_loss(loss, tokens, teacher)


def _our_views(student: Tensor, teacher: Tensor) -> Tensor:
    """ScaleKDLoss behind a projector that changes nothing."""
    width, size = student.shape[1], tuple(student.shape[2:])
    loss = losses.ScaleKDLoss(width, width, size, size, projector='linear', tpp=False, beta=4 / 7).to(student.dtype)
    for (projector, ) in (group.children() for group in loss.projectors[0]):
        nn.init.dirac_(projector.weight)
        nn.init.zeros_(projector.bias)
    return 0.14 * loss(student, teacher)


BOXES = ([[3., 5., 17., 40.], [10., 2., 47., 30.], [9., 9., 9., 9.]], [[0., 0., 48., 48.]], [], [[20., 20., 30., 26.]])
IMAGE = (48, 48)  # of which the boxes are, without padding


def _fgd_boxes() -> list[Tensor]:
    return [torch.tensor(boxes).reshape(-1, 4) for boxes in BOXES]


def _their_fgd(code: SimpleNamespace, student: Tensor, teacher: Tensor) -> Trained:
    loss = code.FeatureLoss(student.shape[1], teacher.shape[1], '')
    parameters = _filled(loss)
    return loss(student, teacher, _fgd_boxes(), [dict(img_shape=IMAGE)] * len(student)), parameters


def _our_fgd(student: Tensor, teacher: Tensor) -> Trained:
    from mmdet.structures import DetDataSample
    loss, like = losses.FGDLoss(teacher.shape[1]), nn.ModuleList()
    for part in ('mask', 'transform'):  # in the order of theirs
        like.extend(getattr(side[0], part) for side in (loss.student_relations, loss.teacher_relations))
    parameters = _filled(like)
    samples = [DetDataSample(metainfo=dict(batch_input_shape=IMAGE), gt_instances=InstanceData(bboxes=boxes))
               for boxes in _fgd_boxes()]
    return loss(student, teacher, data_samples=samples), parameters


def _filled(module: nn.Module) -> list[Tensor]:
    """The same random weights for theirs and ours, as both begin with zeros where it matters."""
    generator = torch.Generator().manual_seed(1)
    return [nn.init.normal_(parameter, generator=generator) for parameter in module.parameters()]


def _their_mgd(code: SimpleNamespace, student: Tensor, teacher: Tensor) -> Trained:
    loss = code.FeatureLoss(student.shape[1], teacher.shape[1], '', 1.0)
    parameters = _filled(loss)
    torch.manual_seed(2)
    return loss(student, teacher), parameters


def _our_mgd(student: Tensor, teacher: Tensor) -> Trained:
    """They mask where a draw is above 1 - 0.65, ours where it is below 0.65: ours gets their draws from 1."""
    loss, draw = losses.MGDLoss(teacher.shape[1], 'spatial', 0.65), torch.rand
    parameters = _filled(loss)
    torch.manual_seed(2)
    with patch('torch.rand', lambda *args, **kwargs: 1 - draw(*args, **kwargs)):
        return loss(student, teacher), parameters


def _with_features(loss: nn.Module, student: Tensor, teacher: Tensor) -> Tensor:
    return loss(None, None, feature_student=[student], feature_teacher=[teacher])


COMPARISONS = {
    'KD, T 4': Comparison(
        'Hao840/vanillaKD', 'losses/kd.py', ('KLDiv', ), LOGITS,
        lambda code, s, t, y: code.KLDiv(4.0)(s, t), lambda s, t, y: losses.KDLoss(4.0)(s, t)),
    'BinaryKD, mean': Comparison(  # theirs is the cross entropy, ours the divergence: the teacher's entropy less
        'Hao840/vanillaKD', 'losses/bkd.py', ('BinaryKLDiv', ), LOGITS,
        lambda code, s, t, y: code.BinaryKLDiv()(s, t) - F.binary_cross_entropy(t.softmax(1), t.softmax(1)),
        lambda s, t, y: losses.BinaryKDLoss('mean')(s, t)),
    'NKD, T 1, gamma 1.5': Comparison(
        'yzd-v/cls_KD', 'mmcls/models/dis_losses/nkd.py', ('NKDLoss', ), LOGITS,
        lambda code, s, t, y: code.NKDLoss('', True)(s, t, y), lambda s, t, y: losses.NKDLoss()(s, t, y)),
    'NKD, T 2, gamma 1': Comparison(
        'yzd-v/cls_KD', 'mmcls/models/dis_losses/nkd.py', ('NKDLoss', ), LOGITS,
        lambda code, s, t, y: code.NKDLoss('', True, 2.0, 1.0)(s, t, y),
        lambda s, t, y: losses.NKDLoss(2.0, 1.0)(s, t, y)),
    'DKD, beta 8, T 4': Comparison(
        'megvii-research/mdistiller', 'mdistiller/distillers/DKD.py',
        ('dkd_loss', '_get_gt_mask', '_get_other_mask', 'cat_mask'), LOGITS,
        lambda code, s, t, y: code.dkd_loss(s, t, y, 1.0, 8.0, 4.0),
        lambda s, t, y: losses.DKDLoss(1.0, 8.0, 4.0)(s, t, y)),
    'DIST, beta 2, gamma 3, T 4': Comparison(
        'hunto/image_classification_sota', 'lib/models/losses/dist_kd.py',
        ('cosine_similarity', 'pearson_correlation', 'inter_class_relation', 'intra_class_relation', 'DIST'), LOGITS,
        lambda code, s, t, y: code.DIST(2.0, 3.0, 4.0)(s, t), lambda s, t, y: losses.DISTLoss(2.0, 3.0, 4.0)(s, t)),
    'OFA, exponent 1.5': Comparison(
        'Hao840/OFAKD', 'distillers/ofa.py', ('ofa_loss', ), LOGITS,
        lambda code, s, t, y: code.ofa_loss(s, t, _one_hot(y, s), 1.5),
        lambda s, t, y: losses.OFALoss(1.5)(s, t, y)),
    'AT': Comparison(
        'megvii-research/mdistiller', 'mdistiller/distillers/AT.py', ('single_stage_at_loss', ), MAPS,
        lambda code, s, t, y: code.single_stage_at_loss(s, t, 2), lambda s, t, y: losses.ATLoss()(s, t)),
    'ReviewKD, the loss': Comparison(
        'megvii-research/mdistiller', 'mdistiller/distillers/ReviewKD.py', ('hcl_loss', ), MAPS,
        lambda code, s, t, y: code.hcl_loss([s], [t]), lambda s, t, y: losses.ReviewKDLoss()(s, t)),
    'CWD, T 4': Comparison(
        'irfanICMLL/TorchDistiller', 'SemSeg-distill/utils/criterion.py', ('ChannelNorm', 'CriterionCWD'), MAPS,
        lambda code, s, t, y: code.CriterionCWD('channel', 'kl', 4.0)(s, t), lambda s, t, y: losses.CWDLoss()(s, t)),
    'CWD, T 1': Comparison(
        'open-mmlab/mmrazor', 'mmrazor/models/losses/cwd.py', ('ChannelWiseDivergence', ), MAPS,
        lambda code, s, t, y: code.ChannelWiseDivergence(1.0)(s, t), lambda s, t, y: losses.CWDLoss(1.0)(s, t)),
    'PKD, two levels': Comparison(
        'open-mmlab/mmrazor', 'mmrazor/models/losses/pkd_loss.py', ('PKDLoss', ), MAPS,
        lambda code, s, t, y: code.PKDLoss()((s, s[..., :3, :3]), (t, t)),
        lambda s, t, y: losses.PKDLoss()([s, s[..., :3, :3]], [t, t])),
    'FGD': Comparison(
        'yzd-v/FGD', 'mmdet/distillation/losses/fgd.py', ('FeatureLoss', ), MAPS,
        lambda code, s, t, y: _their_fgd(code, s, t), lambda s, t, y: _our_fgd(s, t)),
    'MGD, positions': Comparison(
        'yzd-v/MGD', 'det/mmdet/distillation/losses/mgd.py', ('FeatureLoss', ), MAPS,
        lambda code, s, t, y: _their_mgd(code, s, t), lambda s, t, y: _our_mgd(s, t)),
    'RKD': Comparison(
        'Hao840/vanillaKD', 'losses/rkd.py', ('_pdist', 'RKD'), FEATURES,
        lambda code, s, t, y: _with_features(code.RKD(), s, t), lambda s, t, y: losses.RKDLoss()(s, t)),
    'ScaleKD, DFM': Comparison(
        'deep-optimization/ScaleKD', 'mmcls/models/dis_losses/fmd.py', ('FreqMaskingDistillLoss', 'DCT'), MAPS,
        lambda code, s, t, y: _their_views(code, s, t), lambda s, t, y: _our_views(s, t)),
}


def taken_from(path: Path, names: tuple[str, ...]) -> SimpleNamespace:
    """Runs the named functions and classes of a file, without its imports and its decorators.

    Raises:
        UserError: The file or a name is not there.
    """
    if not path.is_file():
        raise UserError(f"{path} expects to be a file of the authors', but it is not there. Clone the repository, see "
                        '--help.')
    nodes = [node for node in ast.parse(path.read_text(encoding='utf-8')).body
             if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names]
    missing = set(names) - {node.name for node in nodes}
    if missing:
        raise UserError(f'{path} expects {", ".join(sorted(missing))}, which it has not. Check the commit.')
    for node in nodes:
        node.decorator_list = []
    space = dict(torch=torch, nn=nn, F=F, np=np, math=math, Tuple=tuple, Union=Union, kaiming_init=kaiming_init,
                 constant_init=constant_init)
    exec(compile(ast.Module(nodes, []), str(path), 'exec'), space)
    return SimpleNamespace(**{name: space[name] for name in names})


def inputs_of(kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """Random tensors of student and teacher, and labels; the same ones in every call."""
    generator = torch.Generator().manual_seed(0)
    shape = {LOGITS: (16, 10), MAPS: (4, 8, 6, 6), FEATURES: (16, 12)}[kind]
    student, teacher = torch.randn(2, *shape, generator=generator, dtype=torch.float64) * 3
    return student.requires_grad_(), teacher, torch.randint(10, shape[:1], generator=generator)


def differences(row: Comparison, clones: Path) -> tuple[float, float]:
    """The largest relative difference of a loss and of its gradients."""
    code = taken_from(clones / row.repository.partition('/')[2] / row.file, row.names)
    student, teacher, target = inputs_of(row.inputs)
    results = row.theirs(code, student, teacher, target), row.ours(student, teacher, target)
    (theirs, their_own), (ours, our_own) = (each if isinstance(each, tuple) else (each, []) for each in results)
    gradients = zip(torch.autograd.grad(theirs, [student, *their_own]), torch.autograd.grad(ours, [student, *our_own]),
                    strict=True)
    return _difference(ours, theirs), _largest([(our, their) for their, our in gradients])


def _largest(gradients: list[tuple[Tensor, Tensor]]) -> float:
    """The largest difference of ours from theirs, relative to each tensor, but for those of nothing but rounding."""
    whole = max(their.abs().max() for _, their in gradients)
    return max(_difference(our, their, whole if their.abs().max() < ROUNDING * whole else None)
               for our, their in gradients)


def _difference(ours: Tensor, theirs: Tensor, scale: Tensor | None = None) -> float:
    return ((ours - theirs).abs().max() / (theirs.abs().max() if scale is None else scale)).item()


def commit_of(clone: Path) -> str:
    """The commit that a clone is at."""
    result = subprocess.run(['git', '-C', str(clone), 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True)
    return result.stdout.strip() or 'unknown'


@one_line_errors
def main() -> None:
    """Runs the tool."""
    parser = ToolParser(description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('clones', type=Path, help='folder with the clones')
    parser.add_argument('--methods', nargs='+', metavar='NAME', help='only those that begin so, such as KD or DKD')
    args = parser.parse_args()
    torch.set_default_dtype(torch.float64)  # theirs build matrices of the default type
    print('| method | code | loss | gradient |\n| --- | --- | ---: | ---: |')
    for name, row in COMPARISONS.items():
        if args.methods and not any(name.startswith(method) for method in args.methods):
            continue
        loss, gradient = differences(row, args.clones)
        commit = commit_of(args.clones / row.repository.partition('/')[2])
        print(f'| {name} | {row.repository} at {commit}, `{row.file}` | {loss:.1e} | {gradient:.1e} |')


if __name__ == '__main__':
    main()
