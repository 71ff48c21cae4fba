"""How long collective operations take."""
import math
from dataclasses import dataclass

from .messages import REDUCE, Message


@dataclass(frozen=True)
class Network:
    """GPUs in machines: a link a GPU inside, one link a machine between them.

    Args:
        gpus_per_node: GPUs of a machine.
        inside: Bytes a second that a GPU sends to another of its machine.
        between: Bytes a second that a machine sends to another.
        latency: Seconds before a message's first byte arrives.
    """
    gpus_per_node: int
    inside: float
    between: float
    latency: float

    def bandwidth(self, gpus: int) -> float:
        """Bytes a second of the slowest link of a ring through all GPUs."""
        return self.inside if gpus <= self.gpus_per_node else min(self.inside, self.between)

    def seconds(self, message: Message, gpus: int) -> float:
        """Seconds of a collective operation; none for one GPU."""
        if gpus == 1:
            return 0.
        return self.all_reduce(message.size, gpus) if message.kind == REDUCE else self.all_gather(message.size, gpus)

    def all_reduce(self, size: int, gpus: int) -> float:
        """The better of a ring, which sends less, and of trees, which wait less often."""
        ring = 2 * (gpus - 1) * (size / gpus / self.bandwidth(gpus) + self.latency)
        tree = 2 * (size / self.bandwidth(gpus) + math.ceil(math.log2(gpus)) * self.latency)
        return min(ring, tree)

    def all_gather(self, size: int, gpus: int) -> float:
        """A ring, through which what each of the others brings passes in turn."""
        return (gpus - 1) * (size / self.bandwidth(gpus) + self.latency)
