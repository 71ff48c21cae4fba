"""What a file says of itself."""
import json
from types import SimpleNamespace

import pytest

from mmkd.export.facts import facts_of
from mmkd.export.network import InputForm


@pytest.mark.parametrize(('order', 'inside', 'said', 'mean'), [
    ('RGB', True, 'RGB', [1, 2, 3]), ('RGB', False, 'RGB', [1, 2, 3]),
    ('BGR', True, 'RGB', [3, 2, 1]), ('BGR', False, 'BGR', [1, 2, 3]), ('grey', True, 'grey', [1, 2, 3])])
def test_mean_and_deviation_stand_in_the_order_of_channels_that_is_named(order, inside, said, mean):
    source = SimpleNamespace(form=InputForm((1, 2, 3), (4, 5, 6), order), classes=('cat', ), name='x')
    facts = facts_of(source, (32, 48), inside)
    assert facts['channel_order'] == said and json.loads(facts['mean']) == mean
    assert json.loads(facts['std']) == [each + 3 for each in mean] and said in facts['input'] or said == 'grey'
