"""Figures in the docs that code prints are what the code prints today."""
import re
from pathlib import Path

import pytest
from mmkd import connectors, losses

from mmkd.experiments.method_comparison import describe_terms
from mmkd.experiments.quickstart_report import table
from mmkd.utils.command_line.tables import text_table
from mmkd.utils.configs.finding import load_config

ROOT = Path(__file__).parents[2]
README, METHODS = ((ROOT / name).read_text(encoding='utf-8') for name in ('README.md', 'docs/compare_methods.md'))
CONFIGS = {path.stem: path for path in sorted((ROOT / 'configs/quickstart/methods').glob('*.py'))}
NUMBER_WORDS = {19: 'Nineteen', 20: 'Twenty', 21: 'Twenty-one', 22: 'Twenty-two', 23: 'Twenty-three'}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip('|').split('|')]


def method_rows() -> dict[str, list[str]]:
    lines = METHODS.partition('| method |')[2].partition('\n\n')[0].splitlines()[4:]
    return {row[0]: row for row in map(cells, lines)}


def test_every_row_has_its_recipes_settings():
    """A recipe without a row is no fault: its figures want a run of an hour."""
    rows = method_rows()
    assert {name: row[-1] for name, row in rows.items()} == {
        name: describe_terms(load_config(str(CONFIGS[name])).model) for name in rows}
    assert f'{NUMBER_WORDS[len(rows)]} recipes between' in METHODS
    assert f'and {len(rows) - 1} more methods' in README


@pytest.mark.parametrize('page', ['README.md', 'CHANGELOG.md', 'docs/comparison.md', 'docs/losses.md'])
def test_counts_of_losses_and_connectors(page):
    """There are at least as many as a page says, so that one more needs no change of the pages."""
    text = (ROOT / page).read_text(encoding='utf-8')
    assert all(int(count) <= len(losses.__all__) for count in re.findall(r'(\d+) losses', text))
    assert all(int(count) <= len(connectors.__all__) for count in re.findall(r'(\d+) connectors', text))


def test_gains_are_those_of_the_accuracies():
    """Mean gain is the difference of means, and Effective Gain that over the teacher's, up to rounding."""
    teacher, alone = (float(re.search(rf'\| \*{name}\* \| ([\d.]+)', METHODS)[1])
                      for name in ('teacher', 'student alone'))
    for name, (_, top1, direct, effective, *_) in method_rows().items():
        top1, direct, effective = (float(cell.split()[0]) for cell in (top1, direct, effective))
        assert abs(direct - (top1 - alone)) < 0.11 and abs(effective - 100 * direct / teacher) < 0.12, name


@pytest.mark.parametrize(('row', 'config', 'top1'), [
    ('the quick start, in', 'quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py', README),
    ('`fd_nkd` above', 'quickstart/methods/fd_nkd.py', 'fd_nkd'), ('`nkd` above', 'quickstart/methods/nkd.py', 'nkd')])
def test_which_nkd_is_which(row, config, top1):
    (line, ) = [cells(line) for line in METHODS.splitlines() if line.startswith(f'| {row}')]
    loss = load_config(config).model.terms.nkd.loss
    assert line[1:3] == [f'{loss.temperature:g}', f'{loss.gamma:g}']
    assert line[-1] == (method_rows()[top1][1] if top1 in CONFIGS else
                        re.search(r'student, NKD, .*?  +\S+ ± \S+  +(\S+ ± \S+)', README)[1])


def test_readme_names_the_quick_starts_setting():
    loss = load_config('quickstart/convnest-mini_slak-mini-nkd_digits-5shot.py').model.terms.nkd.loss
    assert f'This NKD has temperature {loss.temperature:g}\nand γ {loss.gamma:g};' in README


def test_the_quick_starts_table_is_laid_out_by_the_code():
    """The figures, put into the report again, give the block of README to the letter."""
    block = re.search(r'<!-- quickstart-output -->\n```\n(.*?)\nTook', README, re.DOTALL)[1]
    lines = block.splitlines()
    starts = [match.start() for match in re.finditer('-+', lines[1])]
    rows = [[line[start:end].strip() for start, end in zip(starts, [*starts[1:], None])] for line in lines[2:]]
    students = next(row for row in rows if row[0].startswith('student'))
    report = dict(teacher_top1=float(rows[0][2]), student_alone_top1=mean(students[2]),
                  student_distilled_top1=mean(students[3]), gain=mean(students[4], seeds=int(students[0].split()[-2])))
    for row in rows[2:]:
        figure = re.search(r'\w+_mAP|mIoU', row[0])[0]
        report[figure] = dict(scratch=float(row[1]), distilled=float(row[3]))
    laid_out = table(report)
    for number, row in enumerate(rows[2:], 3):  # of rounded figures the difference may be off by one
        assert abs(float(laid_out[number][-1]) - float(row[4])) < 1.5 * 10**-len(row[4].partition('.')[2])
        laid_out[number] = (*laid_out[number][:-1], row[4])
    assert text_table(laid_out[0], laid_out[1:], rule=True) == block


def mean(text: str, seeds: int = 5) -> dict:
    value, error = map(float, re.match(r'([+-]?[\d.]+) ± ([\d.]+)', text).groups())
    many = re.search(r'\(([\d.]+) standard', text)
    return dict(values=[value] * seeds, mean=value, standard_error=error,
                in_standard_errors=float(many[1]) if many else None)
