"""Triton kernels of the depthwise convolution; :mod:`.fused` calls them and says what they compute.

A tile is a block of one channel of several images: of these below each other, (IMAGES·BLOCK, BLOCK), for kernels that
are as wide as high or wider, and beside each other, (BLOCK, IMAGES·BLOCK), for taller ones (TALL). So the axis b of the
kernel's longer side is the one that a product with a Toeplitz matrix sums over, and nothing has to be transposed.
The other axis is called a. UNITS·ALIGN is a map's width: Triton sees that rows start at multiples of ALIGN, and loads
so many numbers at once. ONE says that one block holds a whole map.
"""
import triton
import triton.language as tl


@triton.jit
def _tile(maps, first_image, top, left, images, height, width, stride_n, TALL: tl.constexpr, IMAGES: tl.constexpr,
          BLOCK: tl.constexpr):
    """Loads a tile whose first position is (top, left); zeros where there is no map."""
    if TALL:
        columns = tl.arange(0, IMAGES * BLOCK)
        image, y, x = first_image + columns // BLOCK, top + tl.arange(0, BLOCK), left + columns % BLOCK
        inside = ((y >= 0) & (y < height))[:, None] & ((image < images) & (x >= 0) & (x < width))[None, :]
        place = (y * width)[:, None] + (image.to(tl.int64) * stride_n + x)[None, :]
    else:
        rows = tl.arange(0, IMAGES * BLOCK)
        image, y, x = first_image + rows // BLOCK, top + rows % BLOCK, left + tl.arange(0, BLOCK)
        inside = ((image < images) & (y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]
        place = (image.to(tl.int64) * stride_n + y * width)[:, None] + x[None, :]
    return tl.load(maps + place, mask=inside, other=0.)


@triton.jit
def _toeplitz(weight, bank, channel, part, KH: tl.constexpr, KW: tl.constexpr, TURNED: tl.constexpr,
              ONE: tl.constexpr, BLOCK: tl.constexpr):
    """Writes the matrix of one tap of side a, and of one step along b."""
    TALL: tl.constexpr = KH > KW
    KA: tl.constexpr = KW if TALL else KH
    KB: tl.constexpr = KH if TALL else KW
    REACH: tl.constexpr = 0 if ONE else (KB // 2 + 7) // 8 * 8
    STEPS: tl.constexpr = 1 if ONE else (2 * BLOCK + 2 * REACH - 1) // BLOCK
    if part < KA * STEPS:
        tap_a, start = part // STEPS, part % STEPS * BLOCK - REACH
        rows, columns = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
        if TALL:
            tap_b = start + columns - rows + KB // 2
        else:
            tap_b = start + rows - columns + KB // 2
        valid = (tap_b >= 0) & (tap_b < KB)
        if TURNED:
            tap_a, tap_b = KA - 1 - tap_a, KB - 1 - tap_b
        if TALL:
            place = tap_b * KW + tap_a
        else:
            place = tap_a * KW + tap_b
        values = tl.load(weight + channel * KH * KW + place, mask=valid, other=0.)
        first = (channel.to(tl.int64) * KA * STEPS + part) * BLOCK * BLOCK
        tl.store(bank + first + rows * BLOCK + columns, values)


@triton.jit
def toeplitz_kernel(weight0, weight1, weight2, bank0, bank1, bank2, BRANCHES: tl.constexpr, KH0: tl.constexpr,
                    KW0: tl.constexpr, KH1: tl.constexpr, KW1: tl.constexpr, KH2: tl.constexpr, KW2: tl.constexpr,
                    TURNED: tl.constexpr, ONE: tl.constexpr, BLOCK: tl.constexpr):
    """The Toeplitz matrices of all kernels, read by all programs of the other kernels."""
    channel, part = tl.program_id(0), tl.program_id(1)
    _toeplitz(weight0, bank0, channel, part, KH0, KW0, TURNED, ONE, BLOCK)
    if BRANCHES > 1:
        _toeplitz(weight1, bank1, channel, part, KH1, KW1, TURNED, ONE, BLOCK)
    if BRANCHES > 2:
        _toeplitz(weight2, bank2, channel, part, KH2, KW2, TURNED, ONE, BLOCK)


@triton.jit
def _branch(maps, bank, first_image, channel, top, left, images, channels, height, width, KH: tl.constexpr,
            KW: tl.constexpr, ONE: tl.constexpr, IMAGES: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    """A tile of one kernel's result."""
    TALL: tl.constexpr = KH > KW
    KA: tl.constexpr = KW if TALL else KH
    KB: tl.constexpr = KH if TALL else KW
    REACH: tl.constexpr = 0 if ONE else (KB // 2 + 7) // 8 * 8
    STEPS: tl.constexpr = 1 if ONE else (2 * BLOCK + 2 * REACH - 1) // BLOCK
    area = height * width
    maps += channel.to(tl.int64) * area
    bank += channel.to(tl.int64) * KA * STEPS * BLOCK * BLOCK
    square = tl.arange(0, BLOCK)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    if TALL:
        total = tl.zeros((BLOCK, IMAGES * BLOCK), dtype=tl.float32)
    else:
        total = tl.zeros((IMAGES * BLOCK, BLOCK), dtype=tl.float32)
    for part in range(KA * STEPS):
        matrix = tl.load(bank + part * BLOCK * BLOCK + square)
        move, start = part // STEPS - KA // 2, part % STEPS * BLOCK - REACH
        if TALL:
            values = _tile(maps, first_image, top + start, left + move, images, height, width, channels * area, TALL,
                           IMAGES, BLOCK)
            total = tl.dot(matrix, values, total, input_precision=PRECISION)
        else:
            values = _tile(maps, first_image, top + move, left + start, images, height, width, channels * area, TALL,
                           IMAGES, BLOCK)
            total = tl.dot(values, matrix, total, input_precision=PRECISION)
    return total


@triton.jit
def _store(out, total, first_image, channel, top, left, images, channels, height, width, TALL: tl.constexpr,
           IMAGES: tl.constexpr, BLOCK: tl.constexpr):
    area = height * width
    out += channel.to(tl.int64) * area
    if TALL:
        columns = tl.arange(0, IMAGES * BLOCK)
        image, y, x = first_image + columns // BLOCK, top + tl.arange(0, BLOCK), left + columns % BLOCK
        inside = (y < height)[:, None] & ((image < images) & (x < width))[None, :]
        place = (y * width)[:, None] + (image.to(tl.int64) * channels * area + x)[None, :]
    else:
        rows = tl.arange(0, IMAGES * BLOCK)
        image, y, x = first_image + rows // BLOCK, top + rows % BLOCK, left + tl.arange(0, BLOCK)
        inside = ((image < images) & (y < height))[:, None] & (x < width)[None, :]
        place = (image.to(tl.int64) * channels * area + y * width)[:, None] + x[None, :]
    tl.store(out + place, total.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _convolved(maps, bank, out, bias, first_image, channel, top, left, images, channels, height, width,
               HAS_BIAS: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr, ONE: tl.constexpr, IMAGES: tl.constexpr,
               BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    total = _branch(maps, bank, first_image, channel, top, left, images, channels, height, width, KH, KW, ONE, IMAGES,
                    BLOCK, PRECISION)
    if HAS_BIAS:
        total += tl.load(bias + channel).to(tl.float32)
    _store(out, total, first_image, channel, top, left, images, channels, height, width, KH > KW, IMAGES, BLOCK)


@triton.jit
def _place(across, blocks, IMAGES: tl.constexpr, BLOCK: tl.constexpr):
    """First image, channel, top row and left column of this program's block."""
    block = tl.program_id(0) % blocks
    return tl.program_id(0) // blocks * IMAGES, tl.program_id(1), block // across * BLOCK, block % across * BLOCK


@triton.jit
def convolve_kernel(maps, bank0, bank1, bank2, bias, out0, out1, out2, images, channels, height, units, across, blocks,
                    BRANCHES: tl.constexpr, HAS_BIAS: tl.constexpr, KH0: tl.constexpr, KW0: tl.constexpr,
                    KH1: tl.constexpr, KW1: tl.constexpr, KH2: tl.constexpr, KW2: tl.constexpr, ONE: tl.constexpr,
                    ALIGN: tl.constexpr, IMAGES: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    """A block of each kernel's result; the map is read from the cache but for the first time."""
    image, channel, top, left = _place(across, blocks, IMAGES, BLOCK)
    width = units * ALIGN
    _convolved(maps, bank0, out0, bias, image, channel, top, left, images, channels, height, width, HAS_BIAS, KH0, KW0,
               ONE, IMAGES, BLOCK, PRECISION)
    if BRANCHES > 1:
        _convolved(maps, bank1, out1, bias, image, channel, top, left, images, channels, height, width, False, KH1,
                   KW1, ONE, IMAGES, BLOCK, PRECISION)
    if BRANCHES > 2:
        _convolved(maps, bank2, out2, bias, image, channel, top, left, images, channels, height, width, False, KH2,
                   KW2, ONE, IMAGES, BLOCK, PRECISION)


@triton.jit
def _upright(total, TALL: tl.constexpr, IMAGES: tl.constexpr, BLOCK: tl.constexpr):
    """A tile with its images below each other."""
    if TALL and IMAGES > 1:
        total = tl.permute(tl.reshape(total, (BLOCK, IMAGES, BLOCK)), (1, 0, 2))
        total = tl.reshape(total, (IMAGES * BLOCK, BLOCK))
    return total


@triton.jit
def input_gradient_kernel(grad0, grad1, grad2, bank0, bank1, bank2, out, images, channels, height, units, across,
                          blocks, BRANCHES: tl.constexpr, KH0: tl.constexpr, KW0: tl.constexpr, KH1: tl.constexpr,
                          KW1: tl.constexpr, KH2: tl.constexpr, KW2: tl.constexpr, ONE: tl.constexpr,
                          ALIGN: tl.constexpr, IMAGES: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    """A block of the input's gradient: the sum over the kernels."""
    image, channel, top, left = _place(across, blocks, IMAGES, BLOCK)
    width = units * ALIGN
    total = _upright(_branch(grad0, bank0, image, channel, top, left, images, channels, height, width, KH0, KW0, ONE,
                             IMAGES, BLOCK, PRECISION), KH0 > KW0, IMAGES, BLOCK)
    if BRANCHES > 1:
        total += _upright(_branch(grad1, bank1, image, channel, top, left, images, channels, height, width, KH1, KW1,
                                  ONE, IMAGES, BLOCK, PRECISION), KH1 > KW1, IMAGES, BLOCK)
    if BRANCHES > 2:
        total += _upright(_branch(grad2, bank2, image, channel, top, left, images, channels, height, width, KH2, KW2,
                                  ONE, IMAGES, BLOCK, PRECISION), KH2 > KW2, IMAGES, BLOCK)
    _store(out, total, image, channel, top, left, images, channels, height, width, False, IMAGES, BLOCK)


@triton.jit
def _moved(grads, first_image, top, left, first_tap, images, height, width, stride_n, KA: tl.constexpr,
           TAPS: tl.constexpr, TALL: tl.constexpr, IMAGES: tl.constexpr, BLOCK: tl.constexpr):
    """Tiles of the output's gradient, one for each of some taps of side a, moved by it: TAPS·BLOCK on side b."""
    lines, both = tl.arange(0, IMAGES * BLOCK), tl.arange(0, TAPS * BLOCK)
    image, tap = first_image + lines // BLOCK, first_tap + both // BLOCK
    move = KA // 2 - tap
    if TALL:
        y, x = (top + both % BLOCK)[:, None], move[:, None] + (left + lines % BLOCK)[None, :]
        inside = ((image < images)[None, :] & (tap < KA)[:, None]) & (y < height) & (x >= 0) & (x < width)
        place = y * width + (image.to(tl.int64) * stride_n)[None, :] + x
    else:
        y, x = (top + lines % BLOCK)[:, None] + move[None, :], (left + both % BLOCK)[None, :]
        inside = ((image < images)[:, None] & (tap < KA)[None, :]) & (y >= 0) & (y < height) & (x < width)
        place = (image.to(tl.int64) * stride_n)[:, None] + y * width + x
    return tl.load(grads + place, mask=inside, other=0.)


@triton.jit
def weight_gradient_kernel(maps, grads, partial, images, channels, height, units, groups, chunks, KA: tl.constexpr,
                           SHIFTS: tl.constexpr, TALL: tl.constexpr, ALIGN: tl.constexpr, TAPS: tl.constexpr,
                           IMAGES: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr):
    """Products of the output's gradient, moved by some taps of side a, with the input: (TAPS·BLOCK, BLOCK)."""
    part, channel, chunk = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    first_tap, shift = part // SHIFTS * TAPS, (part % SHIFTS - SHIFTS // 2) * BLOCK
    width = units * ALIGN
    area = height * width
    maps += channel.to(tl.int64) * area
    grads += channel.to(tl.int64) * area
    total = tl.zeros((TAPS * BLOCK, BLOCK), dtype=tl.float32)
    for image in range(chunk * IMAGES, images, chunks * IMAGES):
        for top in range(0, height, BLOCK):
            for left in range(0, width, BLOCK):
                moved = _moved(grads, image, top, left, first_tap, images, height, width, channels * area, KA, TAPS,
                               TALL, IMAGES, BLOCK)
                if TALL:
                    values = _tile(maps, image, top + shift, left, images, height, width, channels * area, TALL,
                                   IMAGES, BLOCK)
                    total = tl.dot(moved, tl.trans(values), total, input_precision=PRECISION)
                else:
                    values = _tile(maps, image, top, left + shift, images, height, width, channels * area, TALL,
                                   IMAGES, BLOCK)
                    total = tl.dot(tl.trans(moved), values, total, input_precision=PRECISION)
    first = ((chunk * channels + channel).to(tl.int64) * groups * SHIFTS + part) * TAPS * BLOCK * BLOCK
    square = tl.arange(0, TAPS * BLOCK)[:, None] * BLOCK + tl.arange(0, BLOCK)[None, :]
    tl.store(partial + first + square, total)


@triton.jit
def diagonals_kernel(partial, out, channels, groups, chunks, KA: tl.constexpr, KB: tl.constexpr, LENGTH: tl.constexpr,
                     SHIFTS: tl.constexpr, TALL: tl.constexpr, TAPS: tl.constexpr, BLOCK: tl.constexpr):
    """The gradient of the taps at one place of side a: sums of these products' diagonals, always in one order."""
    tap_a, channel = tl.program_id(0), tl.program_id(1)
    taps, rows = tl.arange(0, LENGTH), tl.arange(0, BLOCK)
    total = tl.zeros((LENGTH,), dtype=tl.float32)
    for piece in range(chunks * SHIFTS):
        chunk, shift = piece // SHIFTS, piece % SHIFTS
        group = (chunk * channels + channel).to(tl.int64) * groups + tap_a // TAPS
        first = ((group * SHIFTS + shift) * TAPS + tap_a % TAPS) * BLOCK * BLOCK
        columns = rows[:, None] + taps[None, :] - KB // 2 - (shift - SHIFTS // 2) * BLOCK
        values = tl.load(partial + first + rows[:, None] * BLOCK + columns,
                         mask=(columns >= 0) & (columns < BLOCK) & (taps < KB)[None, :], other=0.)
        total += tl.sum(values, 0)
    if TALL:
        place = taps * KA + tap_a
    else:
        place = tap_a * KB + taps
    tl.store(out + channel * KA * KB + place, total.to(out.dtype.element_ty), mask=taps < KB)
