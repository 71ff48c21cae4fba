"""What a call shows while it trains: a bar, and the warnings of the log."""
import contextlib
import io
import sys
from collections.abc import Iterator

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm.auto import tqdm

LEVELS = ('WARNING', 'ERROR', 'CRITICAL')


class ProgressHook(Hook):
    """A bar over all training steps, with the loss and the last validation."""

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Starts the bar where the run stands."""
        self._figures: dict[str, str] = {}
        self._bar = tqdm(total=runner.max_iters, initial=runner.iter, desc='distilling', unit='step', leave=False,
                         dynamic_ncols=True, disable=None if is_main_process() else True)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Moves it on; the loss is read only where the log reads it too."""
        self._bar.update(1)
        if not self._bar.disable and self.every_n_inner_iters(batch_idx, 10):
            self._figures['epoch'] = f'{runner.epoch + 1}/{runner.max_epochs}'
            self._bar.set_postfix(self._figures, refresh=False)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Notes the first figure."""
        for name, value in list((metrics or {}).items())[:1]:
            self._figures[name] = f'{value:.4g}'

    def after_train(self, runner: Runner) -> None:
        """Ends it."""
        self.close()

    def close(self) -> None:
        """Takes the bar off the screen, also after an error."""
        bar = getattr(self, '_bar', None)
        if bar is not None:
            bar.close()


class _Warnings(io.TextIOBase):
    """Lets warnings and errors of MMEngine's log through; the rest is in its file."""

    def __init__(self) -> None:
        self._out = sys.stderr

    def write(self, text: str) -> int:
        if any(level in text for level in LEVELS) and 'will be deprecated' not in text:
            with contextlib.suppress(ValueError):  # of a stream that a notebook has closed
                tqdm.write(text.rstrip('\n'), file=self._out)
        return len(text)


@contextlib.contextmanager
def only_warnings(quiet: bool) -> Iterator[None]:
    """Keeps the lines of the log off the screen, but for warnings.

    Args:
        quiet: Whether to do so.
    """
    if not quiet:
        yield
        return
    with contextlib.redirect_stdout(_Warnings()):
        yield
