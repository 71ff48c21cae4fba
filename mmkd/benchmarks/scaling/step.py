"""The time of a training step on several GPUs, part by part."""
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .messages import CHECK, CRD, GRADIENTS, NORMS, Message
from .network import Network

STUDENT, TEACHER, TERMS, LOADING = 'student', 'teacher', 'terms', 'loading'
HIDDEN = 0.05  # of a step: what a part may take before it counts


@dataclass(frozen=True)
class Step:
    """A step of one GPU, and what it sends.

    Args:
        batch: Images.
        student: Seconds of the student's step: forward, backward, update.
        teacher: Seconds of the teachers' pass.
        terms: Seconds that a distillation step takes beyond these.
        backward: Seconds of the student's backward pass.
        messages: What is sent in a step that updates the weights.
        accumulated: Steps an update; gradients are sent in the last of them.
        images_per_core: Images a second that a CPU core loads.
        cores: CPU cores that load for a GPU.
        view_bytes: Bytes of the teacher's answer to a view in a cache; None where it cannot be kept so.
    """
    batch: int
    student: float
    teacher: float
    terms: float
    backward: float
    messages: tuple[Message, ...]
    accumulated: int
    images_per_core: float
    cores: float
    view_bytes: int | None = None

    @property
    def alone(self) -> float:
        """Seconds of the step on a GPU that sends nothing and waits for nothing."""
        return self.student + self.teacher + self.terms

    @property
    def gains_from_cache(self) -> bool:
        """Whether there is a teacher whose answers a cache can hold in a few bytes a view."""
        return self.teacher > 0 and self.view_bytes is not None

    def without_teacher(self) -> 'Step':
        """The same with the teacher's answers read from a cache."""
        return replace(self, teacher=0.)


@dataclass(frozen=True)
class ScaledStep:
    """A step on several GPUs.

    Args:
        gpus: How many.
        images: Images of all GPUs.
        parts: Seconds by part, in the order of a step; ``loading`` is what the GPUs wait for images.
        cores: CPU cores a GPU with which they would not wait.
    """
    gpus: int
    images: int
    parts: dict[str, float]
    cores: float

    @property
    def seconds(self) -> float:
        """Seconds of the step."""
        return sum(self.parts.values())

    @property
    def rate(self) -> float:
        """Images a second of all GPUs."""
        return self.images / self.seconds

    @property
    def bottleneck(self) -> str:
        """What sets the pace: loading if the GPUs wait for it, else the part that takes most."""
        return LOADING if self.parts[LOADING] > 0 else max(self.parts, key=self.parts.get)


def scale(step: Step, network: Network, gpus: int) -> ScaledStep:
    """The step on several GPUs, each with a batch of its own.

    Gradients are sent while the backward pass goes on; synchronised norms, CRD and the check wait for their messages.
    Loading goes on beside all of it.
    """
    sent = {part: sum(network.seconds(message, gpus) for message in step.messages if message.part == part)
            for part in (NORMS, CRD, CHECK)}
    buckets = [network.seconds(message, gpus) for message in step.messages if message.part == GRADIENTS]
    gradients = not_hidden(buckets, step.backward) / step.accumulated
    parts = {STUDENT: step.student, TEACHER: step.teacher, TERMS: step.terms, GRADIENTS: gradients, **sent}
    busy = sum(parts.values())
    loading = step.batch / (step.images_per_core * step.cores)
    return ScaledStep(gpus, gpus * step.batch, parts | {LOADING: max(0., loading - busy)},
                      step.batch / busy / step.images_per_core)


def not_hidden(buckets: Sequence[float], backward: float) -> float:
    """Seconds for which the last bucket arrives after the end of the backward pass.

    The k-th of n buckets is full after k/n of the pass, and is sent when those before it are through. So the last one
    is never hidden.

    Args:
        buckets: Seconds that each takes.
        backward: Seconds of the pass.
    """
    end = 0.
    for number, seconds in enumerate(buckets, 1):
        end = max(end, backward * number / len(buckets)) + seconds
    return max(0., end - backward)


def needed_bandwidth(step: Step, network: Network, gpus: int, share: float = HIDDEN) -> float | None:
    """Bytes a second between machines with which all messages take a given share of a step that loads in time.

    Returns:
        None if no bandwidth is enough: latencies, or the links inside machines, take longer. 0 inside one machine.
    """
    def takes(between: float) -> float:
        parts = scale(step, replace(network, between=between), gpus).parts
        sent = sum(parts[name] for name in (GRADIENTS, NORMS, CRD, CHECK))
        return sent / (sum(parts.values()) - parts[LOADING])

    if gpus <= network.gpus_per_node:
        return 0. if takes(network.between) <= share else None
    low, high = 1e3, network.inside
    if takes(high) > share:
        return None
    while high / low > 1.001:
        middle = (low * high)**0.5
        low, high = (low, middle) if takes(middle) <= share else (middle, high)
    return high
