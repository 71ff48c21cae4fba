"""Measures what mmkd takes to start: the command's help, importing it, loading recipes, listing models."""
import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.tool_paths import tools_folder

HELP = ('subprocess.run([sys.executable, "-c", "import mmkd_command; mmkd_command.main()", "--help"], '
        'stdout=subprocess.DEVNULL, check=True)')
PLAIN = 'import mmengine, mmpretrain'
LOAD = 'from mmkd.utils.configs.finding import load_config; load_config("{}")'
QUICKSTART = 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py'
SCALEKD = 'scale_kd/convnext-tiny_swin-large-scalekd_32xb64-300e_in1k.py'
UPERNET = 'quickstart/upernet_convnest-mini_digits.py'
SNIPPETS = {
    PLAIN: ('', PLAIN),
    'import mmkd': ('', 'import mmkd'),
    'import mmkd, mmengine, mmpretrain': ('', f'import mmkd; {PLAIN}'),
    'import mmkd after the others': (PLAIN, 'import mmkd'),
    'a recipe of the quick start': ('import mmkd', LOAD.format(QUICKSTART)),
    'a recipe of ScaleKD': ('import mmkd', LOAD.format(SCALEKD)),
    'a recipe of UperNet, which imports mmseg and mmdet': ('import mmkd', LOAD.format(UPERNET)),
    'the same after these': ('import mmkd, mmpretrain, mmdet.models, mmseg.models', LOAD.format(UPERNET)),
    'mmkd --help, with the start of Python': ('import subprocess, sys', HELP),
    'mmkd.list_models()': ('import mmkd', 'mmkd.list_models()'),
}
TIMED = 'import time\n{}\nstart = time.perf_counter()\n{}\nprint(time.perf_counter() - start)'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=f'{__doc__} Each runs in a process of its own; they take turns, round after round.')
    parser.add_argument('--rounds', type=int, default=7, help='rounds to take the median of (default: %(default)s)')
    parser.add_argument('--distill', type=int, metavar='EPOCHS', help='instead: mmkd distill for so many epochs beside '
                        'tools/train.py with the config that it wrote, on 200 drawn pictures')
    return parser.parse_args(argv)


def snippet_seconds(before: str, snippet: str) -> float:
    """Seconds of a snippet in a fresh Python, after what comes before it."""
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', TIMED.format(before, snippet)], check=True,
                            capture_output=True, text=True, env=os.environ)
    return float(result.stdout.split()[-1])


def tool_seconds(name: str, arguments: list[str], folder: str) -> tuple[float, float]:
    """Seconds that a tool takes by the clock, and those of processors."""
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, start = used(), time.perf_counter()
    tool = str((tools_folder() / name).resolve())
    subprocess.run([sys.executable, tool, *arguments], cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start, used() - before


def draw_pictures(folder: Path, count: int = 200) -> None:
    """Pictures of noise in four classes."""
    import numpy as np
    from PIL import Image
    draw = np.random.default_rng(0)
    for number in range(count):
        path = folder / f'class{number % 4}/{number}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (256, 256, 3), dtype=np.uint8)).save(path)


def time_distill(epochs: int, rounds: int) -> None:
    """Prints what mmkd distill takes beside tools/train.py with the same recipe; they take turns."""
    seconds: dict[str, list[tuple[float, float]]] = {'distill.py': [], 'train.py': []}
    with TemporaryDirectory() as folder:
        draw_pictures(Path(folder, 'pictures'))
        _write_teacher(folder)
        for round_ in tqdm(range(rounds), file=sys.stderr, leave=False, disable=None):
            out = f'out{round_}'
            seconds['distill.py'].append(tool_seconds('distill.py', [
                '--student', 'timm:resnet18', '--teacher', 'convnest-atto', '--teacher-checkpoint', 'teacher.pth',
                '--data', 'pictures', '--method', 'fd', '--epochs', str(epochs), '--from-scratch', '--out', out],
                folder))
            seconds['train.py'].append(tool_seconds('train.py', [f'{out}/config.py'], folder))
    for place, what in enumerate(('by the clock', 'of processors')):
        ours, plain = (statistics.median(times[place] for times in seconds[name]) for name in seconds)
        print(f'seconds {what}: mmkd distill {ours:.1f}, tools/train.py {plain:.1f}, ratio {ours / plain:.3f}, '
              f'more {ours - plain:+.1f}')


def _write_teacher(folder: str) -> None:
    """Random weights of a teacher."""
    make = ('import mmkd, torch; torch.save(dict(state_dict=mmkd.get_model("convnest-atto").state_dict()), '
            '"teacher.pth")')
    subprocess.run([sys.executable, '-c', make], cwd=folder, check=True)


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    if args.distill:
        time_distill(args.distill, args.rounds)
        return
    times: dict[str, list[float]] = {name: [] for name in SNIPPETS}
    for round_ in tqdm(range(args.rounds + 1), file=sys.stderr, leave=False, disable=None):
        for name, (before, snippet) in SNIPPETS.items():
            taken = snippet_seconds(before, snippet)
            if round_:  # the first fills the disk's cache
                times[name].append(taken)
    print(f'seconds, medians of {args.rounds} rounds')
    for name, values in times.items():
        print(f'{statistics.median(values):7.2f}  {name}')


if __name__ == '__main__':
    sys.exit(main())
