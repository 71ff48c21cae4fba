"""Training with a fixed share of zero weights, whose places change."""
import math

import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmkd.engine.models import model_of
from mmkd.engine.resume.replay import shared_seed
from mmkd.registry import HOOKS
from mmkd.sparsity import SparseMasks, erk, prunable_weights, snip, uniform
from mmkd.sparsity.masks import GROWTHS
from mmkd.utils import UserError, nearest
from mmkd.utils.kept_state import unchanged_state
from mmkd.utils.precision import has_stepped
from mmkd.utils.randomness import generator_of

from ..teacher_validation import unchanged_randomness

INITS = ('snip', 'erk', 'uniform', 'checkpoint')
KEY = 'sparsity'  # in a training checkpoint


@HOOKS.register_module()
class DynamicSparsityHook(Hook):
    r"""Keeps a share of the weights at zero; every so often small ones are pruned and as many others grow.

    .. math:: r(t) = r_{min} + (r_0 - r_{min}) (1 + \cos(\pi t / T)) / 2

    is the share of a layer's weights that are exchanged after t of T optimizer updates. Masks are applied right
    after each optimizer update, so gradient accumulation and AMP need nothing more. An ``EMAHook``'s average is
    pruned alike, and stays as sparse. All processes have the same masks. A training checkpoint holds the masks and
    the number of updates beside an ordinary, partly zero ``state_dict``, and a resumed run goes on with them.

    Source: Liu et al., More ConvNets in the 2020s: Scaling up Kernels Beyond 51×51 using Sparsity, ICLR 2023,
    arXiv 2207.03620, Sec. 4 and Appendix A.
    Differs from the authors' code: the number of zeros is exact, and where a weight grows, the optimizer's averages
    start from zero.

    Args:
        sparsity: Share of zeros among the prunable weights, in [0, 1). Must be None with ``init='checkpoint'``. 0.4
            for SLaK.
        init: How the zeros are shared among the layers: ``snip`` (on the first training batch), ``erk``,
            ``uniform``, see :mod:`mmkd.sparsity`; their places are random. ``checkpoint``: the zeros of the weights
            that were loaded.
        scope: ``all``: every weight with at least two dimensions; ``large_kernels``: only those.
        interval: Optimizer updates between two exchanges; 0 for fixed masks. 2000 for SLaK-T, 100 for SLaK-S and -B.
        prune_rate: Share to exchange at first, in [0, 1]. 0.5 for SLaK-T, 0.3 for SLaK-S and -B.
        min_prune_rate: Share to exchange at the end. The authors' code has 0.005.
        growth: ``random`` or ``gradient``.
        module: Dotted path of the module to prune, such as ``backbone``. A distiller's student, or the whole model,
            if None.

    Raises:
        UserError: An argument is out of range; with ``--resume``, the checkpoint has no masks or another model's.
    """

    priority = 'LOW'  # after EMAHook

    def __init__(
        self,
        sparsity: float | None = None,
        init: str = 'snip',
        scope: str = 'all',
        interval: int = 2000,
        prune_rate: float = 0.3,
        min_prune_rate: float = 0.005,
        growth: str = 'random',
        module: str | None = None,
    ) -> None:
        for name, value, choices in (('init', init, INITS), ('growth', growth, GROWTHS)):
            if value not in choices:
                raise UserError(f'DynamicSparsityHook expects {name} to be one of {", ".join(choices)}, got {value!r}. '
                                f'{nearest(value, choices)}')
        if (sparsity is None) != (init == 'checkpoint') or not 0 <= (sparsity or 0) < 1:
            raise UserError("DynamicSparsityHook expects a sparsity in [0, 1), or None with init='checkpoint', got "
                            f'{sparsity} with init={init!r}. 0.4 means that 40 % are zero.')
        if not 0 <= min_prune_rate <= prune_rate <= 1 or interval < 0:
            raise UserError('DynamicSparsityHook expects 0 <= min_prune_rate <= prune_rate <= 1 and interval >= 0, got '
                            f'{min_prune_rate}, {prune_rate} and {interval}.')
        self.sparsity, self.init, self.scope, self.module, self.growth = sparsity, init, scope, module, growth
        self.interval, self.prune_rate, self.min_prune_rate = interval, prune_rate, min_prune_rate
        self.masks: SparseMasks | None = None
        self.updates, self._total = 0, 1
        self._changed = False
        self._state: dict | None = None
        self._handle: RemovableHandle | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Takes the masks of a checkpoint that is resumed."""
        if runner._resume:
            if KEY not in checkpoint:
                raise UserError('DynamicSparsityHook expects masks in a checkpoint to resume, got one without. Start a '
                                "new run from it with load_from and, if it is sparse, init='checkpoint'.")
            self._state = checkpoint[KEY]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds the masks and the number of updates."""
        if self.masks is not None:
            checkpoint[KEY] = dict(masks=self.masks.state_dict(), updates=self.updates)

    def before_train(self, runner: Runner) -> None:
        """Makes or restores the masks."""
        model = model_of(runner)
        root, self._prefix = self._find(model)
        self.masks = SparseMasks(prunable_weights(root, self.scope))
        if self._state is not None:
            self.masks.load_state_dict(self._state['masks'])
            self.updates = self._state['updates']
        elif self.init == 'checkpoint':
            self.masks.from_zeros()
        else:
            self.masks.draw(self._densities(runner, root, model), self._generator(runner))
        self.masks.apply()
        self._changed = True
        print_log(f'{self.masks.sparsity():.2%} of {len(self.masks.weights)} weights are zero.', logger='current')
        wrapper = runner.optim_wrapper
        self._total = max(math.ceil(runner.max_iters / getattr(wrapper, '_accumulative_counts', 1)), 1)
        self._runner = runner
        self._handle = self._optimizer(wrapper).register_step_post_hook(self._after_update)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Prunes the EMA model, once after every change of the masks."""
        if self._changed:
            self._changed = False
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    average = dict(hook.ema_model.module.named_parameters())
                    self.masks.apply({name: average[self._prefix + name] for name in self.masks.weights})

    def after_train(self, runner: Runner) -> None:
        """Lets go of the optimizer."""
        if self._handle is not None:
            self._handle.remove()

    def current_prune_rate(self) -> float:
        """The share that an exchange takes now."""
        progress = min(self.updates / self._total, 1)
        return self.min_prune_rate + (self.prune_rate - self.min_prune_rate) * (1 + math.cos(math.pi * progress)) / 2

    def _after_update(self, optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        if not has_stepped(optimizer):
            return
        self.updates += 1
        self.masks.apply()
        if self.interval and self.updates % self.interval == 0 and self.updates < self._total:
            rate = self.current_prune_rate()
            grown = self.masks.prune_and_regrow(rate, self.growth, self._generator(self._runner))
            self._forget(optimizer, grown)
            self._changed = True
            self._runner.message_hub.update_scalars(
                {'train/sparsity': self.masks.sparsity(), 'train/prune_rate': rate})

    def _forget(self, optimizer: torch.optim.Optimizer, grown: dict[str, Tensor]) -> None:
        """The averages of a weight that grows are those of its time at zero."""
        for name, places in grown.items():
            weight = self.masks.weights[name]
            for value in optimizer.state.get(weight, {}).values():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    value.masked_fill_(places, 0)

    def _find(self, model: nn.Module) -> tuple[nn.Module, str]:
        """The module to prune, and what stands before its parameters' names."""
        path = self.module
        if path is None:
            path = 'student' if isinstance(getattr(model, 'student', None), nn.Module) else ''
        names = dict(model.named_modules())
        if path not in names:
            raise UserError(f'DynamicSparsityHook expects the path of a module, got {path!r}. '
                            f'{nearest(path, [name for name in names if name])}')
        return names[path], path + '.' if path else ''

    def _densities(self, runner: Runner, root: nn.Module, model: nn.Module) -> dict[str, float]:
        """Those of rank 0, since SNIP's depend on the batch. All ranks compute: synchronised norms need them."""
        weights = prunable_weights(root, self.scope)
        if self.init == 'snip':
            densities = snip(model, self.sparsity, lambda: _loss_of_first_batch(runner, model), weights)
        else:
            densities = dict(erk=erk, uniform=uniform)[self.init](root, self.sparsity, weights)
        shared = [densities]
        broadcast_object_list(shared)
        return shared[0]

    def _generator(self, runner: Runner) -> torch.Generator:
        """The same in all processes and after resuming, and another one at each exchange."""
        return generator_of(shared_seed(runner), self.updates)

    @staticmethod
    def _optimizer(wrapper: OptimWrapper) -> torch.optim.Optimizer:
        if not isinstance(wrapper, OptimWrapper):
            raise UserError(f'DynamicSparsityHook expects one optimizer, got a {type(wrapper).__name__}. '
                            'Train with a single optimizer wrapper.')
        return wrapper.optimizer


def _loss_of_first_batch(runner: Runner, model: nn.Module) -> Tensor:
    """The loss on the run's first batch, which the run will see again; :func:`snip` sees to the model."""
    own = runner.train_dataloader
    samplers = [sampler for sampler in (own.sampler, own.batch_sampler) if hasattr(sampler, '__dict__')]
    with unchanged_randomness(own) as loader, unchanged_state(*samplers):
        batch = model.data_preprocessor(next(iter(loader)), training=True)
        losses = model(**batch, mode='loss') if isinstance(batch, dict) else model(*batch, mode='loss')
    return model.parse_losses(losses)[0]
