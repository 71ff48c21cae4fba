"""The categories of a COCO annotation file, in the file's order, without reading all of a large one."""
import json
import mmap
import re
from functools import lru_cache
from pathlib import Path

from mmengine.fileio import get

WHOLE = 16 << 20  # bytes up to which a file is simply parsed
WINDOW = 4 << 20  # bytes that the categories of a large file may take
_KEY = re.compile(rb'"categories"\s*:\s*\[')


@lru_cache(maxsize=16)
def _parsed(path: str, stamp: tuple[int, int]) -> tuple[tuple[int, str], ...]:
    if '://' in path or stamp[0] <= WHOLE:
        return _id_name_pairs(json.loads(get(path)).get('categories', ()))
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = []
        for match in _KEY.finditer(content):
            text = content[match.end() - 1:match.end() - 1 + WINDOW].decode(errors='replace')
            try:
                rows = json.JSONDecoder().raw_decode(text)[0]
            except ValueError:
                continue
            if rows and all(isinstance(row, dict) and {'id', 'name'} <= row.keys() for row in rows):
                found.append(rows)
    if len(found) == 1:
        return _id_name_pairs(found[0])
    return _id_name_pairs(json.loads(get(path)).get('categories', ()))


def _id_name_pairs(rows: list[dict]) -> tuple[tuple[int, str], ...]:
    return tuple((row['id'], str(row['name'])) for row in rows)


def category_names(path: str) -> tuple[tuple[int, str], ...]:
    """Ids and names of a COCO annotation file's categories.

    Args:
        path: The file; ``archive://…`` too.

    Returns:
        The pairs in the file's order; nothing if it is no JSON file.
    """
    if not path.endswith('.json'):
        return ()
    status = Path(path).stat() if '://' not in path else None
    return _parsed(path, (status.st_size, status.st_mtime_ns) if status else (0, 0))
