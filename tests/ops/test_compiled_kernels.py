"""Triton compiles the kernels for GPUs that are not here, onto tensor cores and within their shared memory."""
import json
import os
import subprocess
import sys

import pytest

pytest.importorskip('triton', reason='Triton is not installed')
PROGRAM = """
import json, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from mmkd.ops.depthwise import fused

sizes = dict(KH0=51, KW0=5, KH1=5, KW1=51, KH2=5, KW2=5)
KERNELS = ((fused._convolve_kernel, dict(sizes, BRANCHES=3, HAS_BIAS=True)),
           (fused._input_gradient_kernel, dict(sizes, BRANCHES=3)),
           (fused._weight_gradient_kernel, dict(KA=5, SHIFTS=1)))
found = []
for capability, dtype, blocks in json.loads(sys.argv[1]):
    for kernel, constants in KERNELS:
        constants = dict(constants, **blocks)
        warps = constants.pop('num_warps')
        signature = {name: 'constexpr' if name in constants else '*fp32' if name == 'partial' else
                     '*' + dtype if name.startswith(('map', 'grad', 'weight', 'out', 'bias')) else 'i32'
                     for name in kernel.arg_names}
        try:
            source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
        except TypeError:  # Triton 3.0
            signature = {name: type for name, type in signature.items() if type != 'constexpr'}
            source = ASTSource(fn=kernel, signature=signature, constants=constants)
        compiled = triton.compile(source, target=GPUTarget('cuda', capability, 32), options=dict(num_warps=warps))
        found.append(dict(kernel=kernel.__name__, dtype=dtype, shared=compiled.metadata.shared,
                          tensor_cores='mma' in compiled.asm['ptx'], binary=len(compiled.asm['cubin'])))
print(json.dumps(found))
"""
SHARED_MEMORY = 99 * 1024  # a program's share on consumer GPUs of compute capability 8.6 and 8.9


def test_compiles_for_gpus(tmp_path):
    import torch

    from mmkd.ops.depthwise.fused import _blocks
    cases = [(capability, name, _blocks(torch.empty(4, 3, side, side, dtype=dtype))[1])
             for capability, name, dtype, side in ((80, 'bf16', torch.bfloat16, 56), (90, 'bf16', torch.bfloat16, 56),
                                                   (80, 'fp16', torch.float16, 14), (80, 'fp32', torch.float32, 14),
                                                   (90, 'fp32', torch.float32, 28))]
    environment = {name: value for name, value in os.environ.items() if name != 'TRITON_INTERPRET'}
    done = subprocess.run([sys.executable, '-c', PROGRAM, json.dumps(cases)], capture_output=True, text=True,
                          env=environment | dict(TRITON_CACHE_DIR=str(tmp_path)), timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 3 * len(cases)
    for kernel in found:
        assert kernel['binary'] and kernel['shared'] <= SHARED_MEMORY, kernel
        assert kernel['tensor_cores'] == (kernel['dtype'] != 'fp32'), kernel
