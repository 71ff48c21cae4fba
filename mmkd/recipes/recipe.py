"""A recipe under examination: its model, built piece by piece, and a few batches of its data."""
import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from mmkd.datasets.verification import Finding
from mmkd.distillers import Distiller
from mmkd.distillers.inputs import state_order
from mmkd.distillers.models import ModelSpec
from mmkd.engine.replayed.plan import needs_plan, plan_views
from mmkd.registry import MODELS
from mmkd.standardisers import Standardisation
from mmkd.utils import UserError
from mmkd.utils.building.build import unknown_type

from .weightless import teacher_role, without_weights

IN_THIS_PROCESS = ('persistent_workers', 'prefetch_factor', 'pin_memory')


class MissingError(Exception):
    """Something that a check needs could not be built; the check that builds it has said so."""


class Recipe:
    """A config, and what was built from it so far.

    Args:
        config: A distillation recipe, or a config with one model.
        device: Where to run the model.
        batches: How many batches of training and of validation images to load.
    """

    def __init__(self, config: Config, device: str = 'cpu', batches: int = 4) -> None:
        self.config = config = copy.deepcopy(config)
        state_order(config)
        self._views = plan_views(config) if needs_plan(config) else None
        self.device = device
        self.batch_limit = batches
        self.specs: dict[str, ModelSpec] = {}
        self.has_weights: set[str] = set()
        self.loading_seconds = 0.
        self.activations = 0
        self._model: BaseModel | None = None
        self._bank: Dataset | None = None
        self._data: dict[str, tuple[DataLoader, list[dict]]] = {}

    def build(self) -> BaseModel:
        """Builds and initialises the model without reading any weights, and keeps it.

        Raises:
            UserError: It cannot be built.
        """
        cfg, self.specs = without_weights(self.config)
        model = MODELS.build(ConfigDict(cfg))
        model.init_weights()
        for part in model.modules():
            if isinstance(part, Standardisation):
                part.hurry()  # its term counts from the first batch: there are not as many as a training has
        self._model = model.to(self.device)
        return model

    def load(self, split: str) -> list[dict]:
        """Builds the data loader of ``'train'`` or ``'val'``, takes the first batches of it, and keeps them.

        Validation images are drawn at random, since many datasets are sorted by class.
        """
        cfg = ConfigDict(self.config[f'{split}_dataloader']).to_dict()
        cfg = {key: value for key, value in cfg.items() if key not in IN_THIS_PROCESS} | dict(num_workers=0)
        if split == 'val':
            cfg['sampler'] = dict(type='DefaultSampler', shuffle=True)
        loader = Runner.build_dataloader(cfg, seed=0)
        if split == 'train' and self._views is not None:
            self._views.wrap(loader, preprocessor=self.model.data_preprocessor)
        start = time.perf_counter()
        batches = [batch for batch, _ in zip(loader, range(self.batch_limit), strict=False)]
        if not batches:
            raise UserError(f'{split}_dataloader expects at least one batch, got none from {len(loader.dataset)} '
                            'images. Lower batch_size, or leave drop_last out.')
        if split == 'train':
            self.loading_seconds = (time.perf_counter() - start) / len(batches)
        self._data[split] = loader, batches
        return batches

    @property
    def model(self) -> BaseModel:
        """What :meth:`build` built.

        Raises:
            MissingError: It has not.
        """
        if self._model is None:
            raise MissingError
        return self._model

    @property
    def distiller(self) -> Distiller | None:
        """The model if it is a distiller."""
        return self.model if isinstance(self.model, Distiller) else None

    def single_models(self) -> dict[str, BaseModel]:
        """``'student'`` and the teachers with weights of their own, or the one ``'model'``."""
        if self.distiller is None:
            return {'model': self.model}
        teachers = {teacher_role(name): teacher for name, teacher in self.distiller.teachers.items()}
        return {'student': self.distiller.student} | {
            role: teacher.model for role, teacher in teachers.items() if role in self.specs}

    def loader(self, split: str) -> DataLoader:
        """The loader that :meth:`load` built; raises MissingError if it has not."""
        return self._found(split)[0]

    def dataset(self, split: str) -> Dataset:
        """Its dataset."""
        return self._found(split)[0].dataset

    @property
    def bank(self) -> Dataset | None:
        """The labelled images that the validation reads beside its own; None if it reads none."""
        loader = (self.config.get('val_cfg') or {}).get('bank_dataloader')
        if loader is not None and self._bank is None:
            self._bank = DATASETS.build(ConfigDict(loader['dataset']))
        return self._bank

    def batches(self, split: str) -> list[dict]:
        """The batches that :meth:`load` took; raises MissingError if it has not."""
        return self._found(split)[1]

    def _found(self, split: str) -> tuple[DataLoader, list[dict]]:
        if split not in self._data:
            raise MissingError
        return self._data[split]

    @property
    def length(self) -> tuple[int, int]:
        """Epochs (0 where the training counts iterations only) and iterations of the training."""
        train = self.config.get('train_cfg') or {}
        if train.get('max_epochs'):
            return train['max_epochs'], train['max_epochs'] * len(self.loader('train'))
        return 0, train.get('max_iters') or 0


Check = Callable[[Recipe], Iterable[Finding]]


def run_checks(recipe: Recipe, checks: Mapping[str, Check]) -> Iterator[tuple[str, Finding]]:
    """Runs checks in their order; what one raises is what it found.

    Args:
        recipe: The recipe.
        checks: Name to function.

    Yields:
        Name of the check and finding.
    """
    skipped = []
    for name, check in checks.items():
        try:
            for finding in check(recipe):
                yield name, finding
        except MissingError:
            skipped.append(name)
        except Exception as error:  # whatever it is, the other checks go on
            yield name, Finding('error', error_line(error))
    if skipped:
        yield 'not checked', Finding('warning', f'{", ".join(skipped)}: mend the errors above first.')


def error_line(error: Exception) -> str:
    """An exception in one line: its message if it is meant for users, else with its type."""
    message = unknown_type(error) if isinstance(error, KeyError) else None
    if isinstance(error, UserError):
        message = str(error)
    return ' '.join((message or f'{type(error).__name__}: {error}').split())
