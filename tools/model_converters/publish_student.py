"""Turns a training checkpoint into a student-only file that mmpretrain, mmdet and mmseg load."""
import argparse
import hashlib
import os
import sys
from datetime import date
from pathlib import Path

import mmkd
import torch

from mmkd.utils import UserError
from mmkd.utils.checkpoint import STUDENT_PREFIX, read_checkpoint, weights_of
from mmkd.utils.cli import ToolParser, one_line_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} The keys are plain (backbone.*, head.*); optimizer, terms and log are left '
        'out. If the run kept an exponential moving average (EMA), the averaged weights are taken.',
        epilog="Use the file as init_cfg=dict(type='Pretrained', checkpoint=FILE, prefix='backbone.').")
    parser.add_argument('checkpoint', help='training checkpoint of a distiller or of a plain model')
    parser.add_argument('out', nargs='?', help='output name without hash (default: student.pth beside the input); '
                        'the first 8 digits of the sha256 are added')
    parser.add_argument('--raw', action='store_true', help='take the weights of the last step, not their EMA')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle a checkpoint that holds Python objects; may run code of its author')
    return parser.parse_args(argv)


def student_weights(checkpoint: dict, source: str, raw: bool = False) -> dict[str, torch.Tensor]:
    """Takes the student's weights out of a training checkpoint.

    MMEngine's EMAHook saves the average as ``state_dict`` and the weights of the last step as
    ``ema_state_dict``, so that testing a checkpoint tests the average.

    Args:
        checkpoint: A training checkpoint.
        source: Its path, for error messages.
        raw: Whether to take the weights of the last step.

    Returns:
        Plain mmpretrain names to contiguous tensors of their own memory.

    Raises:
        UserError: ``raw`` is asked of a checkpoint without EMA, or there are no tensors.
    """
    if raw:
        if 'ema_state_dict' not in checkpoint:
            raise UserError(f'--raw expects a checkpoint with EMA, but {source} has none. Leave the flag out.')
        state = checkpoint['ema_state_dict']
        checkpoint = {name: value for name, value in state.items() if name.startswith('module.')}
    weights = weights_of(checkpoint, source)
    if all(name.startswith('model.') for name in weights):  # a wrapped timm or Hugging Face model
        weights = {name.removeprefix('model.'): value for name, value in weights.items()}
    return {name: value.clone().contiguous() for name, value in weights.items()}


def publish(checkpoint: dict, weights: dict, out: Path) -> Path:
    """Writes the student with metadata, under a name that carries its hash.

    Args:
        checkpoint: The training checkpoint, for its metadata.
        weights: What :func:`student_weights` returned.
        out: Output path without hash.

    Returns:
        The file written.
    """
    meta = checkpoint.get('meta') or {}
    kept = {key: meta[key] for key in ('epoch', 'iter', 'dataset_meta', 'experiment_name', 'seed') if key in meta}
    kept |= dict(mmkd_version=mmkd.__version__, published=date.today().isoformat())
    temporary = out.with_name(f'.{out.name}.{os.getpid()}.tmp')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        torch.save(dict(meta=kept, state_dict=weights), temporary)
        digits = hashlib.sha256(temporary.read_bytes()).hexdigest()[:8]
        final = out.with_name(f'{out.stem}-{digits}{out.suffix or ".pth"}')
        temporary.replace(final)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise UserError(f'cannot write {out}: {error}.') from error
    finally:
        if temporary.exists():
            temporary.unlink()
    return final


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    source = Path(args.checkpoint)
    checkpoint = read_checkpoint(source, args.trust_checkpoint)
    weights = student_weights(checkpoint, args.checkpoint, args.raw)
    final = publish(checkpoint, weights, Path(args.out) if args.out else source.with_name('student.pth'))
    kind = 'distilled student' if _is_distiller(checkpoint) else 'model'
    size = sum(value.numel() * value.element_size() for value in weights.values())
    print(f'{final}: {kind}, {len(weights)} tensors, {size / 2**20:.1f} MiB')


def _is_distiller(checkpoint: dict) -> bool:
    return any(name.removeprefix('module.').startswith(STUDENT_PREFIX)
               for name in checkpoint.get('state_dict', checkpoint))


if __name__ == '__main__':
    sys.exit(main())
