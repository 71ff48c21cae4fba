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
from mmkd.ops.depthwise import kernels

sizes = dict(KH0=51, KW0=5, KH1=5, KW1=51, KH2=5, KW2=5)
KERNELS = dict(
    convolve=((kernels.toeplitz_kernel, dict(sizes, BRANCHES=3, TURNED=False)),
              (kernels.convolve_kernel, dict(sizes, BRANCHES=3, HAS_BIAS=True))),
    input_gradient=((kernels.input_gradient_kernel, dict(sizes, BRANCHES=3)),),
    weight_gradient=((kernels.weight_gradient_kernel, dict(sizes, BRANCHES=3)),
                     (kernels.diagonals_kernel, dict(sizes, BRANCHES=3, LENGTH=64))))
found = []
for capability, dtype, kind, blocks, one in json.loads(sys.argv[1]):
    every = dict(BLOCK=blocks['block'], IMAGES=blocks['images'], TAPS=blocks['taps'], ONE=one, ALIGN=4,
                 PRECISION=blocks['precision'])
    for kernel, constants in KERNELS[kind]:
        constants = {name: value for name, value in (every | constants).items() if name in kernel.arg_names}
        signature = {name: 'constexpr' if name in constants else '*fp32' if name.startswith('partial') else
                     '*' + dtype if name.startswith(('map', 'grad', 'weight', 'bank', 'out', 'bias')) else 'i32'
                     for name in kernel.arg_names}
        try:
            source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
        except TypeError:  # Triton 3.0
            signature = {name: type for name, type in signature.items() if type != 'constexpr'}
            source = ASTSource(fn=kernel, signature=signature, constants=constants)
        compiled = triton.compile(source, target=GPUTarget('cuda', capability, 32),
                                  options=dict(num_warps=blocks['warps'], num_stages=blocks['stages']))
        found.append(dict(kernel=kernel.__name__, dtype=dtype, shared=compiled.metadata.shared,
                          tensor_cores='mma' in compiled.asm['ptx'], binary=len(compiled.asm['cubin'])))
print(json.dumps(found))
"""
SHARED_MEMORY = 99 * 1024  # a program's share on consumer GPUs of compute capability 8.6 and 8.9


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_compiles_for_gpus(tmp_path):
    from mmkd.ops.depthwise.blocks import KINDS, rule
    cases = [(capability, name, kind, rule(kind, side, True, size)._asdict(), one)
             for capability, name, size, side, one in ((80, 'bf16', 2, 64, True), (90, 'bf16', 2, 64, False),
                                                       (80, 'fp16', 2, 16, True), (80, 'fp32', 4, 16, True),
                                                       (90, 'fp32', 4, 32, True))
             for kind in KINDS]
    environment = {name: value for name, value in os.environ.items() if name != 'TRITON_INTERPRET'}
    done = subprocess.run([sys.executable, '-c', PROGRAM, json.dumps(cases)], capture_output=True, text=True,
                          env=environment | dict(TRITON_CACHE_DIR=str(tmp_path)), timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 5 * len(cases) // 3
    for kernel in found:
        assert kernel['binary'] and kernel['shared'] <= SHARED_MEMORY, kernel
        products = kernel['kernel'] not in ('toeplitz_kernel', 'diagonals_kernel')
        assert kernel['tensor_cores'] == (products and kernel['dtype'] != 'fp32'), kernel
