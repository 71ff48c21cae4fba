"""A recipe's teacher, and the views that it is asked about."""
import copy
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmkd.datasets.replay import ReplayedDataset, ViewIndex, replay_loader
from mmkd.distillers import Teacher
from mmkd.distillers.inputs import state_order, target_of
from mmkd.distillers.models import build_without_weights, is_plain, read_spec, take_mixing
from mmkd.distillers.taps import Tapped, Taps, named_locations
from mmkd.distillers.teacher import build_teachers, named_teachers, split_tap
from mmkd.engine.replayed.facts import autocast_dtype, teacher_facts, view_facts
from mmkd.records import RecordFormat, TapFormat, encode
from mmkd.records.coding import pooled
from mmkd.records.formats import LOGITS
from mmkd.utils import UserError, nearest
from mmkd.utils.building.build import is_distiller, type_name


class Source:
    """A teacher with everything that stands before it in a training: data, preprocessor, its own form of the input.

    Args:
        config: A distillation recipe; it is left as it is.
        teacher: Which of several teachers.
        taps: Further taps than those that the recipe's terms read.
        options: Keys of the teacher that take the place of the recipe's: ``dtype``, ``compile``.
        device: Where the teacher runs.
        seed: The seed of the views, if the recipe's ``replay`` says none.

    Raises:
        UserError: It is no such recipe, or has no such teacher.
    """

    def __init__(self, config: Config, teacher: str | None = None, taps: Sequence[str] = (),
                 options: dict | None = None, device: str = 'cpu', seed: int | None = None) -> None:
        self.config = copy.deepcopy(config)
        if not is_distiller(config.get('model')):
            raise UserError('a teacher cache expects a distillation recipe (model of type mmkd.Distiller), got a '
                            f'config of {type_name(config.get("model") or {}) or "no model"}. Name one.')
        state_order(self.config)
        mixing, classes = take_mixing(self.config)
        self.device = torch.device(device)
        self.name, self.cfg = self._teacher_config(teacher, options or {})
        self.taps = self._taps(taps)
        student, self.preprocessor, stated = self._student()
        self.preprocessor.to(self.device)
        self.teacher = self._build(student, stated)
        stated_seed = (self.config.get('replay') or {}).get('seed')
        self.seed = int(seed or 0) if stated_seed is None else int(stated_seed)
        self.loader = self._build_loader()
        self.dataset: ReplayedDataset = replay_loader(
            self.loader, self.seed, mixing=mixing, num_classes=classes, checksums='all')

    def _teacher_config(self, name: str | None, options: dict) -> tuple[str, dict]:
        teachers = named_teachers(self.config.model.get('teacher') or {})
        if name is None and len(teachers) > 1:
            raise UserError(f'--teacher expects which of {", ".join(teachers)} to ask, got none. Build a cache '
                            'of each.')
        name = name or next(iter(teachers))
        if name not in teachers:
            raise UserError(f'--teacher expects a teacher of the recipe, got {name!r}. {nearest(name, teachers)}')
        cfg = {key: value for key, value in ConfigDict(teachers[name]).to_dict().items() if key != 'cache'}
        if 'ema' in cfg:
            raise UserError(f'a teacher cache expects a teacher that stays as it is, got {name!r}, the running average '
                            'of the student. Train it as it is.')
        if not cfg:
            raise UserError("a teacher cache expects a recipe that says which model the teacher is, got nothing but "
                            "cache='…'. Name its config and checkpoint.")
        dtype = cfg.get('dtype') or autocast_dtype(self.config)
        cfg |= {} if dtype is None else dict(dtype=dtype)
        return name, cfg | {key: value for key, value in options.items() if value is not None}

    def _taps(self, more: Sequence[str]) -> list[str]:
        """Those of the recipe's terms that read this teacher, and those that were asked for."""
        names = list(named_teachers(self.config.model.teacher))
        found = []
        for term in (self.config.model.get('terms') or {}).values():
            taps = term.get('teacher') or []
            for tap in [taps] if isinstance(taps, str) else taps:
                owner, own = split_tap(tap, names)
                found += [own] if owner == self.name else []
        return list(dict.fromkeys([*found, *more]))

    def _student(self) -> tuple[nn.Module, nn.Module, bool]:
        """The student, without weights; its preprocessor; and whether anything says how images are normalised."""
        model = self.config.model
        stated = model.get('data_preprocessor') or self.config.get('data_preprocessor')
        spec = read_spec(model['student'], 'student', stated)
        student = build_without_weights(spec, 'student')
        preprocessor = BaseModel(stated).data_preprocessor if is_plain(student) else student.data_preprocessor
        return student, preprocessor, not is_plain(student) or stated is not None

    def _build(self, student: nn.Module, stated: bool) -> Teacher:
        teacher = build_teachers(self.cfg, self.taps, student, self.preprocessor if stated else None,
                                 self.config.model.get('loads_rgb', False))[0]['']
        if teacher.shares_regions:
            raise UserError(f'a cache expects taps that depend on the image alone, got {", ".join(self.taps)}: '
                            "some see the regions of the student, others in each step. Tap levels of the neck.")
        self.compares_classes = teacher.reads_classes  # in the recipe's terms; what is kept beside may be of others
        if LOGITS not in self.taps and LOGITS in named_locations(teacher.model):  # kept of whoever has some
            self.taps.append(LOGITS)
            teacher.close()
            teacher.taps = Taps(teacher.model, self.taps)
        return teacher

    def _build_loader(self) -> DataLoader:
        cfg = ConfigDict(self.config.train_dataloader).to_dict() | dict(drop_last=False)  # each sample has a record
        return Runner.build_dataloader(cfg, seed=(self.config.get('randomness') or {}).get('seed') or 0)

    def order_seed(self) -> int:
        """The seed of the training's order.

        Raises:
            UserError: The recipe draws another one for each run.
        """
        seed = (self.config.get('randomness') or {}).get('seed')
        if seed is None:
            raise UserError('--like-training expects a recipe that says its seed, without which each run has another '
                            'order. Write randomness=dict(seed=0), or pass --cfg-options randomness.seed=0.')
        return int(seed)

    def facts(self) -> tuple[dict, dict]:
        """The facts of the views and of the teacher that a header keeps."""
        return view_facts(self.config, self.dataset, self.preprocessor), teacher_facts(self.cfg, self.teacher)

    def answers(self, batch: dict) -> tuple[Tapped, list]:
        """What the teacher says of a batch, and the batch's samples."""
        data = self.preprocessor(batch, True)
        return self.teacher(**data), data['data_samples']

    def format(self, topk: int | str, dtype: str, pool: bool) -> RecordFormat:
        """The form of this teacher's records, found out by asking about one view.

        Args:
            topk: See :class:`RecordFormat`.
            dtype: Of all logits, and of features.
            pool: Whether maps and tokens are averaged over their places.

        Raises:
            UserError: A tap reads several tensors.
        """
        tensors, _ = self.answers(self.loader.collate_fn([self.dataset[ViewIndex(0, 0)]]))
        classes, taps = 0, {}
        for name in self.taps:
            value = tensors[name]
            if not isinstance(value, Tensor):
                raise UserError(f'a teacher cache expects one tensor of a tap, got {len(value)} at {name}. Tap them '
                                'one by one, without @all.')
            if name == LOGITS and value.dim() == 2:
                classes = value.shape[1]
                continue
            shape = tuple(pooled(value).shape if pool else value.shape)[1:]
            taps[name] = TapFormat(shape, dtype, pool and value.dim() > 2)
        return RecordFormat(classes, topk, dtype, taps)

    def records(self, batch: dict, format: RecordFormat) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Asks the teacher about a batch.

        Returns:
            Epoch and index of each view, and their records.
        """
        return self.encoded(*self.answers(batch), format)

    def encoded(self, tensors: Tapped, samples: list, format: RecordFormat
                ) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Makes records of what :meth:`answers` returned; returns what :meth:`records` does."""
        views = [tuple(sample.view) for sample in samples]
        labels = target_of(samples) if format.classes else None
        try:
            return views, encode(tensors, format, labels, [sample.view_checksum for sample in samples])
        except UserError as error:
            raise UserError(f'{error} (The batch begins with sample {views[0][1]} of epoch {views[0][0]}.)') from error


