"""Files with their hash in their name, and those whose place they take."""
from mmkd.utils.checkpoints.files import hash_of_bytes
from mmkd.utils.checkpoints.publishing import remove_earlier, write_by_hash


def test_only_what_was_written_so_is_removed(tmp_path):
    first = write_by_hash(b'first', tmp_path / 'student.pth')
    assert first.name == f'student-{hash_of_bytes(b"first")[:8]}.pth'
    others = [tmp_path / f'student-{name}' for name in (
        'original.pth', 'fp16.pth', '0123abcd.pth', f'{first.stem[8:]}.onnx', f'other-{first.stem[8:]}.pth')]
    for other in others:
        other.write_bytes(b'first')
    final = write_by_hash(b'second', tmp_path / 'student.pth')
    remove_earlier(final)
    assert set(tmp_path.iterdir()) == {final, *others}
    remove_earlier(write_by_hash(b'second', tmp_path / 'student.pth'))
    assert set(tmp_path.iterdir()) == {final, *others} and final.read_bytes() == b'second'
