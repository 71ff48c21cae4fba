"""The learning rate is scaled with the images of an optimizer step."""
import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict

from mmkd.utils import UserError
from mmkd.utils.batch_size import count_accumulation

from ..engine.hooks.test_dynamic_sparsity import Net, make_runner

SGD = dict(type='SGD', lr=1.)


@pytest.mark.parametrize(('wrapper', 'enable', 'rate'), [
    (dict(optimizer=SGD, accumulative_counts=4), True, .5), (dict(optimizer=SGD), True, .125),
    (dict(optimizer=SGD, accumulative_counts=4), False, 1.), (dict(optimizer=SGD, accumulative_counts=3), True, .375)])
def test_rates(tmp_path, wrapper, enable, rate):
    scaling = dict(enable=enable, base_batch_size=32)  # batches of four
    runner = make_runner(tmp_path, dict(init='uniform'), optim_wrapper=wrapper, auto_scale_lr=scaling)
    count_accumulation(runner)
    assert scaling == dict(enable=enable, base_batch_size=32)
    runner.train()
    assert [group['lr'] for group in runner.optim_wrapper.param_groups] == [pytest.approx(rate)]


def test_built_and_several_optimizers(tmp_path):
    def built(counts: int) -> OptimWrapper:
        return OptimWrapper(torch.optim.SGD(Net().parameters(), lr=1.), accumulative_counts=counts)

    runner = make_runner(tmp_path, auto_scale_lr=dict(enable=True, base_batch_size=32))
    for wrapper, base in ((built(2), 16), (OptimWrapperDict(a=built(4), b=built(4)), 8),
                          (dict(a=dict(optimizer=SGD, accumulative_counts=2), constructor='Some'), 16)):
        runner.optim_wrapper, runner.auto_scale_lr = wrapper, dict(enable=True, base_batch_size=32)
        count_accumulation(runner)
        assert runner.auto_scale_lr['base_batch_size'] == base
    runner.optim_wrapper = OptimWrapperDict(a=built(1), b=built(2))
    with pytest.raises(UserError, match='one accumulative_counts for all optimizers, got 1, 2'):
        count_accumulation(runner)
