"""Depthwise convolution at stride 1: three implementations, the table that picks one, and the operators of PyTorch.

:mod:`.plain`, :mod:`.matrix` and :mod:`.fused` offer the same three functions, for several kernels over one input:
``convolve``, ``input_gradient`` and ``weight_gradients``.
"""
