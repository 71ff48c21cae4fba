"""Training with convolutions in the layout that suits them."""
import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmkd.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Trains with the weights of convolutions in ``channels_last``, which their maps then follow.

    A network of the MobileNet, EfficientNet or ResNet kind trains in half to two thirds of the time on the CPU; results
    differ by rounding. ConvNeSt and SLaK choose their own layout, with or without it. A teacher has
    ``channels_last=True`` for the same. In several processes DDP warns once, in the first step, that the strides of
    gradients are others than it expected; from the second on it expects these.
    """

    def before_train(self, runner: Runner) -> None:
        """Changes the layout, of weights that are loaded by now.

        Args:
            runner: The runner.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        model.to(memory_format=torch.channels_last)
