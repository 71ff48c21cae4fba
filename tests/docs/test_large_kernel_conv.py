"""The example of docs/large_kernel_conv.md runs as it is printed."""
import re
from pathlib import Path

import torch
from torch.nn import functional as F

TEXT = (Path(__file__).parents[2] / 'docs/large_kernel_conv.md').read_text(encoding='utf-8')


def test_example():
    code = re.search(r'<!-- example -->\n```python\n(.*?)```', TEXT, re.DOTALL).group(1)
    names = {}
    exec(code, names)
    layer, x = names['LargeKernel'](4, 21), torch.randn(2, 4, 16, 16)
    want = x + F.conv2d(x, layer.weight, padding=10, groups=4)
    torch.testing.assert_close(layer(x), want, rtol=1e-4, atol=1e-4)
    layer(x).square().mean().backward()
    assert layer.weight.grad.abs().sum() > 0
