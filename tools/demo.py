"""Shows in under a minute what distillation does, on digits and without a GPU or a download.

Two models come along: a teacher and a student that was distilled. Both look at digits. Then a new student is trained
twice from the same initial weights, on the same 50 images: alone, and distilled from the teacher. The accuracies on
500 other digits are printed as they come out, and drawn.
"""
import argparse
import sys
from pathlib import Path

from mmkd.utils import UserError
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tables import text_table
from mmkd.utils.files.small import lock_folder, read_json, write_json

MARK, PICTURE = 'demo.json', 'demo.png'
SHOWN = 8  # digits in the picture
TEACHER, STUDENT = 'teacher that comes along', 'student that comes along'
NEW = dict(alone='new student, alone', distilled='new student, distilled')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'),
                        help='folder for demo.png and demo.json (default: %(default)s)')
    parser.add_argument('--seconds', type=float, default=30., metavar='S',
                        help='time for both trainings; slow machines make fewer steps in it (default: %(default)g)')
    parser.add_argument('--seed', type=int, default=0,
                        help='decides the 50 images, the initial weights and the augmentation (default: %(default)s)')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: %(default)s)')
    args = parser.parse_args(argv)
    if not 0 < args.seconds < float('inf'):
        parser.error(f'--seconds expects more than 0, got {args.seconds}.')
    if args.seed < 0:
        parser.error(f'--seed expects 0 or more, got {args.seed}.')
    return args


def check_folder(out: Path) -> None:
    """Refuses a folder that holds anything but an earlier demo.

    Raises:
        UserError: It does, or is a file.
    """
    if out.exists() and (not out.is_dir() or ({path.name for path in out.iterdir()} - {'.lock'}
                                               and 'demo' not in read_json(out / MARK))):
        raise UserError(f'--out expects a new or empty folder, or one of an earlier demo, got {out}. Name another one.')


def draw_digits(seed: int, device: str) -> tuple:
    """Draws 50 digits to learn from and the 500 that are held out, as ``mmkd digits`` does."""
    sys.path.append(str(Path(__file__).parent / 'dataset_converters'))
    import numpy as np
    import torch
    from digits import Settings, few_digits, load_digits
    from digits_drawing import draw_image

    from mmkd.experiments.demo.training import Digits
    settings = Settings()
    digits = load_digits(settings)

    def pictures(indices: np.ndarray) -> Digits:
        images = [draw_image(settings.rng('image', index), digits.images[index]) for index in indices.tolist()]
        pixels = torch.from_numpy(np.rint(255 * np.stack(images))).float().permute(0, 3, 1, 2).contiguous()
        return Digits(pixels.to(device), torch.from_numpy(digits.labels[indices]).long().to(device))

    return pictures(few_digits(digits, settings, seed)), pictures(digits.splits['val'])


def check_device(name: str) -> None:
    """Tries the device.

    Raises:
        UserError: It cannot be used.
    """
    import torch
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f'--device expects a device that PyTorch can use here, got {name!r}. Leave it out for the '
                        'CPU.') from error


def run(args: argparse.Namespace) -> None:
    """Shows the two models, trains two more, and shows those."""
    print('Loading PyTorch and the two models ...', flush=True)
    import torch
    from mmengine.logging import MMLogger
    from tqdm import tqdm

    from mmkd.experiments.demo import training, weights
    MMLogger.get_instance('demo', log_level='ERROR')  # initial weights would be listed
    torch.set_num_threads(1)  # with models this small, several threads mostly wait for each other
    check_device(args.device)
    few, held_out = draw_digits(args.seed, args.device)
    distiller = training.build_distiller(weights.shipped(weights.TEACHER), args.seed, args.device)
    initial = {name: tensor.clone() for name, tensor in distiller.state_dict().items()}
    scores = {TEACHER: training.predict(distiller.teachers['teacher'].model, held_out.pixels)}
    weights.load_shipped(distiller.student, weights.STUDENT)
    scores[STUDENT] = training.predict(distiller.student, held_out.pixels)
    distiller.load_state_dict(initial)
    show(args, held_out, scores, 0)
    steps = training.affordable_steps(distiller, few, args.seconds)
    print(f'Training a new student twice, alone and distilled: the same initial weights, the same {len(few.labels)} '
          f'images, {steps} steps each ...', flush=True)
    if steps < training.MOST:
        print(f'In {args.seconds:g} s this machine makes no more of them. With a larger --seconds it makes up to '
              f'{training.MOST}; after few steps both know little.', flush=True)
    with tqdm(total=2 * steps, disable=None, leave=False, unit='step',
              bar_format='{percentage:3.0f}% |{bar:20}| {desc} {elapsed}, about {remaining} left') as bar:
        new = training.compare(distiller, few, held_out, steps, args.seed, bar.update)
    show(args, held_out, scores | {NEW[kind]: score for kind, score in new.items()}, steps)


def show(args: argparse.Namespace, held_out: object, scores: dict, steps: int) -> None:
    """Prints the accuracies, and writes them and the picture.

    Args:
        args: The command line.
        held_out: The digits that no model has seen.
        scores: Name of each model to its probabilities.
        steps: Of the new students; 0 before there are any.
    """
    import torch

    from mmkd.experiments.demo.picture import draw
    from mmkd.experiments.demo.training import top1
    found = {name: round(top1(score, held_out.labels), 1) for name, score in scores.items()}
    rows = [(name, f'{value:.1f}') for name, value in found.items()]
    title, note = 'Two models that come along', 'The students have five labelled images a class, the teacher 130.'
    if steps:
        gain = found[NEW['distilled']] - found[NEW['alone']]
        rows.append(('gain by distillation', f'{gain:+.1f}'))
        title = f'Distillation: {gain:+.1f} points of top-1 after {steps} steps (seed {args.seed})'
    print(f'\n{text_table((f"{len(held_out.labels)} digits held out", "top-1 (%)"), rows, rule=True)}\n', flush=True)
    chosen = torch.randperm(len(held_out.labels), generator=torch.Generator().manual_seed(args.seed))[:SHOWN]
    write_json(args.out / MARK, dict(demo=1, seed=args.seed, steps=steps, top1=found))
    draw(args.out / PICTURE, held_out.pixels[chosen.to(held_out.pixels.device)].cpu(), held_out.labels.cpu()[chosen],
         {name: score[chosen] for name, score in scores.items()}, found, title, note)


def next_steps(out: Path) -> str:
    """What one may type next; only commands that there are."""
    from mmkd.cli import COMMANDS
    lines = [('mmkd quickstart', 'the whole way, with a detector and a segmentor')]
    if 'distill' in COMMANDS:
        lines.append(('mmkd distill --student convnest-atto --teacher timm:convnext_small --data FOLDER --out RUN',
                      'your own images'))
    width = max(len(command) for command, _ in lines)
    rows = [f'  {command:<{width}}  {what}' for command, what in lines]
    return '\n'.join([f'Picture: {out / PICTURE}. Next:', *rows])


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    check_folder(args.out)
    with lock_folder(args.out):
        run(args)
    print(next_steps(args.out), flush=True)


if __name__ == '__main__':
    sys.exit(main())
