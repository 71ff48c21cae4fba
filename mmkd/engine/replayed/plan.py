"""Which views a training sees, if they can be seen again: as its caches have them, or as the recipe says."""
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import DistSamplerSeedHook, Hook
from mmengine.logging import print_log
from torch import nn
from torch.utils.data import DataLoader

from mmkd.datasets.replay import ReplayedDataset, replay_loader
from mmkd.distillers.models import take_mixing
from mmkd.distillers.teacher import CachedAnswers, named_teachers, teacher_role
from mmkd.records import Reader
from mmkd.utils import UserError
from mmkd.utils.building.build import is_distiller

from .checks import check_caches, check_teachers
from .facts import view_facts

REPEATED = ('A student that sees the same views again and again overfits them (Beyer et al., 2022, arXiv 2106.05237). '
            'Build more epochs where that matters.')


@dataclass
class ViewPlan:
    """The views of a training.

    Args:
        config: The recipe, without its mixing.
        seed: The seed of the views.
        epochs: After how many epochs they repeat; None lets none repeat.
        mixing: What is mixed, taken out of the recipe.
        num_classes: How many classes the labels have, if the recipe says so.
        readers: Name of a teacher to the reader of its cache.
    """
    config: Config
    seed: int
    epochs: int | None = None
    mixing: dict | None = None
    num_classes: int | None = None
    readers: dict[str, Reader] = field(default_factory=dict)

    def wrap(self, loader: DataLoader, kept_epochs: int | None = None, *, preprocessor: nn.Module) -> ReplayedDataset:
        """Makes a loader give these views, in place, with the answers of the caches on them.

        Args:
            loader: The training data, not read yet, and without numbered batches.
            kept_epochs: After how many epochs the views repeat in the run that is resumed; a cache that has more of
                them by now changes nothing.
            preprocessor: The student's data preprocessor.

        Raises:
            UserError: Its views cannot be replayed, or are not those of a cache.
        """
        if not isinstance(loader, DataLoader):
            raise UserError(f'replayed views expect a data loader of PyTorch, got a {type(loader).__name__}. Train '
                            'without them.')
        self._keep(kept_epochs)
        answers = CachedAnswers(self.readers) if self.readers else None
        repeats = int(getattr(loader.sampler, 'num_repeats', 1))  # of repeated augmentation, each with views of its own
        dataset = replay_loader(loader, self.seed, epochs=self.epochs, mixing=self.mixing,
                                num_classes=self.num_classes, answers=answers)
        if self.readers:
            check_caches(self.readers, view_facts(self.config, dataset, preprocessor))
            # InfiniteSampler has the length of the whole data set in each process.
            share = loader.sampler.world_size if isinstance(loader.sampler, InfiniteSampler) else 1
            self._say_unfinished()
            self._say_repeats(-(-len(loader) // share), repeats)
        return dataset

    def check_hooks(self, hooks: Iterable[Hook]) -> None:
        """Checks that the sampler gets to know the epoch, without which each would have the views of the first.

        Raises:
            UserError: No hook tells it, and the loop, which is by epochs, does not either.
        """
        by_epoch = (self.config.get('train_cfg') or {}).get('max_iters') is None
        if by_epoch and not any(isinstance(hook, DistSamplerSeedHook) for hook in hooks):
            raise UserError('replayed views expect the hook DistSamplerSeedHook, which tells the sampler the epoch, '
                            'got none. Leave default_hooks.sampler_seed as it is.')

    def _keep(self, epochs: int | None) -> None:
        """Goes on with the views of the interrupted run, if they are there."""
        if self.readers and epochs is not None and epochs < self.epochs:
            print_log(f'The views repeat after {epochs} epochs, as in the interrupted run; the cache has {self.epochs} '
                      'by now.', logger='current', level=30)
            self.epochs = epochs

    def _say_unfinished(self) -> None:
        for reader in self.readers.values():
            there, wanted = reader.complete_epochs, reader.header.epochs
            if there < wanted:
                print_log(f'The building of the cache {reader.path} was not finished: {there} of {wanted} epochs are '
                          f'there. Go on with mmkd cache build RECIPE --epochs {wanted} --out {reader.path} and the '
                          'other options of then.', logger='current', level=30)

    def _say_repeats(self, batches: int, repeats: int) -> None:
        train = self.config.get('train_cfg') or {}
        epochs = train.get('max_epochs') or -(-(train.get('max_iters') or 0) // max(batches, 1))
        length = epochs * repeats
        if length > self.epochs:
            print_log(f'The views repeat: the cache has {self.epochs} epochs, and the training takes {length}. '
                      f'{REPEATED}', logger='current', level=30)


def caches_of(config: Config) -> dict[str, str]:
    """Name of each teacher of a recipe that has a cache, to its path."""
    model = config.get('model')
    if not is_distiller(model) or not model.get('teacher'):
        return {}
    return {name: cfg['cache'] for name, cfg in named_teachers(model['teacher']).items()
            if isinstance(cfg, Mapping) and 'cache' in cfg}


def needs_plan(config: Config) -> bool:
    """Whether the views of a recipe have to be seen again."""
    return bool(caches_of(config)) or config.get('replay') is not None


def plan_views(config: Config) -> ViewPlan | None:
    """Plans the views of a recipe with caches, or with an entry ``replay``, and takes its mixing out.

    Args:
        config: The recipe; changed in place, so to be called before its model is built.

    Returns:
        The plan; None for a recipe whose views are drawn as ever.

    Raises:
        UserError: Caches are of other views than each other or than ``replay`` says, or of other teachers than the
            recipe's, or the views cannot be replayed.
    """
    if not needs_plan(config):
        return None
    caches, replay = caches_of(config), config.get('replay')
    if config.get('runner_type', 'Runner') != 'Runner':
        raise UserError(f"replayed views expect MMEngine's Runner, got runner_type={config.runner_type!r}. Leave it "
                        'out, or train without a cache.')
    seed, epochs = _stated(replay)
    readers = {name: Reader(path) for name, path in caches.items()}
    for name, reader in readers.items():
        seed = _same_seed(seed, reader, teacher_role(name))
        epochs = min(_whole_epochs(reader, teacher_role(name)), epochs or 2**62)
    check_teachers(config, readers)
    mixing, classes = take_mixing(config)
    return ViewPlan(config, seed, epochs, mixing, classes, readers)


def _stated(replay: object) -> tuple[int | None, int | None]:
    """Seed and epochs of a recipe's ``replay``, which is checked."""
    if replay is None:
        return None, None
    if not isinstance(replay, Mapping) or set(replay) - {'seed', 'epochs'}:
        raise UserError(f'replay expects dict(seed=0, epochs=None), got {replay!r}. Write that.')
    seed, epochs = replay.get('seed', 0), replay.get('epochs')
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise UserError(f'replay expects a seed from 0 to {2**32 - 1}, got {seed!r}. Correct it.')
    if epochs is not None and (type(epochs) is not int or epochs < 1):
        raise UserError(f'replay expects epochs to be 1 or more, or None, got {epochs!r}. Correct it.')
    return seed, epochs


def _same_seed(seed: int | None, reader: Reader, role: str) -> int:
    theirs = reader.header.views['seed']
    if seed is not None and seed != theirs:
        raise UserError(f'the {role} expects views of the seed {theirs}, which its cache {reader.path} was built with, '
                        f'got {seed} from replay.seed or from another cache. Build it with --seed {seed}.')
    return theirs


def _whole_epochs(reader: Reader, role: str) -> int:
    if not reader.complete_epochs:
        raise UserError(f'the {role} expects a cache with a whole epoch, got {reader.path}, which has none yet. Run '
                        'the mmkd cache build of it to its end.')
    return reader.complete_epochs
