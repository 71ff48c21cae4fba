"""Searching and replaying the pathway weights of DistPro."""
import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmkd.datasets.replay import ReplayedDataset, replay_loader
from mmkd.engine.meta_gradient import meta_gradient
from mmkd.engine.models import model_of
from mmkd.engine.resume.position import batches_of_epoch, by_epoch
from mmkd.engine.resume.replay import shared_seed
from mmkd.losses.feature.distpro import DistProLoss
from mmkd.registry import HOOKS
from mmkd.utils import UserError
from mmkd.utils.building.arguments import COUNT, POSITIVE, check_arguments, each, number
from mmkd.utils.files.small import read_json, write_json

KEY = 'distpro'  # in a training checkpoint
RESOLUTION = 1000  # points of a recorded process, at the most
NO_BATCH = ('DistProSearchHook expects at least one batch of held-out images, got none. Give its dataloader more '
            'images or a smaller batch_size, or set drop_last=False.')


@HOOKS.register_module()
class DistProSearchHook(Hook):
    r"""Searches the pathway weights of a :class:`mmkd.losses.DistProLoss` while the student trains.

    Before an update of the student :math:`\theta`, a step of Adam takes :math:`\alpha` down the gradient of

    .. math:: L_{val}\big(\theta - \xi \nabla_\theta L_{train}(\theta, \alpha)\big),

    the student's own loss on held-out images after a virtual step; :math:`\xi` is the learning rate. See
    :func:`mmkd.engine.meta_gradient.meta_gradient`. The process, ``alpha`` over the share of the training that is
    done, is written to ``distpro.json`` in the work directory, for :class:`DistProProcessHook`. A training checkpoint
    holds all that a resumed search needs. Several processes search with the mean of their gradients.

    Source: Deng et al., DistPro: Searching a Fast Knowledge Distillation Process via Meta Optimization, ECCV 2022,
    arXiv 2204.05547; the numbers are those of the authors' code.
    Differs from the authors' code: the virtual step is one of plain gradient descent, without momentum and weight
    decay, since the optimizer may be any; and it is virtual: theirs, as published, saves references where it means
    copies, so that the student really takes it, and the finite difference is that of the place where it ends. All
    passes of a search step draw the same dropped paths, leave running statistics alone, and are in full precision.

    Args:
        dataloader: Config of the held-out data. The authors hold a fifth of the training images back. None for another
            order and other augmentations of the training data, with which nothing is held out.
        interval: Iterations between two search steps. Each costs three more forward passes of both models, one of the
            student alone, and two backward passes.
        lr: Learning rate of :math:`\alpha`.
        betas: Those of Adam.
        radius: Length of the finite difference.

    Raises:
        UserError: The model has no single DistProLoss, or a checkpoint to resume has no search in it.
    """

    def __init__(self, dataloader: dict | None = None, interval: int = 1, lr: float = 0.1,
                 betas: tuple[float, float] = (0.5, 0.999), radius: float = 1e-2) -> None:
        check_arguments(self, interval=(interval, COUNT), lr=(lr, POSITIVE), radius=(radius, POSITIVE),
                        betas=(betas, each(number(0, below=1), length=2)))
        self.interval, self.lr, self.betas, self.radius = interval, lr, tuple(betas), radius
        self._dataloader = dataloader
        self._state: dict | None = None
        self.process: dict[str, list] = dict(times=[], alpha=[])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Takes the search of a checkpoint that is resumed."""
        if runner._resume:
            if KEY not in checkpoint:
                raise UserError('DistProSearchHook expects a search in a checkpoint to resume, got one without. '
                                'Resume a run that had this hook, or start a new one.')
            self._state = checkpoint[KEY]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds the optimizer's state and the process so far."""
        checkpoint[KEY] = dict(optimizer=self._optimizer.state_dict(), process=self.process)

    def before_train(self, runner: Runner) -> None:
        """Finds the loss and the held-out data."""
        self._model = model_of(runner)
        name, self._loss = find_loss(self._model)
        self._alpha_name = f'{name}.alpha'
        self._optimizer = torch.optim.Adam([self._loss.alpha], lr=self.lr, betas=self.betas)
        if self._state is not None:
            self._optimizer.load_state_dict(self._state['optimizer'])
            self.process = self._state['process']
        self._held_out_loader = (_in_another_order(runner) if self._dataloader is None
                                 else runner.build_dataloader(self._dataloader, seed=shared_seed(runner)))
        if _length(self._held_out_loader) == 0:
            raise UserError(NO_BATCH)

    def before_train_epoch(self, runner: Runner) -> None:
        """Starts on the held-out data anew, so that it depends on the epoch alone."""
        if hasattr(self._held_out_loader.sampler, 'set_epoch'):
            self._held_out_loader.sampler.set_epoch(runner.epoch)
        self._held_out = _endless(self._held_out_loader)
        begin = runner.iter - batches_of_epoch(runner.train_loop) if by_epoch(runner.train_loop) else 0
        for _ in range(-(-runner.iter // self.interval) - -(-begin // self.interval)):  # interrupted inside the epoch
            next(self._held_out)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Takes a search step."""
        if runner.iter % self.interval:
            return
        preprocess = self._model.data_preprocessor
        training = preprocess(copy.deepcopy(data_batch), True)  # a preprocessor may write into the data samples
        held_out = preprocess(next(self._held_out), False)
        gradient = meta_gradient(self._model, self._alpha_name, training, held_out,
                                 runner.optim_wrapper.get_lr()['lr'][0], self.radius)
        all_reduce(gradient, 'mean')
        self._loss.alpha.grad = gradient
        self._optimizer.step()
        self._loss.alpha.grad = None
        time, times = runner.iter / runner.max_iters, self.process['times']
        if not times or time - times[-1] >= 1 / RESOLUTION:
            times.append(time)
            self.process['alpha'].append(self._loss.alpha.tolist())

    def after_train(self, runner: Runner) -> None:
        """Writes the process."""
        if is_main_process():
            path = Path(runner.work_dir) / 'distpro.json'
            write_json(path, dict(pathways=self._loss.pathway_names) | self.process)
            shares = zip(self._loss.pathway_names, self._loss.weights().tolist(), strict=True)
            print_log(f'DistPro wrote {path}; the last weights are '
                      + ', '.join(f'{name}: {share:.3f}' for name, share in shares), logger='current')


@HOOKS.register_module()
class DistProProcessHook(Hook):
    """Replays a recorded process of pathway weights in a :class:`mmkd.losses.DistProLoss`.

    ``alpha`` at any time is interpolated linearly, so the training may have another length than the search.

    Source: Deng et al., ECCV 2022, arXiv 2204.05547.
    Differs from the authors' code: theirs, as published, goes on searching in the second run.

    Args:
        process: Path of the ``distpro.json`` that :class:`DistProSearchHook` wrote.

    Raises:
        UserError: The file is missing or no process, or is one of other pathways.
    """

    def __init__(self, process: str) -> None:
        self.path = process

    def before_train(self, runner: Runner) -> None:
        """Reads the process, and compares its pathways with those of the loss."""
        self._loss = find_loss(model_of(runner))[1]
        recorded = read_json(Path(self.path))
        if not recorded.get('times') or len(recorded['times']) != len(recorded.get('alpha', ())):
            raise UserError(f'DistProProcessHook expects the distpro.json that a search wrote, got {self.path!r}. '
                            'Train with DistProSearchHook first.')
        if recorded.get('pathways') != self._loss.pathway_names:
            raise UserError(f'DistProProcessHook expects a process of the pathways {self._loss.pathway_names}, got '
                            f'{recorded.get("pathways")} in {self.path!r}. Give the DistProLoss the taps and arguments '
                            'of the search.')
        self._times, self._alpha = np.array(recorded['times']), np.array(recorded['alpha'])

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Sets ``alpha``."""
        time = runner.iter / runner.max_iters
        alpha = [np.interp(time, self._times, column) for column in self._alpha.T]
        self._loss.alpha.copy_(torch.tensor(alpha))


def find_loss(model: nn.Module) -> tuple[str, DistProLoss]:
    """Finds the DistProLoss of a model and its dotted name.

    Raises:
        UserError: There is none, or more than one.
    """
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, DistProLoss)]
    if len(found) != 1:
        raise UserError(f'DistPro hooks expect one DistProLoss in the model, got {len(found)}. Give all stages to one '
                        "term with loss=dict(type='mmkd.DistProLoss').")
    return found[0]


def _in_another_order(runner: Runner) -> DataLoader:
    """A second loader of the training data, whose order is that of no training epoch."""
    loader = runner.train_dataloader
    sampler = DefaultSampler(loader.dataset, shuffle=True, seed=shared_seed(runner) + 10**6)
    other = DataLoader(loader.dataset, loader.batch_sampler.batch_size, sampler=sampler,
                       num_workers=loader.num_workers, collate_fn=loader.collate_fn,
                       worker_init_fn=loader.worker_init_fn)
    if isinstance(loader.dataset, ReplayedDataset):
        replay_loader(other)
    return other


def _length(loader: DataLoader) -> int | None:
    try:
        return len(loader)
    except TypeError:  # an iterable dataset
        return None


def _endless(loader: DataLoader) -> Iterator[dict]:
    while True:
        number = 0
        for batch in loader:
            number += 1
            yield batch
        if not number:
            raise UserError(NO_BATCH)
