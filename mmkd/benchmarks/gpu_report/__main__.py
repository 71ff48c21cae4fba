"""Runs one part in this process and appends its rows to a file as they come: used by :mod:`.report`."""
import json
import logging
import sys
import warnings
from importlib import import_module

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)

from .settings import Settings


def main() -> None:
    """Takes the part's module, the file and the settings as JSON from the command line."""
    module, path, settings = sys.argv[1:]
    logging.disable(logging.INFO)
    warnings.filterwarnings('ignore', category=FutureWarning)
    with open(path, 'a', encoding='utf-8') as file:
        for row in import_module(f'{__package__}.{module}').measure_part(Settings(**json.loads(settings))):
            print(json.dumps(row), file=file, flush=True)
            print('.', end='', file=sys.stderr, flush=True)
    print(file=sys.stderr)


if __name__ == '__main__':
    main()
