"""Arguments of mmkd's classes are held against their signatures, wherever the class is built."""
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from mmkd.registry import MODELS
from mmkd.utils import UserError
from mmkd.utils.building.signatures import checks_arguments, fits


@pytest.mark.parametrize(('hint', 'right', 'wrong'), [
    (float, [1, 2.5], ['1', None, True, float('nan'), float('inf'), [1.]]),
    (int, [1, -3], [1.5, '1', None, True]),
    (bool, [True, False], [1, 'yes', None]),
    (str, ['a'], [1, None, ['a']]),
    (dict | None, [{}, None], [[], 'a', 1]),
    (tuple[int, int], [(1, 2), [3, 4]], [[1], [1, 2, 3], ['a', 2], 5, '12']),
    (Sequence[str], [['a'], ()], ['ab', [1], {}]),
    (int | list[int], [1, [1, 2]], ['a', [1, 'a']]),
    (Literal['a', 'b'], ['a'], ['c']),
    (str | Path, ['a', Path('a')], [1])])
def test_what_fits(hint, right, wrong):
    assert all(fits(value, hint) for value in right)
    assert not any(fits(value, hint) for value in wrong)


@pytest.mark.parametrize(('cfg', 'message'), [
    (dict(type='mmkd.ConvNeSt', archh='tiny'),
     "ConvNeSt expects arguments that it has, got 'archh'. Did you mean arch"),
    (dict(type='mmkd.ConvNeSt', drop_path_rate='a lot'),
     "ConvNeSt expects drop_path_rate to be a finite number, got 'a lot'. Change drop_path_rate"),
    (dict(type='mmkd.SLaK', drop_path_rate=[0.1]), 'SLaK expects drop_path_rate to be a finite number'),
    (dict(type='mmkd.KDLoss', temperature=[4]), r'KDLoss expects temperature to be .* number.*, got \[4\]'),
    (dict(type='mmkd.ConvConnector', teacher_channels=4), "expects other arguments: missing .*'student_channels'")])
def test_a_class_that_a_config_names(cfg, message):
    with pytest.raises(UserError, match=message):
        MODELS.build(cfg)


def test_arguments_handed_on_and_subclasses():
    class Base:
        def __init__(self, width: int = 1) -> None:
            self.width = width

    @checks_arguments
    class Inner(Base):
        def __init__(self, height: int, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.height = height

    class Outer(Inner):
        def __init__(self, depth: int) -> None:
            super().__init__(height=2 * depth)

    assert (Inner(3, width=2).width, Outer(2).height) == (2, 4)
    with pytest.raises(UserError, match="got 'widht'. Did you mean width"):
        Inner(3, widht=2)
    with pytest.raises(TypeError):
        Outer('a', 'b')
