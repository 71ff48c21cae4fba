"""``python -m mmkd``: the same as the command ``mmkd``."""
import sys

from mmkd.cli import main

if __name__ == '__main__':
    sys.exit(main())
