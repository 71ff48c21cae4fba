"""Measures what mmkd takes to start: the command's help, importing it, loading recipes, listing models."""
import argparse
import os
import statistics
import subprocess
import sys

from tqdm import tqdm

from mmkd.utils.command_line.cli import ToolParser, one_line_errors

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
    return parser.parse_args(argv)


def snippet_seconds(before: str, snippet: str) -> float:
    """Seconds of a snippet in a fresh Python, after what comes before it."""
    result = subprocess.run([sys.executable, '-W', 'ignore', '-c', TIMED.format(before, snippet)], check=True,
                            capture_output=True, text=True, env=os.environ)
    return float(result.stdout.split()[-1])


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
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
