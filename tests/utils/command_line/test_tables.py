"""Tables."""
from mmkd.utils.command_line.tables import markdown_table, text_table

HEADER, ROWS = ('name', 'empty', 'value'), [('a', '', '1\n22'), ('long', '', '3')]


def test_text():
    assert text_table(HEADER, ROWS).splitlines() == ['name  value', 'a     1', '      22', 'long  3']
    assert text_table(HEADER, ROWS[1:], rule=True).splitlines() == ['name  value', '----  -----', 'long  3']


def test_markdown():
    assert markdown_table(('a', 'b'), [('1', '2')]) == '| a | b |\n| --- | --- |\n| 1 | 2 |\n'
    assert markdown_table(('a', 'b'), [], numbers=[1]) == '| a | b |\n| --- | ---: |\n'
