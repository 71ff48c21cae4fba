"""What the runs of a comparison are compared by."""
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

from mmkd.utils import UserError

SHARES = ('coco/', 'lvis/', 'pascal_voc/')  # what mmdet logs as shares of 1 begins so


@dataclass(frozen=True)
class Metric:
    """A figure of a validation.

    Args:
        key: Its name in a run's log.
        name: What tables and charts call it.
        factor: What makes percent of it.
    """
    key: str
    name: str
    factor: float = 1.

    def percent(self, metrics: Mapping[str, float], run: str) -> float:
        """The figure of a run, in percent.

        Args:
            metrics: What the run's last validation has found.
            run: Whose it is, for the message.

        Raises:
            UserError: It is not among them, no number, or undefined on these images.
        """
        if self.key not in metrics:
            raise UserError(f'{run} expects {self.key} among the figures of its last validation, got '
                            f'{", ".join(metrics) or "none"}. Name one of these with --metric; where a detector '
                            'has found nothing at all, mmdet writes none: leave that method out.')
        if not isinstance(metrics[self.key], Real) or math.isinf(metrics[self.key]):
            raise UserError(f'{run} expects a finite number for {self.key}, got {metrics[self.key]!r}. Name another '
                            'figure with --metric.')
        if math.isnan(metrics[self.key]) or self.factor != 1 and metrics[self.key] < 0:  # -1 is COCO's of no objects
            raise UserError(f'{run} expects a figure for {self.key}, which is undefined on these images (got '
                            f'{metrics[self.key]:g}): they have no such objects. Name another with --metric.')
        return round(self.factor * metrics[self.key], 6)


def metric_named(key: str | None, of_suite: Metric) -> Metric:
    """The metric of that key, or the suite's; mmdet's are shares in the log, and others stay as they are."""
    if key in (None, of_suite.key):
        return of_suite
    return Metric(key, key.partition('/')[2], 100.) if key.startswith(SHARES) else Metric(key, key)


TOP1 = Metric('accuracy/top1', 'top-1')
MIOU = Metric('mIoU', 'mIoU')
BBOX_MAP = Metric('coco/bbox_mAP', 'bbox_mAP', 100.)
