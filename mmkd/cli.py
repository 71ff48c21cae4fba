"""The command ``mmkd``: one word for each tool.

A tool runs as it does by its path, in the place of this process: with its own options, exit status and answer to
Ctrl-C. Nothing heavy is imported here, so that ``mmkd --help`` is quick.
"""
import os
import sys
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from mmkd.utils.command_line.cli import PROGRAM, one_line_errors
from mmkd.utils.command_line.tool_paths import tools_folder
from mmkd.utils.errors import nearest

USAGE = 'usage: mmkd [-h] [--version] COMMAND ...'


class Command(NamedTuple):
    """A tool behind a word.

    Args:
        tool: Its path below ``tools``, or the module of mmkd that has a command line.
        help: What it does, in one line.
        words: What may follow instead of an option or a file.
    """

    tool: str
    help: str
    words: tuple[str, ...] = ()


GROUPS = {
    'train and test': {
        'distill': Command('distill.py', 'a student from a teacher and your own pictures'),
        'train': Command('train.py', 'train any mmpretrain, mmdet, mmseg or mmkd config'),
        'test': Command('test.py', 'test a checkpoint'),
        'cache': Command('teacher_cache.py', "keep a teacher's answers, and train from them",
                         ('build', 'check', 'info')),
        'compare': Command('compare_methods.py', 'train one student by many methods, and compare the gains'),
        'tune': Command('tune.py', 'weights and temperatures of methods, with equal budgets'),
        'demo': Command('demo.py', 'two models on digits, and what distillation gains'),
        'quickstart': Command('quickstart.py', 'the main job from end to end on digits, without a GPU'),
    },
    'before a training': {
        'check': Command('analysis_tools/check_recipe.py', 'what is wrong with a recipe, and what it will cost'),
        'taps': Command('analysis_tools/show_taps.py', 'the terms of a recipe, the taps of a model, their shapes'),
        'flops': Command('analysis_tools/get_flops.py', 'parameters, FLOPs and activations of a model'),
    },
    'after a training': {
        'plot': Command('analysis_tools/plot_distillation.py', 'losses and accuracies of a run, as a picture'),
        'publish': Command('model_converters/publish_student.py', 'a training checkpoint to a student-only file'),
        'export': Command('model_converters/export.py', 'a trained model to ONNX, TorchScript or .pt2, and to int8'),
        'convert': Command('model_converters/convert_checkpoint.py', "others' weights to the names of mmkd"),
        'release': Command('model_converters/make_release.py', 'published files of several models, and a list of them'),
    },
    'looking inside a model (mmkd analyse ...)': {
        'analyse erf': Command('analysis_tools/receptive_field.py', 'effective receptive fields and their areas'),
        'analyse cka': Command('analysis_tools/cka.py', 'how alike the layers of models are'),
        'analyse frequency': Command('analysis_tools/frequency.py', 'frequencies of maps, distances to the teacher'),
        'analyse landscape': Command('analysis_tools/loss_landscape.py', 'the loss around the weights'),
        'analyse cam': Command('analysis_tools/grad_cam.py', 'Grad-CAM: which places speak for a class'),
        'analyse histograms': Command('analysis_tools/histograms.py', 'distributions of features and weights'),
        'analyse shares': Command('analysis_tools/compute_shares.py', 'what mixes positions, and what channels'),
        'analyse robustness': Command('analysis_tools/robustness.py', 'other test sets, and corrupted images'),
    },
    'models and data': {
        'zoo': Command('mmkd.zoo', 'list models, tell of one, download weights', ('list', 'info', 'download')),
        'digits': Command('dataset_converters/digits.py', 'make the digits: classes, boxes, masks'),
        'fashion': Command('dataset_converters/fashion.py', 'put Fashion-MNIST in place, and make scenes of it'),
        'prepare': Command('dataset_converters/prepare.py', 'unpack or index a downloaded data set'),
        'verify': Command('misc/verify_dataset.py', 'find what is missing or damaged in a data set'),
    },
    'timing (mmkd benchmark ...)': {
        'benchmark step': Command('analysis_tools/benchmark_step.py', 'what distillation adds to a training step'),
        'benchmark backbone': Command('analysis_tools/benchmark_backbone.py', 'backbones side by side'),
        'benchmark input': Command('analysis_tools/benchmark_input_pipeline.py', 'reading images, beside timm'),
        'benchmark kernel': Command('analysis_tools/benchmark_large_kernel.py', 'the large depthwise convolution'),
        'benchmark scalekd': Command('analysis_tools/benchmark_scalekd.py', "ScaleKD's loss beside a plain one"),
        'benchmark startup': Command('analysis_tools/benchmark_startup.py', 'what mmkd takes to start'),
        'benchmark cache': Command('analysis_tools/benchmark_cache.py', "training from a teacher's kept answers"),
        'benchmark gpu': Command('analysis_tools/gpu_report.py', 'a GPU: right kernels, their speed, whole steps'),
    },
    'this installation': {
        'doctor': Command('mmkd.doctor.report', 'versions, GPUs, ops, memory, space, and what to mend'),
        'completion': Command('mmkd.utils.command_line.completion', 'a script that completes words in bash or zsh',
                              ('bash', 'zsh')),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def help_page(first: str = '') -> str:
    """The commands in groups, with a line each.

    Args:
        first: Only commands of this first word.
    """
    width = max(map(len, COMMANDS)) + 2
    lines = [USAGE.replace('COMMAND', f'{first} COMMAND') if first else USAGE]
    for title, group in GROUPS.items():
        rows = [f'  {name:<{width}}{command.help}' for name, command in group.items() if name.startswith(first)]
        lines += ['', f'{title}:', *rows] if rows else []
    return '\n'.join([*lines, '', f'mmkd {first + " " if first else ""}COMMAND --help tells of each.'])


def _version() -> int:
    from mmkd.doctor.packages import version_lines
    print('\n'.join(version_lines()))
    return 0


def _doctor(arguments: list[str]) -> int:
    from mmkd.doctor.report import main
    return main(arguments)


def _completion(arguments: list[str]) -> int:
    from mmkd.utils.command_line.completion import main
    return main(arguments, {name: (command.tool, command.words) for name, command in COMMANDS.items()})


HERE: dict[str, Callable[[list[str]], int]] = {'doctor': _doctor, 'completion': _completion}  # they start no tool


def start(name: str, arguments: list[str]) -> NoReturn:
    """Puts a tool in the place of this process."""
    tool, root = COMMANDS[name].tool, tools_folder().parent
    program = [str(tools_folder() / tool)] if tool.endswith('.py') else ['-m', tool]
    environment = os.environ | {PROGRAM: f'mmkd {name}'}
    if root.name != '.mim':  # a checkout, which need not be installed
        environment['PYTHONPATH'] = os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')]))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *program, *arguments], environment)


def _unknown(expected: str, word: str, valid: list[str]) -> int:
    print(f'error: {expected} expects a command, got {word!r}. {nearest(word, valid)}', file=sys.stderr)
    return 2


@one_line_errors
def main() -> int:
    """Runs the command.

    Returns:
        The exit status.
    """
    words = sys.argv[1:]
    if not words:
        print(help_page(), file=sys.stderr)
        return 2
    first, rest = words[0], words[1:]
    if first in ('-h', '--help'):
        print(help_page())
        return 0
    if first == '--version':
        return _version()
    inner = [name.partition(' ')[2] for name in COMMANDS if name.startswith(f'{first} ')]
    if inner and rest[:1] in ([], ['-h'], ['--help']):
        print(help_page(first), file=sys.stdout if rest else sys.stderr)
        return 0 if rest else 2
    if inner and rest[0] not in inner:
        return _unknown(f'mmkd {first}', rest[0], inner)
    if not inner and first not in COMMANDS:
        return _unknown('mmkd', first, list(dict.fromkeys(name.partition(' ')[0] for name in COMMANDS)))
    if first in HERE:
        return HERE[first](rest)
    start(*((f'{first} {rest[0]}', rest[1:]) if inner else (first, rest)))
