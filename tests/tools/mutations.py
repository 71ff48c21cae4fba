"""Recipes with one field that is wrong: another type, a misspelt name, a number out of all bounds, a misspelt key."""
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass

NAN = float('nan')


@dataclass(frozen=True)
class Mutation:
    """What is done to a recipe.

    Args:
        path: Keys (and indices) of the field.
        kind: What is done.
        value: What the field becomes; for a key that is renamed, its new name.
    """
    path: tuple
    kind: str
    value: object

    @property
    def name(self) -> str:
        return f'{".".join(map(str, self.path))}: {self.kind}'

    def of(self, recipe: dict) -> dict:
        """The recipe with the field changed."""
        recipe = copy.deepcopy(recipe)
        parent = recipe
        for key in self.path[:-1]:
            parent = parent[key]
        if self.kind == 'misspelt key':
            items = [(self.value if key == self.path[-1] else key, value) for key, value in parent.items()]
            parent.clear()
            parent.update(items)
        else:
            parent[self.path[-1]] = copy.deepcopy(self.value)
        return recipe


def misspelt(name: str) -> str:
    """A name without its middle letter."""
    middle = len(name) // 2
    return name[:middle] + name[middle + 1:]


def _changes(value: object) -> dict[str, object]:
    """All that a field may wrongly be."""
    other = {'None': None, 'text': 'abc', 'number': 3, 'list': [1, 'a'], 'dict': dict(a=1)}
    if isinstance(value, bool):
        wrong = ('None', 'text', 'list', 'dict')
    elif isinstance(value, int | float):
        wrong = ('None', 'text', 'list', 'dict')
        huge = 10 ** 12 if isinstance(value, int) else 1e30
        return {**{kind: other[kind] for kind in wrong}, 'negative': -abs(value) or -1, 'huge': huge, 'NaN': NAN}
    elif isinstance(value, str):
        wrong = ('None', 'number', 'list', 'dict')
        return {**{kind: other[kind] for kind in wrong}, 'misspelt name': misspelt(value), 'empty': ''}
    elif isinstance(value, dict):
        return {'None': None, 'text': 'abc', 'number': 3, 'list of its values': list(value.values()), 'empty': {}}
    elif isinstance(value, list | tuple):
        return {'None': None, 'text': 'abc', 'number': 3, 'dict of its items': dict(enumerate(value)), 'empty': []}
    else:
        wrong = ('text', 'number', 'list', 'dict')
    return {kind: other[kind] for kind in wrong}


def _fields(value: object, path: tuple = ()) -> Iterator[tuple[tuple, object]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        yield (*path, key), item
        yield from _fields(item, (*path, key))


def all_mutations(recipe: dict) -> list[Mutation]:
    """Every field of a recipe, wrong in every way."""
    found = []
    for path, value in _fields(recipe):
        found += [Mutation(path, kind, wrong) for kind, wrong in _changes(value).items() if wrong != value]
        if isinstance(path[-1], str) and len(path[-1]) > 2:
            found.append(Mutation(path, 'misspelt key', misspelt(path[-1])))
    return found


def sample(recipe: dict, count: int, seed: int = 0) -> list[Mutation]:
    """A sample that is the same each time, and in which each way to be wrong has its turn."""
    chance = random.Random(seed)
    by_kind: dict[str, list[Mutation]] = {}
    for mutation in all_mutations(recipe):
        by_kind.setdefault(mutation.kind, []).append(mutation)
    for mutations in by_kind.values():
        chance.shuffle(mutations)
    taken = []
    while len(taken) < count:
        for mutations in by_kind.values():
            if mutations:
                taken.append(mutations.pop())
    return taken[:count]
