"""What is printed of a step on several GPUs."""
from collections import Counter
from collections.abc import Sequence

from mmkd.utils.command_line.tables import text_table

from .messages import CHECK, CRD, GRADIENTS, NORMS, Message
from .network import Network
from .setting import Setting
from .step import HIDDEN, LOADING, STUDENT, TEACHER, TERMS, ScaledStep, Step, needed_bandwidth, scale

SHOWN = {STUDENT: 'student', TEACHER: 'teacher', TERMS: 'terms', GRADIENTS: 'gradients', NORMS: 'norms', CRD: 'CRD',
         CHECK: 'check', LOADING: 'waiting'}


def report(step: Step, setting: Setting, gpus: Sequence[int], source: str, measured_on: str) -> str:
    """All that is known, as text.

    Args:
        step: The step of one GPU.
        setting: The machines.
        gpus: Numbers of GPUs, in the order of the rows.
        source: Where the times come from.
        measured_on: A device that is no GPU, on which they were measured; else empty.
    """
    steps = [scale(step, setting.network, number) for number in gpus]
    warning = [f'The times are those of {measured_on}: they say nothing of a GPU.'] if measured_on else []
    return '\n'.join([
        f'On several GPUs, {step.batch} images each. Computed, not measured, from the times of one ({source}).',
        *warning, 'sent in a step: ' + '; '.join(describe_messages(step.messages)),
        describe_setting(setting, step), '', step_table(steps, step), '', *conclusions(step, setting.network, steps)])


def describe_messages(messages: Sequence[Message]) -> list[str]:
    """One phrase a part: how many messages, and how many bytes a GPU brings."""
    counts, sizes = Counter(), Counter()
    for message in messages:
        counts[message.part] += 1
        sizes[message.part] += message.size
    return [f'{part} {_bytes(sizes[part])}' + (f' in {counts[part]} messages' if counts[part] > 1 else '')
            for part in counts]


def describe_setting(setting: Setting, step: Step) -> str:
    """What is assumed."""
    return (f'assumed: {setting.gpus_per_node} GPUs a machine, {setting.inside_gb:g} GB/s a GPU inside and '
            f'{setting.between_gb:g} GB/s a machine between, {setting.latency_us:g} µs a hop; '
            f'{step.images_per_core:g} images/s a core, {step.cores:g} cores a GPU; '
            f"{setting.backward_share:.0%} of the student's step is backward")


def step_table(steps: Sequence[ScaledStep], step: Step) -> str:
    """Milliseconds by part, a row a number of GPUs; parts that take nothing are left out."""
    parts = [name for name in SHOWN if any(abs(each.parts[name]) >= 5e-6 for each in steps)]
    linear = step.batch / step.alone
    rows = [[str(each.gpus), f'{1000 * each.seconds:.1f}', *(f'{1000 * each.parts[name]:.2f}' for name in parts),
             f'{each.rate:,.0f}', f'{each.rate / each.gpus / linear:.0%}', each.bottleneck, f'{each.cores:.1f}']
            for each in steps]
    header = ['GPUs', 'step (ms)', *(SHOWN[name] for name in parts), 'images/s', 'of linear', 'bound by', 'cores a GPU']
    return text_table(header, rows, rule=True)


def conclusions(step: Step, network: Network, steps: Sequence[ScaledStep]) -> list[str]:
    """What limits the step, and what a cache of the teacher's answers would save."""
    last = max(steps, key=lambda each: each.gpus)
    lines = []
    if last.gpus > network.gpus_per_node:
        needed = needed_bandwidth(step, network, last.gpus)
        lines.append(f'messages take {HIDDEN:.0%} of the step on {last.gpus} GPUs at {needed / 1e9:.2g} GB/s a machine.'
                     if needed else f'messages take more than {HIDDEN:.0%} of the step on {last.gpus} GPUs, however '
                     'fast the network between machines is.')
    if step.gains_from_cache:
        cached = scale(step.without_teacher(), network, last.gpus)
        lines.append(
            f"with the teacher's answers from a cache: {1000 * cached.seconds:.1f} ms on {last.gpus} GPUs in place of "
            f'{1000 * last.seconds:.1f} ({1 - cached.seconds / last.seconds:.0%} less), bound by '
            f'{cached.bottleneck}. {cached.cores:.1f} cores a GPU would keep up. '
            f'{_bytes(cached.rate * step.view_bytes)} of answers are read a second.')
    return lines


def _bytes(size: float) -> str:
    for unit, factor in (('GB', 1e9), ('MB', 1e6), ('kB', 1e3)):
        if size >= factor:
            return f'{size / factor:.3g} {unit}'
    return f'{size:.0f} B'
