"""What the arguments of a recipe's parts may be."""
import math

import numpy as np
import pytest

from mmkd.utils import UserError
from mmkd.utils.building.arguments import (
    COUNT,
    FLAG,
    NONE,
    POSITIVE,
    SIZE,
    check_arguments,
    each,
    either,
    number,
    one_of,
    whole,
)


@pytest.mark.parametrize(('rule', 'good', 'bad'), [
    (POSITIVE, (1, 0.5, np.float32(2), 1e300), (0, -1, math.nan, math.inf, True, '1', None, 10**400)),
    (number(0, below=1), (0, 0.999), (1, -1e-9)), (number(1, 4), (1, 4), (0.99, 4.01)),
    (number(), (-1e300, 0), (math.nan, -math.inf)), (COUNT, (1, np.int64(3)), (0, 1.0, True, None, 2**40)),
    (whole(0, 3), (0, 3), (-1, 4)), (one_of(('a', 'b')), ('a', ), ('c', None, ['a'], 1)),
    (FLAG, (True, False), (0, 1, 'no', None)), (SIZE, ((1, 2), [3, 4]), (1, (1, ), (1, 0), (1, 2, 3), 'ab')),
    (each(COUNT), ([1], (2, 3)), ([], 1, [0], '12')), (each(COUNT, empty=True), ([], ), ([0], )),
    (each(POSITIVE, length=2), ((1, 2), ), ((1, ), (1, 2, 3))), (either(COUNT, NONE), (None, 1), (0, 'None')),
])
def test_rules(rule, good, bad):
    for value in good:
        check_arguments('it', x=(value, rule))
    for value in bad:
        with pytest.raises(UserError, match='it expects x to be'):
            check_arguments('it', x=(value, rule))


@pytest.mark.parametrize(('rule', 'text'), [
    (POSITIVE, 'a finite number above 0'), (number(low=0), 'a finite number of at least 0'),
    (number(1, 4), 'a finite number from 1 to 4'), (number(0, below=1), 'a finite number from 0 to below 1'),
    (number(above=0, high=9), 'a finite number above 0 up to 9'), (number(), 'a finite number'),
    (either(COUNT, NONE), 'a whole number of at least 1, or None')])
def test_words(rule, text):
    assert rule.text == text


def test_the_message_names_the_owner_and_the_nearest_choice():
    with pytest.raises(UserError, match=r"^dict expects x to be one of mean, sum, got 'meen'. Change x, or leave it "
                                        r'out\. Did you mean mean\? Valid: mean, sum\.$'):
        check_arguments({}, x=('meen', one_of(('mean', 'sum'))))
