"""Classes and shares that do not fit the data of a call."""
import pytest
from PIL import Image
from torch.utils.data import Dataset

from mmkd.apis.distilling.sources import source_of
from mmkd.utils import UserError

from .conftest import write_classes


class Items(Dataset):
    """Pictures of two classes or more, with names if some are given."""

    def __init__(self, *names: str) -> None:
        self.count = len(names) or 2
        if names:
            self.classes = names

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        if index >= len(self):
            raise IndexError
        return Image.new('RGB', (8, 8)), index % self.count


def found(data, classes=None, labels=True, share=0.2):
    return source_of(data, labels, share, 0, 'refuse', classes)


def test_two_data_sets_number_the_classes_alike():
    with pytest.raises(UserError, match='one numbering of the classes, got cat to train where dog is to validate'):
        found((Items('cat', 'dog'), Items('dog', 'cat')))
    with pytest.raises(UserError, match='got dog to train where fox is to validate'):
        found((Items('cat', 'dog'), Items('cat', 'fox')), ['a', 'b'])
    with pytest.raises(UserError, match='in its own order, got dog in the place of cat'):
        found((Items(), Items('cat', 'dog')), ['dog', 'cat'])
    with pytest.raises(UserError, match='in its own order, got dog in the place of cat'):
        found(Items('cat', 'dog'), ['dog', 'cat'])
    for data in (Items('cat', 'dog'), Items()), (Items('cat', 'dog', 'emu'), Items('cat', 'dog')):
        assert found(data).classes == data[0].classes
    assert found((Items('cat', 'dog'), Items('cat', 'dog')), ['Katze', 'Hund']).classes == ('Katze', 'Hund')
    assert found((Items('cat', 'dog'), Items('dog', 'cat')), labels=False).classes == ()


def test_classes_are_names_of_a_data_set(tmp_path):
    for wrong in ('cats', 3):
        with pytest.raises(UserError, match=f"classes expects the names of the classes, .* got '?{wrong}"):
            found(Items(), wrong)
    folder = write_classes(tmp_path / 'data', ('x', 'y'), 2)
    with pytest.raises(UserError, match='classes expects a torch Dataset with labels, got .*data. Leave it out'):
        found(folder, ['p', 'q'])
    with pytest.raises(UserError, match='classes expects a torch Dataset with labels, got labels=False'):
        found(Items(), ['p', 'q'], labels=False)
    with pytest.raises(UserError, match="val_share expects a share between 0 and 1, got '0.2'"):
        found(folder, share='0.2')
