"""``mmkd doctor``: a line a thing, with what to mend."""
import argparse
import json

from mmkd.utils.command_line.cli import ToolParser
from mmkd.utils.command_line.tables import text_table

from .finding import ERROR, WARNING, Finding
from .machine import machine_findings, torch_findings
from .packages import package_findings


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        prog='mmkd doctor', description='Looks at this installation and machine, and says what to mend.',
        epilog='A warning is about something that will not work, or slowly; an error about all. Exit status: 0 without '
               'errors, 1 with any.')
    parser.add_argument('--json', action='store_true', help='print a list of dicts: status, what, found, mend')
    return parser.parse_args(argv)


def report(findings: list[Finding]) -> str:
    """The findings as a table, what to mend below each, and how many are wrong."""
    rows = [(finding.status, finding.what, finding.found + (f'\n-> {finding.mend}' if finding.mend else ''))
            for finding in findings]
    counts = [sum(finding.status == status for finding in findings) for status in (ERROR, WARNING)]
    lines = text_table(('', '', ''), rows).splitlines()[1:]
    said = [f'{count or "no"} {name}{"s" * (count != 1)}' for count, name in zip(counts, (ERROR, WARNING), strict=True)]
    return '\n'.join([*lines, '', ', '.join(said)])


def main(argv: list[str]) -> int:
    """Runs the command.

    Args:
        argv: What follows ``mmkd doctor``.

    Returns:
        The exit status: 1 if there is an error.
    """
    args = parse_args(argv)
    findings = [*package_findings(), *torch_findings(), *machine_findings()]
    if args.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2, ensure_ascii=False))
    else:
        print(report(findings))
    return int(any(finding.status == ERROR for finding in findings))
