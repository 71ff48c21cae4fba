"""Files and folders that systems and editors leave beside data."""
JUNK = frozenset(('__macosx', '__pycache__', '@eadir', 'lost+found', '$recycle.bin', '#recycle', 'thumbs.db',
                  'desktop.ini', 'system volume information'))


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is no data: hidden, or left by a system, such as ``__MACOSX``."""
    return name.startswith('.') or name.lower() in JUNK


def in_junk(path: str) -> bool:
    """Whether any part of a path below a data set's folder is."""
    return any(is_junk(part) for part in path.split('/') if part not in ('', '.', '..'))
