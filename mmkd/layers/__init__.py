"""The parts that the ConvNet backbones share."""
from .convnet import ConvNetBlock, HierarchicalConvNet, resolve_arch
from .kernel_branches import LargeKernel, LargeKernelConv2d
from .norm import LayerNorm2d, SingleValueBatchNorm2d

__all__ = ['ConvNetBlock', 'LargeKernel', 'HierarchicalConvNet', 'LargeKernelConv2d', 'LayerNorm2d',
           'SingleValueBatchNorm2d', 'resolve_arch']
