"""Checkpoints that outlive whatever ends their run: written whole, and the old one deleted only then.

MMEngine's ``CheckpointHook`` with ``max_keep_ckpts=1`` deletes the last checkpoint and then writes the next one in
place; between the two, and while it writes, a kill or a full disk takes all there is. Here the order is: the new file
beside, its bytes on the disk, its name, ``last_checkpoint``, and then the old file.
"""
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process, master_only
from mmengine.fileio.backends import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmkd.utils.checkpoints.files import hash_of_bytes
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.files.whole import checkpoint_bytes, write_whole

_save_best_checkpoint = CheckpointHook._save_best_checkpoint
_before_train = CheckpointHook.before_train


class _Later:
    """A file backend that puts removals off.

    Args:
        backend: MMEngine's.
    """

    def __init__(self, backend: Any) -> None:
        self.backend, self.removals = backend, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        """Notes a file."""
        self.removals.append((self.backend.remove, str(path)))

    def rmtree(self, path: str) -> None:
        """Notes a folder."""
        self.removals.append((self.backend.rmtree, str(path)))


@contextmanager
def _removing_later(hook: CheckpointHook) -> Iterator[_Later]:
    """Removes at the end what the hook wants removed in between, unless it was written anew meanwhile."""
    backend = hook.file_backend
    hook.file_backend = later = _Later(backend)
    try:
        yield later
    finally:
        hook.file_backend = backend
    kept = {str(hook.last_ckpt), str(getattr(hook, 'best_ckpt_path', None)),
            *map(str, getattr(hook, 'best_ckpt_path_dict', {}).values())}
    for remove, path in later.removals:
        if path not in kept and backend.exists(path):
            remove(path)


def before_train(self: CheckpointHook, runner: Runner) -> None:
    """Removes what a kill left of files that may not be written again; after ``CheckpointHook.before_train``."""
    _before_train(self, runner)
    if is_main_process():
        for path in [*Path(self.out_dir).glob('.*.pth.tmp'), Path(runner.work_dir, '.last_checkpoint.tmp')]:
            path.unlink(missing_ok=True)


def save_with_step(self: CheckpointHook, runner: Runner, step: int, meta: dict) -> None:
    """Saves a checkpoint, points ``last_checkpoint`` to it, and then removes those that are too many.

    In place of ``CheckpointHook._save_checkpoint_with_step``. The checkpoint's own list of those that are kept has
    the one that is removed last: if a kill comes first, the resumed run removes it.
    """
    old: list[int] = []
    if self.max_keep_ckpts > 0 and not (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            old.append(self.keep_ckpt_ids[0])  # the next line drops it
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', [*old, *self.keep_ckpt_ids])
    name = self.filename_tmpl.format(step)
    self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
    runner.message_hub.update_info('last_ckpt', self.last_ckpt)
    runner.save_checkpoint(
        self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
        save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
        backend_args=self.backend_args, **self.args)
    if is_main_process():
        write_whole(Path(runner.work_dir, 'last_checkpoint'), str(self.last_ckpt).encode())
        for each in old:
            path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(each))
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            elif self.file_backend.isdir(path):  # of DeepSpeed
                self.file_backend.rmtree(path)


def save_best(self: CheckpointHook, runner: Runner, metrics: dict) -> None:
    """Saves the best checkpoint, and only then removes the last best; of ``CheckpointHook._save_best_checkpoint``."""
    if not hasattr(self, 'file_backend'):  # validation without training
        _save_best_checkpoint(self, runner, metrics)
        return
    with _removing_later(self):
        _save_best_checkpoint(self, runner, metrics)


@master_only
def publish(self: CheckpointHook, runner: Runner, ckpt_path: str) -> None:
    """Writes what ``published_keys`` names under the file's own hash; in place of ``CheckpointHook._publish_model``.

    MMEngine's name carries the hash of something else, by which a whole file looks damaged.
    """
    checkpoint = {key: value for key, value in read_checkpoint(ckpt_path).items() if key in self.published_keys}
    content = checkpoint_bytes(checkpoint)
    path = f'{os.path.splitext(ckpt_path)[0]}-{hash_of_bytes(content)[:8]}.pth'
    write_whole(path, content)
    runner.logger.info(f'The checkpoint ({ckpt_path}) is published to {path}.')


def _put(self: LocalBackend, obj: bytes, filepath: str | Path) -> None:
    write_whole(filepath, obj)


def keep_checkpoints_whole() -> None:
    """Changes MMEngine's hook and its writer of local files, for every hook and config of this process."""
    CheckpointHook.before_train = before_train
    CheckpointHook._save_checkpoint_with_step = save_with_step
    CheckpointHook._save_best_checkpoint = save_best
    CheckpointHook._publish_model = publish
    LocalBackend.put = _put
