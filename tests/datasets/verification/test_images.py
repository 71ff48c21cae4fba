"""mmkd/datasets/verification/images.py: what Pillow says of a damaged file is a problem of it, and nothing else."""
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from mmkd.datasets.verification.images import ImageFile, check_image, mask_values


def write_bomb(path: Path, bits: int) -> None:
    """A PNG whose header promises 60000×60000 pixels."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 60000, 60000, bits, 0, 0, 0, 0))
                     + chunk(b'IDAT', zlib.compress(bytes(10))) + chunk(b'IEND', b''))


@pytest.mark.parametrize('length', [8, 11, 20, 24, 25, 40])
def test_a_png_that_ends_in_its_first_bytes_is_truncated(tmp_path, length):
    Image.new('RGB', (4, 4)).save(path := tmp_path / 'x.png')
    path.write_bytes(path.read_bytes()[:length])
    assert check_image(ImageFile(str(path))).kind == 'truncated'


@pytest.mark.parametrize('bits', [8, 16])
def test_a_decompression_bomb_is_unreadable(tmp_path, bits):
    write_bomb(path := tmp_path / 'x.png', bits)
    problem = check_image(ImageFile(str(path)), decode=True)
    assert problem.kind == 'unreadable' and 'decompression bomb' in problem.text
    assert mask_values(str(path)) == set()
    Image.new('L', (4, 4)).save(whole := tmp_path / 'whole.png')
    assert check_image(ImageFile(str(path), size=(4, 4))).kind == 'unreadable'
    assert check_image(ImageFile(str(whole), same_size_as=str(path))) is None
