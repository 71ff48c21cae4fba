"""How the Triton kernels' work is cut: the table, the rule, and the same results whatever the cut."""
import pytest
import torch

from mmkd.ops.depthwise.blocks import KINDS, SMALLEST, TUNED, Blocks, blocks_for, key_of, rule, use_blocks

pytest.importorskip('triton', reason='Triton is not installed')


def test_every_line_of_the_table_is_one_that_is_looked_up():
    for key, blocks in TUNED.items():
        capability, kind, side, long, size = key
        longest = 51 if long else 7
        assert kind in KINDS and key == key_of(capability, kind, (64, 3, side - 1, side - 2), longest, size)
        assert blocks.block >= SMALLEST and (not long or blocks.block >= side)
        assert blocks.precision in ('ieee', 'tf32x3') and (size == 4 or blocks.precision == 'ieee')


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(('side', 'longest'), [(200, 51), (56, 51), (14, 47), (7, 13), (56, 7), (1, 3)])
def test_the_rule_gives_blocks_that_tensor_cores_can_take(kind, side, longest):
    for dtype in (torch.float32, torch.bfloat16):
        blocks = blocks_for(kind, torch.empty(2, 3, side, side, dtype=dtype), longest)
        assert blocks.block in (16, 32, 64) and blocks.images * blocks.block >= 16 and blocks.warps in (4, 8)


def test_a_cut_that_is_given_goes_before_table_and_rule():
    maps, mine = torch.empty(1, 1, 9, 9), Blocks(32, 1, 4, 2)
    with use_blocks(convolve=mine):
        assert blocks_for('convolve', maps, 5) is mine
        assert blocks_for('input_gradient', maps, 5) == rule('input_gradient', 16, False, 4)
