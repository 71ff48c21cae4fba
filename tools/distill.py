"""Distils a student from a teacher with your own pictures: one call, and an ordinary config of it."""
import argparse
import shlex
import sys
from typing import Any

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)

from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.command_line.tables import text_table
from mmkd.utils.command_line.trackers import TRACKERS

EPILOG = """\
student and teacher: timm:NAME, hf:NAME, a name that `mmkd zoo list` shows, or a config.
data: a folder with a subfolder a class (a share is set aside to validate on), with train/ and val/ of such subfolders,
or of pictures without classes; or the config of a data set (train_dataloader, val_dataloader, val_evaluator).

examples:
  mmkd distill --student timm:resnet18 --teacher timm:resnet50 --data pictures --out work_dirs/pictures
  mmkd distill --student convnest-atto --teacher teacher.py --teacher-checkpoint teacher.pth --data pictures \\
      --method nkd --epochs 50 --out work_dirs/nkd
  mmkd distill --student timm:resnet18 --teacher timm:vit_small_patch14_dinov2.lvd142m --data photos --no-labels \\
      --out work_dirs/photos
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--student', required=True, help='the model to train; it gets the classes of the data')
    parser.add_argument('--teacher', required=True, help='the model to learn from')
    parser.add_argument('--teacher-checkpoint', metavar='FILE',
                        help='weights of the teacher, in place of published ones')
    parser.add_argument('--data', required=True, help='a folder of pictures, or the config of a data set')
    parser.add_argument('--out', required=True, help='a new folder for the config, checkpoints and the student')
    parser.add_argument('--method', metavar='NAME', help='a recipe of configs/quickstart/methods (default: nkd if the '
                        "teacher has the student's classes, else fd)")
    parser.add_argument('--epochs', type=int, default=100, help='(default: %(default)s)')
    parser.add_argument('--labelled', metavar='FOLDER', help='pictures with classes; where the data have none, a k-NN '
                        'classifier on them validates the features')
    parser.add_argument('--no-labels', action='store_true', help='subfolders of the data are no classes')
    parser.add_argument('--val-share', type=float, default=0.2, help='share of the pictures to validate on, where '
                        'there is no folder for it (default: %(default)s)')
    parser.add_argument('--corrupt', choices=['refuse', 'skip'], default='refuse',
                        help='what becomes of damaged pictures (default: %(default)s)')
    parser.add_argument('--size', type=int, default=224, help='side of the images (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, help='images a step (default: fits their number, up to 64)')
    parser.add_argument('--lr', type=float, help='learning rate of AdamW (default: follows the batch size)')
    parser.add_argument('--seed', type=int, default=0, help='(default: %(default)s)')
    parser.add_argument('--workers', type=int, help='processes that load images')
    parser.add_argument('--amp', action='store_true', default=None,
                        help='mixed precision (default: where there is a GPU)')
    parser.add_argument('--no-amp', dest='amp', action='store_false', help='full precision on a GPU, too')
    parser.add_argument('--no-augment', action='store_true', help='no random crops and flips')
    parser.add_argument('--from-scratch', action='store_true', help='the student starts without published weights')
    parser.add_argument('--resume', action='store_true', help='go on with the run in --out, with the same options')
    parser.add_argument('--config-only', action='store_true', help='write the config, and train nothing')
    parser.add_argument('--tracker', nargs='+', metavar='NAME', default=[],
                        choices=['tensorboard', 'wandb', 'mlflow', 'clearml', 'aim', 'dvclive', 'neptune'],
                        help=f'write what is logged to these as well: {", ".join(TRACKERS)}')
    parser.add_argument('--log', action='store_true', help="print MMEngine's log in place of a bar")
    parser.add_argument('--trust-checkpoint', action='store_true',
                        help='unpickle checkpoints that hold Python objects; may run code of their author')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries: model.task_weight=0.5')
    return parser.parse_args(argv)


def distilled(args: argparse.Namespace) -> Any:
    """Calls :func:`mmkd.distill` with the options."""
    from mmkd.apis import distill
    from mmkd.distillers.models import named_model
    teacher = args.teacher
    if args.teacher_checkpoint:
        teacher = named_model(teacher, 'teacher', pretrained=False) | dict(checkpoint=args.teacher_checkpoint)
    return distill(
        args.student, teacher, args.data, args.method, args.epochs, out=args.out, labelled=args.labelled,
        labels=not args.no_labels, val_share=args.val_share, corrupt=args.corrupt, size=args.size,
        batch_size=args.batch_size, lr=args.lr, seed=args.seed, workers=args.workers, amp=args.amp,
        augment=not args.no_augment, pretrained=not args.from_scratch, resume=args.resume,
        cfg_options=args.cfg_options, progress=not args.log, train_now=not args.config_only,
        trust_checkpoint=args.trust_checkpoint, trackers=args.tracker)


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    try:
        result = distilled(args)
    except KeyboardInterrupt:
        print('interrupted. The same command with --resume goes on from the last whole epoch.', file=sys.stderr)
        sys.exit(130)
    config = shlex.quote(f'{args.out}/config.py')
    if args.config_only:
        print(f'{config} is written. Train it: mmkd train {config}')
        return
    print(f'the student has {result.weights}')
    print(text_table(('figure', 'value'), [(name, f'{value:g}') for name, value in result.metrics.items()]))
    print(text_table(('what', 'where'), [(name, str(path)) for name, path in result.paths.items()]))
    print(f'next: mmkd train {config} --work-dir FOLDER     the same training, also on several GPUs\n'
          f'      mmkd export {shlex.quote(str(result.paths["checkpoint"]))} --config {config} --format onnx')


if __name__ == '__main__':
    sys.exit(main())
