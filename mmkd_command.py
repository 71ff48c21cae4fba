"""Starts the command ``mmkd`` without what ``import mmkd`` sets up.

That is MMEngine with mmkd's additions to it: it takes most of the time of ``mmkd --help``, and ``mmkd doctor`` is most
needed where MMEngine cannot be imported at all. A tool that the command starts imports mmkd as ever.
"""
import sys
from importlib.util import find_spec, module_from_spec


def main() -> int:
    """Runs the command.

    Returns:
        The exit status.
    """
    sys.modules.setdefault('mmkd', module_from_spec(find_spec('mmkd')))  # found, with its path, and not run
    from mmkd.cli import main
    return main()


if __name__ == '__main__':
    sys.exit(main())
