"""The folders of jobs: which ones are, and what may be removed."""
import shutil
from pathlib import Path

from mmkd.utils.files.small import read_json

UNFINISHED, DONE = 'run.json', 'done.json'  # what a job writes into its folder, with its key


def is_job_folder(folder: Path) -> bool:
    """Whether a job was here; a file of one of those names that somebody else wrote has no key."""
    return any('key' in read_json(folder / name) for name in (UNFINISHED, DONE))


def remove_job_folder(folder: Path) -> bool:
    """Removes a job's folder; any other folder is left alone.

    Returns:
        Whether it was a job's.
    """
    own = is_job_folder(folder)
    if own:
        shutil.rmtree(folder)
    return own
