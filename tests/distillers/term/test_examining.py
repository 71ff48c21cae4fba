"""Terms that no pair of models can make right."""
import pytest
from torch import nn

from mmkd.distillers.term.examining import examine_term
from mmkd.utils import UserError

TERM = dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2')
CONNECTOR = dict(type='mmkd.ConvConnector')


@pytest.mark.parametrize('changes', [
    {}, dict(connector=CONNECTOR), dict(connector=[CONNECTOR, None], student=['stage1', 'stage2']),
    dict(loss=nn.MSELoss()), dict(teacher_norm=dict(type='mmkd.PHIS', steps=3)),
    dict(connector=CONNECTOR | dict(student_channels=3, teacher_channels=4))])
def test_terms_that_some_models_fit(changes):
    examine_term('fd', TERM | changes)


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(wieght=2), "got 'wieght'. Did you mean weight"), (dict(weight=-1), 'weight expects value'),
    (dict(loss=dict(type='mmkd.FDLos')), 'Did you mean mmkd.FDLoss'), (dict(student=3), 'student'),
    (dict(loss=dict(type='mmkd.KDLoss', temperature=-1)), 'KDLoss expects temperature'),
    (dict(loss=dict(type='mmkd.KDLoss', temprature=1)), "got 'temprature'. Did you mean temperature"),
    (dict(connector=CONNECTOR | dict(kernal_size=3)), "ConvConnector expects arguments that it has, got 'kernal_size'"),
    (dict(connector=CONNECTOR | dict(kernel_size='a')), 'ConvConnector expects kernel_size to be'),
    (dict(teacher_norm=dict(type='mmkd.PHIS', step=3)), "got 'step'. Did you mean steps")])
def test_terms_that_no_models_fit(changes, message):
    with pytest.raises(UserError, match=message):
        examine_term('fd', TERM | changes)
