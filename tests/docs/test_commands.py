"""Every command of README and the pages names a tool, options and files that are there."""
import re
import shlex
from contextlib import redirect_stdout
from functools import cache
from io import StringIO

import pytest

from mmkd.cli import COMMANDS
from mmkd.utils.command_line.completion import tool_file
from tests.docs.pages import DOCS, ROOT, commands, text_of
from tests.tools.conftest import call

PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted(DOCS.glob('*.md'))]
FOREIGN = {'.', 'source', 'cd', 'eval', 'export', 'git', 'pip', 'mim', 'conda', 'tensorboard', 'pre-commit', 'ruff',
           'mypy', 'python -c', 'python -m pytest', 'python -m venv', 'python3 -m venv', 'python -m http.server',
           'python -m sphinx'}
# names that stand for a reader's own file, and what `mmkd distill` writes (tests/docs/test_first_model.py runs it)
EXAMPLES = {'my_recipe.py', 'my_teacher.py', 'my_student.py', 'work_dirs/digits/config.py'}
FLAGS_OF = {'tools/dist_train.sh': 'tools/train.py', 'tools/slurm_train.sh': 'tools/train.py',
            'tools/dist_test.sh': 'tools/test.py', 'tools/slurm_test.sh': 'tools/test.py',
            'tools/quickstart.sh': 'tools/quickstart.py'}


def bash_lines(text: str) -> list[str]:
    """The commands of all bash blocks of a page."""
    blocks = re.findall(r'^```bash\n(.*?)^```', text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in re.sub(r'\\\n\s*', ' ', block).splitlines()
            if line.strip() and not line.startswith('#')]


def words_of(line: str) -> list[str]:
    """The words of a command, without the variables in front of it and what it is piped into."""
    line = re.sub(r'^for .*?; do (.*?);? done$', r'\1', line.strip())
    words = shlex.split(line.partition(' | ')[0], comments=True)
    while words and re.match(r'[A-Z_]+=', words[0]):
        words.pop(0)
    return words


EVERY = [(path.name, line) for path in PAGES if path.is_file() for line in bash_lines(path.read_text(encoding='utf-8'))]
FILES = {name for path in PAGES if path.is_file()
         for name in re.findall(r'<!-- file: (\S+) -->', path.read_text(encoding='utf-8'))}


def tool_of(words: list[str]) -> str | None:
    """The tool of this package that a command runs: its path, or the module behind ``-m``; None for others."""
    if words[0] in FOREIGN or ' '.join(words[:2]) in FOREIGN or ' '.join(words[:3]) in FOREIGN:
        return None
    if words[0] == 'mmkd':
        return tool_of_word(words)
    assert words[0] in ('python', 'bash'), f'an unknown program: {words[0]}'
    return words[2] if words[1] == '-m' else words[1].removeprefix('…/')


def tool_of_word(words: list[str]) -> str | None:
    """The tool behind a word of the command mmkd; None for its own options."""
    if words[1:2] in (['--help'], ['--version']):
        return None
    command = COMMANDS.get(words[1]) or COMMANDS.get(' '.join(words[1:3]))
    assert command, f'an unknown word: {" ".join(words)}'
    return f'tools/{command.tool}' if command.tool.endswith('.py') else command.tool


@cache
def options_of(tool: str) -> str:
    """What a tool prints of itself."""
    if tool.startswith('mmkd.'):
        return tool_file(tool).read_text(encoding='utf-8')
    path = ROOT / tool
    if any(command.words and tool == f'tools/{command.tool}' for command in COMMANDS.values()):
        return path.read_text(encoding='utf-8')  # each of its words has options of its own
    if path.suffix == '.sh':
        return path.read_text(encoding='utf-8') + (options_of(FLAGS_OF[tool]) if tool in FLAGS_OF else '')
    with redirect_stdout(StringIO()) as printed, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path.parent))
        assert call(tool.removeprefix('tools/'), '--help', cwd=ROOT) == 0
    return printed.getvalue()


def is_there(name: str) -> bool:
    """Whether a config is in the repository or in another one, on a page, or stands for a file of the reader's."""
    known = name in EXAMPLES or name in FILES or name.isupper() or '::' in name and not name.startswith('mmkd::')
    known |= name.startswith('work_dirs/')  # what a command before it has written
    name = name.removeprefix('mmkd::')
    return known or (ROOT / name).exists() or (ROOT / 'configs' / name).exists()


def test_there_are_commands():
    assert len(EVERY) > 40 and len({name for name, _ in EVERY}) > 10


@pytest.mark.parametrize('page', sorted({name for name, _ in EVERY}))
def test_tools_options_and_configs_are_there(page):
    for words in (words_of(line) for name, line in EVERY if name == page):
        tool = tool_of(words)
        if tool is None:
            continue
        assert (tool_file(tool) if tool.startswith('mmkd.') else ROOT / tool).is_file(), f'{page}: {tool} is not there'
        for word in words[2:]:
            if re.match(r'--\w', word):
                option = word.partition('=')[0]
                assert re.search(rf'{option}\b', options_of(tool)), f'{page}: {tool} has no {option}'
            elif re.fullmatch(r'[\w./:-]+\.py', word) and word != tool:
                assert is_there(word), f'{page}: {word} is not there'


@pytest.mark.parametrize('tool', ['show_taps.py', 'get_flops.py'])
def test_what_the_analysis_page_prints(tool, capsys):
    pattern = rf'```bash\n(python tools/analysis_tools/{tool} [^\n]*)\n```\n\n```\n(.*?)```'
    command, output = re.search(pattern, text_of('analysis.md'), re.DOTALL).groups()
    capsys.readouterr()
    assert call(f'analysis_tools/{tool}', *shlex.split(command)[2:], cwd=ROOT) == 0
    printed = capsys.readouterr().out
    assert output.partition('…\n')[0] in printed


def test_the_table_of_tools_has_every_word():
    rows = re.findall(r'^\| (.*?) \| (.*?) \|', text_of('tools.md'), re.MULTILINE)
    named = {word: cell for cell, words in rows for word in re.findall(r'`mmkd ([\w ]+)`', words)}
    assert set(named) == set(COMMANDS)
    assert [word for word, cell in named.items() if COMMANDS[word].tool.endswith('.py')
            and f'`tools/{COMMANDS[word].tool}`' not in cell] == []


def test_an_unknown_word_is_found():
    with pytest.raises(AssertionError, match='an unknown word: mmkd fly'):
        tool_of(['mmkd', 'fly', 'config.py'])
    assert tool_of(['mmkd', 'benchmark', 'step', 'a.py']) == 'tools/analysis_tools/benchmark_step.py'


def test_blocks_of_pages_are_found():
    assert commands('add_a_hook.md')[0][:3] == ['-m', 'pytest', '-q']
