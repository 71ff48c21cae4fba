"""The file backend ``archive://`` of MMEngine."""
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.fileio import BaseStorageBackend, register_backend
from mmengine.fileio.backends.registry_utils import backends

from mmkd.datasets.junk import is_junk

from .archive import split_uri


class ArchiveBackend(BaseStorageBackend):
    """Reads files from archives; see :mod:`mmkd.datasets.archives.archive` for the paths. It writes nothing."""

    def get(self, filepath: str) -> bytes:
        """Reads a file as bytes."""
        archive, name = split_uri(filepath)
        return archive.read(name)

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        """Reads a file as text."""
        return self.get(filepath).decode(encoding)

    def exists(self, filepath: str) -> bool:
        """Whether there is a file or folder."""
        return self.isfile(filepath) or self.isdir(filepath)

    def isfile(self, filepath: str) -> bool:
        """Whether there is a file."""
        archive, name = split_uri(filepath)
        return archive.is_file(name)

    def isdir(self, filepath: str) -> bool:
        """Whether there is a folder."""
        archive, name = split_uri(filepath)
        return archive.is_folder(name)

    def join_path(self, filepath: str, *filepaths: str) -> str:
        """Joins paths."""
        return os.path.join(filepath, *filepaths)

    @contextmanager
    def get_local_path(self, filepath: str) -> Iterator[str]:
        """A copy of a file on the disk, for the time of a ``with``."""
        content = self.get(filepath)
        with tempfile.NamedTemporaryFile(suffix=os.path.basename(filepath)) as file:
            file.write(content)
            file.flush()
            yield file.name

    def list_dir_or_file(self, dir_path: str, list_dir: bool = True, list_file: bool = True,
                         suffix: str | tuple[str, ...] | None = None, recursive: bool = False) -> Iterator[str]:
        """Lists a folder, without what is no data: hidden files and folders, and such as ``__MACOSX``.

        Args:
            dir_path: The folder.
            list_dir: Whether to list folders.
            list_file: Whether to list files.
            suffix: If given, only files that end so.
            recursive: Whether to list the folders' contents too.

        Yields:
            Paths below the folder.
        """
        archive, top = split_uri(dir_path)
        waiting = ['']
        while waiting:
            below = waiting.pop()
            for name, is_folder in archive.children('/'.join(filter(None, (top, below)))):
                if is_junk(name):
                    continue
                path = f'{below}/{name}' if below else name
                if is_folder and recursive:
                    waiting.append(path)
                if (is_folder and list_dir) or (not is_folder and list_file and name.endswith(suffix or '')):
                    yield path


def register_archive_backend() -> None:
    """Lets MMEngine read ``archive://…``."""
    if 'archive' not in backends:
        register_backend('archive', ArchiveBackend, prefixes='archive')
