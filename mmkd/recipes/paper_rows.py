"""The papers' result rows, what they say of each training, and the recipes that repeat them.

``configs/<paper>/rows.yml`` holds, transcribed from a paper:

.. code-block:: yaml

    paper: 'Huang et al., Are Large Kernels Better Teachers ..., 2023, arXiv 2305.19412'
    settings:                      # hyper-parameters under the names of tests.configs.recipe_facts
      adamw120: {optimizer: AdamW, lr: 4.0e-3, batch_size: 4096, epochs: 120}
    rows:
      - {table: Table 1, config: large_kernel_kd/resnet50_slak-tiny-nkd_32xb128-120e_in1k.py, teacher: SLaK-T,
         student: ResNet-50, figure: 78.57 top1, settings: [adamw120], facts: {term.nkd.temperature: 1.0}}
      - {table: Figure 1, rows: all, command: mmkd analyse erf MODEL=CHECKPOINT …}
      - {table: Table 8, rows: all, why: 'parameters and FLOPs, no training'}

A row may name a ``paper`` of its own. One without ``config`` has the ``command`` that makes the figures from trained
models, or says ``why`` there is none.
"""
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.fileio import load

from mmkd.utils import UserError
from mmkd.utils.configs.finding import config_root

KEYS = {'table', 'config', 'teacher', 'student', 'figure', 'settings', 'facts', 'why', 'rows', 'status', 'note',
        'command', 'paper'}


@dataclass(frozen=True)
class Row:
    """A row of a paper's table.

    Args:
        paper: The paper.
        table: Its table.
        config: Recipe below ``configs``; None where there cannot be one.
        teacher: Teacher as the paper names it; empty for ordinary training.
        student: Student as the paper names it.
        figure: The paper's figure, with its metric.
        facts: What the paper states of the training, under the names of :mod:`tests.configs.recipe_facts`.
        why: Why there is no recipe.
        command: What makes the figures, where they are looked up in models that are there.
        rows: Which rows of the table are meant, where that is several.
        status: ``not run here`` or what was measured.
        note: What differs from the paper, if anything.
    """
    paper: str
    table: str
    config: str | None = None
    teacher: str = ''
    student: str = ''
    figure: str = ''
    facts: dict[str, Any] = field(default_factory=dict)
    why: str = ''
    command: str = ''
    rows: str = ''
    status: str = 'not run here'
    note: str = ''


def read_rows(path: Path) -> list[Row]:
    """Reads a paper's rows.

    Raises:
        UserError: A row has an unknown key or setting, or not one of a config, a command and a reason.
    """
    content = load(str(path))
    rows = []
    for entry in content['rows']:
        entry = dict(entry)
        unknown = set(entry) - KEYS
        if unknown or len({'config', 'command', 'why'} & entry.keys()) != 1:
            raise UserError(f'{path} expects rows with keys of {", ".join(sorted(KEYS))}, and one of config, command '
                            f'and why, got {entry}.')
        facts: dict[str, Any] = {}
        for name in entry.pop('settings', []):
            if name not in content['settings']:
                raise UserError(f'{path} expects settings of {", ".join(content["settings"])}, got {name!r}.')
            facts |= content['settings'][name]
        facts |= entry.pop('facts', {})
        texts = {'paper': content['paper']} | {key: str(value) for key, value in entry.items()}
        rows.append(Row(facts=facts, **texts))
    return rows


def all_rows() -> Iterator[Row]:
    """The rows of all papers."""
    for path in sorted(config_root().glob('*/rows.yml')):
        yield from read_rows(path)


def recipes_page() -> str:
    """The text of ``docs/recipes.md``: every row, with its recipe."""
    rows = list(all_rows())
    lines = ['# Recipes', '', 'Every result row of the papers, and the config or the command that repeats it. The '
             'figures are the papers\'. '
             'Made by `python tools/misc/make_recipes_page.py` from `configs/*/rows.yml`; a test compares every '
             'hyper-parameter that a paper states with the resolved config.', '']
    for paper in dict.fromkeys(row.paper for row in rows):
        lines += [f'## {paper}', '', '| table | teacher | student | schedule | figure | config | status |',
                  '| --- | --- | --- | --- | --- | --- | --- |']
        lines += [_line(row) for row in rows if row.paper == paper] + ['']
    return '\n'.join(lines)


def _line(row: Row) -> str:
    if row.config is None:
        made = f'`{row.command}`' if row.command else f'none: {row.why}'
        return f'| {row.table} | {row.teacher} | {row.student or row.rows} | | {row.figure} | {made} | |'
    path = Path(row.config)
    config = f'[{path.stem}](../configs/{path.as_posix()})' + (f' ({row.note})' if row.note else '')
    schedule = (f'{row.facts["epochs"]} epochs' if 'epochs' in row.facts
                else f'{row.facts["iterations"]:,} iterations' if 'iterations' in row.facts else '')
    return (f'| {row.table} | {row.teacher} | {row.student} | {schedule} | {row.figure} | {config} | {row.status} |')
