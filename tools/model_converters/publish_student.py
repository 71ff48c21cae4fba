"""Turns a training checkpoint into a student-only file that mmpretrain, mmdet and mmseg load."""
import argparse
import sys
from pathlib import Path

from mmkd.utils import UserError
from mmkd.utils.checkpoints.files import sha256_of
from mmkd.utils.checkpoints.publishing import kept_meta, publish, student_weights
from mmkd.utils.checkpoints.reading import STUDENT_PREFIX, read_checkpoint
from mmkd.utils.checkpoints.weights import EMA, RAW, choose_weights, split_choice
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.zoo import load_safely_everywhere
from mmkd.zoo.hub import check_target, push, repository_files
from mmkd.zoo.timm_names import timm_backbone_weights

DISTILLED = 'It is the checkpoint of a distiller: the student is published; the terms are left out.'
PLAIN = ('It is the checkpoint of a plain model, such as a teacher or a student trained alone: the whole model is '
         'published, under the names that it has.')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} The keys are plain (backbone.*, head.*); optimizer, terms and log are left '
        'out. If the run kept an exponential moving average (EMA), the weights that it validated are taken: the '
        'average, unless its EMAHook says otherwise.',
        epilog="Use the file as init_cfg=dict(type='Pretrained', checkpoint=FILE, prefix='backbone.').")
    parser.add_argument('checkpoint', help='training checkpoint of a distiller or of a plain model; FILE#raw and '
                        'FILE#ema are as --raw and --ema')
    parser.add_argument('out', nargs='?', help='output name without hash, or a folder (default: student.pth beside the '
                        "input; in a folder, the input's name); the first 8 digits of the sha256 are added")
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--raw', action='store_true', help='take the weights of the last step, not their EMA')
    which.add_argument('--ema', action='store_true', help='take the average, also if the run validated the others')
    parser.add_argument('--timm-backbone', metavar='NAME',
                        help="of a timm student, publish the backbone alone, with names that mmdet's and mmseg's own "
                        'tools load into TIMMBackbone(model_name=NAME, features_only=True); leave the prefix out then')
    parser.add_argument('--push', metavar='hf://ORG/NAME[@REVISION]',
                        help='upload it to the Hugging Face hub as well: weights as safetensors, recipe and class '
                        'names as text, a model card; with the token of "hf auth login" or HF_TOKEN')
    parser.add_argument('--public', action='store_true',
                        help='a repository that --push makes can be seen by everybody (default: it is private)')
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle a checkpoint that holds Python objects; may run code of its author')
    args = parser.parse_args(argv)
    if args.public and not args.push:
        parser.error('--public expects --push beside it. Say where to: --push hf://ORG/NAME')
    return args


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    load_safely_everywhere(args.trust_checkpoint)
    target = check_target(args.push) if args.push else None
    name, choice = split_choice(args.checkpoint)
    source = Path(name)
    checkpoint = read_checkpoint(source)
    which = RAW if args.raw else EMA if args.ema else choice
    if args.raw and choose_weights(checkpoint, name, which).alone:
        raise UserError(f'--raw expects a checkpoint with EMA, but {name} has none. Leave the flag out.')
    weights, said = student_weights(checkpoint, name, which)
    if args.timm_backbone:
        weights = timm_backbone_weights(args.timm_backbone, weights)
    out = Path(args.out) if args.out else source.with_name('student.pth')
    if out.is_dir() or args.out and args.out.endswith('/'):
        out = out / f'{source.stem}.pth'
    final = publish(checkpoint, weights, out)
    size = sum(value.numel() * value.element_size() for value in weights.values())
    print(said)
    print(DISTILLED if _is_distiller(checkpoint) else PLAIN)
    if args.timm_backbone:
        print(f'Only its backbone is kept, as TIMMBackbone of {args.timm_backbone} names it.')
    print(f'{final}: {len(weights)} tensors, {size / 2**20:.1f} MiB, sha256 {sha256_of(final)}')
    if target is not None:
        kind = choose_weights(checkpoint, name, which).kind
        files = repository_files(target, weights, kept_meta(checkpoint), checkpoint, name, kind)
        print(f'{push(target, files, args.public)}: {", ".join(files)}')


def _is_distiller(checkpoint: dict) -> bool:
    return any(name.startswith(STUDENT_PREFIX) for name in choose_weights(checkpoint, '').tensors)


if __name__ == '__main__':
    sys.exit(main())
