"""Formulas as MathML, which browsers draw by themselves: no script, no font and no other server is needed."""
import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)
# docutils does not know these: MathML stretches brackets by itself, and has one kind of dots. An index behind an accent
# would be drawn below it.
REPLACED = {
    r'(\\(?:wide)?(?:hat|bar|tilde))\s*(\w|\{[^{}]*\}|\\[a-z]+)(?=[_^])': r'{\1{\2}{}}',
    r'\\[bB]igg?[lrm]?(?![A-Za-z])': '',
    r'\\dots(?![A-Za-z])': r'\\ldots',
    '×': r'\\times ',
}


def to_mathml(formula: str, as_block: bool) -> str:
    """Translates a formula from LaTeX.

    Raises:
        MathError: It has a command that docutils does not know.
    """
    for pattern, replacement in REPLACED.items():
        formula = re.sub(pattern, replacement, formula)
    return tex2mathml(formula, as_block=as_block)


def _visit(self: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    as_block = isinstance(node, nodes.math_block)
    try:
        markup = to_mathml(node.astext(), as_block)
    except (MathError, AttributeError) as error:  # the latter where it is cut off
        LOGGER.warning('a formula cannot be drawn: %s (%s)', node.astext(), error, location=node)
        raise nodes.SkipNode from error
    self.body.append(f'<div class="math">{markup}</div>' if as_block else markup)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer and chooses it."""
    app.add_html_math_renderer('mathml', (_visit, None), (_visit, None))
    app.config.html_math_renderer = 'mathml'
    return dict(parallel_read_safe=True, parallel_write_safe=True)
