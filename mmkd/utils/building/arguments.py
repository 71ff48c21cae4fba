"""What the arguments of a recipe's parts may be, checked when they are built."""
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from mmkd.utils.errors import UserError, nearest


@dataclass(frozen=True)
class Rule:
    """What an argument has to be.

    Args:
        text: It in words, behind "to be".
        holds: Whether a value is that.
        choices: All valid values, where they have names.
    """
    text: str
    holds: Callable[[object], bool]
    choices: tuple[str, ...] = ()


def check_arguments(what: object, **arguments: tuple[object, Rule]) -> None:
    """Compares arguments with their rules.

    Args:
        what: Whose they are: its name, or the object.
        **arguments: Name to value and rule.

    Raises:
        UserError: A value breaks its rule.
    """
    for name, (value, rule) in arguments.items():
        if not rule.holds(value):
            owner = what if isinstance(what, str) else type(what).__name__
            hint = f' {nearest(value, rule.choices)}' if rule.choices and isinstance(value, str) else ''
            raise UserError(f'{owner} expects {name} to be {rule.text}, got {value!r}. '
                            f'Change {name}, or leave it out.{hint}')


def number(low: float = -math.inf, high: float = math.inf, above: float | None = None,
           below: float | None = None) -> Rule:
    """A finite number.

    Args:
        low: The least that is allowed.
        high: The most that is allowed.
        above: It has to be greater than this.
        below: It has to be less than this.
    """
    first = f'from {low:g}' if math.isfinite(low) else '' if above is None else f'above {above:g}'
    last = '' if below is None else f'to below {below:g}'
    if math.isfinite(high):
        last = f'{"to" if above is None else "up to"} {high:g}'
    limits = first.replace('from', 'of at least') if not last else f'{first} {last}'

    def holds(value: object) -> bool:
        return (isinstance(value, Real) and not isinstance(value, bool) and is_finite(value)
                and low <= value <= high and (above is None or value > above) and (below is None or value < below))

    return Rule(f'a finite number {limits}'.strip(), holds)


def is_finite(value: Real) -> bool:
    """Whether a number is one that a float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def whole(low: int = 1, high: int = 2**31 - 1) -> Rule:
    """A whole number."""
    text = f'of at least {low}' if high == 2**31 - 1 else f'from {low} to {high}'
    return Rule(f'a whole number {text}', lambda value: (
        isinstance(value, Integral) and not isinstance(value, bool) and low <= value <= high))


def one_of(choices: Sequence[str]) -> Rule:
    """One of several names."""
    names = tuple(choices)
    return Rule(f'one of {", ".join(names)}', lambda value: isinstance(value, str) and value in names, names)


def each(rule: Rule, empty: bool = False, length: int | None = None) -> Rule:
    """A list or tuple of values that keep to a rule.

    Args:
        rule: The rule.
        empty: Whether there may be none.
        length: How many there have to be, if that is fixed.
    """
    return Rule(f'a list{"" if length is None else f" of {length}"}, each {rule.text}', lambda value: (
        isinstance(value, list | tuple) and (empty or len(value) > 0) and length in (None, len(value))
        and all(map(rule.holds, value))))


def either(*rules: Rule) -> Rule:
    """What keeps to one of several rules."""
    return Rule(', or '.join(rule.text for rule in rules), lambda value: any(rule.holds(value) for rule in rules))


POSITIVE = number(above=0)
NON_NEGATIVE = number(low=0)
SHARE = number(low=0, high=1)
TEMPERATURE = number(low=1e-3, high=1e3)  # beyond, fp32 has no digits left for what the loss compares
COUNT = whole()
LABEL = whole(0)
COUNTS = either(COUNT, each(COUNT))  # of one tap or of several
FLAG = Rule('True or False', lambda value: isinstance(value, bool))
NONE = Rule('None', lambda value: value is None)
SIZE = Rule('a height and a width', lambda value: (
    isinstance(value, list | tuple) and len(value) == 2 and all(map(COUNT.holds, value))))
