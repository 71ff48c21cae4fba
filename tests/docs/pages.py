"""Reading what the pages of the documentation hold: files to write, commands to run, code to execute."""
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
BLOCK = r'```{language}\n(.*?)```'


def text_of(page: str) -> str:
    """The Markdown of a page of ``docs``."""
    return (DOCS / page).read_text(encoding='utf-8')


def write_files(page: str, folder: Path) -> list[Path]:
    """Writes the blocks that a page marks as files into a folder, and returns their paths."""
    written = []
    for name, code in re.findall(r'<!-- file: (\S+) -->\n```python\n(.*?)```', text_of(page), re.DOTALL):
        path = folder / name
        assert not path.exists(), f'{page}: {name} is there already'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding='utf-8')
        written.append(path)
    return written


def commands(page: str, name: str = '') -> list[list[str]]:
    """The words of each command of a block that is marked ``<!-- commands: NAME -->``, without ``python``."""
    mark = re.escape(f'<!-- commands: {name} -->' if name else '<!-- commands -->')
    block = re.search(mark + r'\n```bash\n(.*?)```', text_of(page), re.DOTALL).group(1)
    return [shlex.split(line, comments=True)[1:] for line in block.replace('\\\n', ' ').splitlines() if line.strip()]


def code_to_run(page: str) -> list[str]:
    """The Python blocks that a page marks with ``<!-- run -->``, in their order."""
    return re.findall(r'<!-- run -->\n```python\n(.*?)```', text_of(page), re.DOTALL)
