"""Errors of one line where a checkpoint does not fit the run that loads it."""
from mmengine.runner import Runner

from mmkd.utils import UserError


def explain_loading(runner: Runner) -> None:
    """Makes a run say which file it cannot go on from, in place of a traceback out of MMEngine or an optimizer.

    Args:
        runner: The runner, before it trains.
    """
    inner = runner.load_or_resume

    def load_or_resume() -> None:
        try:
            inner()
        except UserError:
            raise
        except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
                ValueError) as error:
            way = '--resume' if runner._resume else 'load_from'
            file = runner._load_from or f'the last checkpoint in {runner.work_dir}'
            raise UserError(f'{way} expects a whole checkpoint of this recipe, got {file}, which cannot be loaded '
                            f'({type(error).__name__}: {error}). Take another one; to start anew from its weights, '
                            'use --cfg-options load_from=FILE.') from error

    runner.load_or_resume = load_or_resume
