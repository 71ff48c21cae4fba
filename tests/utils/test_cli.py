"""What the command-line tools share: looking for the data, and errors of one line."""
import pytest
from mmengine.registry import MODELS

from mmkd.utils import UserError
from mmkd.utils.cli import one_line_errors


def failing(error: BaseException) -> int:
    @one_line_errors
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as exit:
        main()
    return exit.value.code


def test_a_users_mistake_is_one_line(capsys):
    assert failing(UserError('expects A,\n  got B.')) == 2
    assert capsys.readouterr() == ('', 'error: expects A, got B.\n')


def test_the_interrupt_key_is_no_error(capsys):
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == 'interrupted\n'


@pytest.mark.parametrize(('kind', 'message'), [
    ('mmkd.ConvNest', "expects a registered model, got 'mmkd.ConvNest'. Did you mean mmkd.ConvNeSt"),
    ('ConvNest', 'mmkd.ConvNeSt'),
    ('Nonsense12345', "expects a registered model, got 'Nonsense12345'. Check its spelling and its scope.\n")])
def test_an_unknown_type_is_one_line_with_the_nearest(capsys, kind, message):
    with pytest.raises(KeyError) as caught:
        MODELS.build(dict(type=kind))
    assert failing(caught.value) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('error', [KeyError('depths'), KeyError(), ValueError('a bug')])
def test_a_bug_keeps_its_traceback(error):
    @one_line_errors
    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        main()
