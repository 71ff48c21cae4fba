"""``mmkd completion bash|zsh``: a script that completes commands, options, their values, and names of configs.

The options are read from the code of the tools, since importing all of them would take most of a minute. Configs are
looked for when a word is completed, so that a new one counts at once.
"""
import ast
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from .cli import ToolParser
from .tool_paths import PACKAGE, tools_folder

CONFIGS = {'CONFIG', 'RECIPE', 'config', 'MODEL[=CHECKPOINT]'}
ALWAYS = ('--help', '--traceback')
SCRIPT = """\
_mmkd() {{
  local IFS=$'\\n'
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="${{COMP_WORDS[1]}}"
  local start=2 words='' configs=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=( $(compgen -W {first} -- "$word") )
    return
  fi
  case "$command" in {groups})
    if [ "$COMP_CWORD" -gt 2 ]; then command="$command ${{COMP_WORDS[2]}}" start=3; fi ;;
  esac
  case "$word" in
    -*)
      case "$command" in
{options}
      esac
      COMPREPLY=( $(compgen -W "$words" -- "$word") )
      return ;;
  esac
  case "$command $before" in
{values}
  esac
  if [ -n "$words" ]; then
    COMPREPLY=( $(compgen -W "$words" -- "$word") )
    return
  fi
  case "$command" in
{configs}) configs="$(cd {root} && find -L . -name '*.py' ! -path './_base_/*' | cut -c 3-)" ;;
  esac
  if [ "$COMP_CWORD" -eq "$start" ]; then
    case "$command" in
{words}
    esac
  fi
  COMPREPLY=( $(compgen -W "$words$configs" -- "$word"; compgen -f -- "$word") )
}}
complete -o filenames -F _mmkd mmkd
"""
ZSH = """\
(( $+functions[compdef] )) || { autoload -U compinit && compinit }
autoload -U +X bashcompinit && bashcompinit
"""


class Options(NamedTuple):
    """What a tool takes.

    Args:
        names: Its options.
        choices: The words that may follow an option, where they are written beside it.
        configs: Whether it takes names of configs.
    """

    names: list[str]
    choices: dict[str, list[str]]
    configs: bool


def read_options(path: Path) -> Options:
    """Reads the options of a tool from its code.

    Args:
        path: The tool, which adds them by ``add_argument`` with the names written out, or by functions of mmkd's
            that it imports from their module and whose names begin with ``add_``.
    """
    names: list[str] = []
    choices: dict[str, list[str]] = {}
    configs = False
    tree = ast.parse(path.read_text(encoding='utf-8'))
    for call in (call for part in (tree, *_shared_options(tree)) for call in _calls(part)):
        words = [str(word.value) for word in call.args if isinstance(word, ast.Constant)]
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if ast.unparse(given.get('help', call.func)) == 'argparse.SUPPRESS':
            continue
        metavar = given.get('metavar')
        configs |= bool(CONFIGS & {*words, metavar.value if isinstance(metavar, ast.Constant) else ''})
        options = [word for word in words if word.startswith('-')]
        names += options
        if isinstance(given.get('choices'), ast.List | ast.Tuple):
            choices |= {option: list(ast.literal_eval(given['choices'])) for option in options}
    return Options([*names, *ALWAYS], choices, configs)


def _shared_options(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions of mmkd's by which a tool adds options that it shares with others."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not (node.module or '').startswith('mmkd.'):
            continue
        names = {alias.name for alias in node.names if alias.name.startswith('add_')}
        path = PACKAGE.parent.joinpath(*(node.module or '').split('.')).with_suffix('.py')
        for function in ast.walk(ast.parse(path.read_text(encoding='utf-8'))) if names and path.is_file() else ():
            if isinstance(function, ast.FunctionDef) and function.name in names:
                yield function


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == 'add_argument':
            yield node


def tool_file(tool: str) -> Path:
    """The file with the parser of a tool, which is a path below ``tools`` or a module of mmkd."""
    if tool.endswith('.py'):
        return tools_folder() / tool
    path = PACKAGE.parent.joinpath(*tool.split('.'))
    return path / '__main__.py' if path.is_dir() else path.with_suffix('.py')


def script(shell: str, commands: Mapping[str, tuple[str, tuple[str, ...]]]) -> str:
    """The script for a shell.

    Args:
        shell: ``'bash'`` or ``'zsh'``.
        commands: Of each command the tool, and the words that may follow.
    """
    options = {name: read_options(tool_file(tool)) for name, (tool, _) in commands.items()}
    follow = {name: list(words) for name, (_, words) in commands.items() if words}
    for name in commands:
        first, _, second = name.partition(' ')
        if second:
            follow.setdefault(first, []).append(second)
    text = SCRIPT.format(
        first=_lines(name.partition(' ')[0] for name in commands),
        groups='|'.join(dict.fromkeys(name.partition(' ')[0] for name in commands if ' ' in name)),
        options=_cases({name: found.names for name, found in options.items()}),
        values=_cases({f'{name} {option}': choices for name, found in options.items()
                       for option, choices in found.choices.items()}),
        configs='    ' + '|'.join(_pattern(name) for name, found in options.items() if found.configs),
        root=shlex.quote(str(tools_folder().parent / 'configs')), words=_cases(follow))
    return (ZSH if shell == 'zsh' else '') + text


def _cases(words: Mapping[str, list[str]]) -> str:
    """Branches of a shell's ``case``, which put down the words that may follow."""
    return '\n'.join(f'        {_pattern(name)}) words={_lines(listed)} ;;' for name, listed in words.items())


def _lines(words: Iterable[str]) -> str:
    return "$'" + '\\n'.join(dict.fromkeys(words)) + "'"


def _pattern(name: str) -> str:
    return name.replace(' ', '\\ ')


def main(argv: list[str], commands: Mapping[str, tuple[str, tuple[str, ...]]]) -> int:
    """Prints the script.

    Args:
        argv: What follows ``mmkd completion``.
        commands: See :func:`script`.

    Returns:
        The exit status.
    """
    parser = ToolParser(
        prog='mmkd completion', description='Prints a script that completes the words of mmkd in a shell.',
        epilog='For bash: eval "$(mmkd completion bash)" in ~/.bashrc. For zsh the same in ~/.zshrc.')
    parser.add_argument('shell', choices=['bash', 'zsh'])
    print(script(parser.parse_args(argv).shell, commands), end='')
    return 0
