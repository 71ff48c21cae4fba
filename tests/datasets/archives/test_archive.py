"""Reading files straight from archives, and what is said of bad ones."""
import io
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import mmkd  # noqa: F401
import numpy as np
import pytest
from mmengine.fileio import get, get_local_path, get_text, isdir, isfile, list_dir_or_file

from mmkd.datasets.archives.archive import Archive, write_index
from mmkd.datasets.archives.members import RAW, Member, list_members
from mmkd.utils import UserError
from tests.archives import pictures, tar_bytes, write_folder, zip_bytes

FILES = {**pictures(), 'meta/val.txt': 'ä 0\n'.encode(), 'meta.txt': b'', 'a/b/c.png': b'1', 'a.png': b'2'}


@pytest.fixture(params=['stored', 'deflated', 'tar', 'tar of tars', 'shards'])
def archive(request, tmp_path):
    """The path of an archive or index of FILES."""
    if request.param in ('stored', 'deflated'):
        method = zipfile.ZIP_STORED if request.param == 'stored' else zipfile.ZIP_DEFLATED
        (tmp_path / 'all.zip').write_bytes(zip_bytes(FILES, method))
        return tmp_path / 'all.zip'
    parts = {'tar': tar_bytes(FILES)}
    if request.param == 'tar of tars':
        inner = {n.partition('/')[2]: c for n, c in FILES.items() if n.startswith('n01440764/')}
        outer = {n: c for n, c in FILES.items() if not n.startswith('n01440764/')}
        parts = {'tar': tar_bytes({**dict(list(outer.items())[:4]), 'n01440764.tar': tar_bytes(inner),
                                   **dict(list(outer.items())[4:])})}
    elif request.param == 'shards':
        items = list(FILES.items())
        parts = {f'{i}': tar_bytes(dict(items[i::3])) for i in range(3)}
    return index(tmp_path, parts)


def index(folder, parts: dict[str, bytes]):
    paths = [write_folder(folder, {f'shards/{name}.tar': content}) / f'shards/{name}.tar'
             for name, content in parts.items()]
    members = ((i, member) for i, path in enumerate(paths) for member in list_members(path))
    assert write_index(folder / 'all.index', paths, members) == len(FILES)
    return folder / 'all.index'


def test_reads_what_was_written(archive):
    opened = Archive(archive)
    assert opened.names() == sorted(FILES, key=str.encode)
    assert {name: opened.read(name) for name in FILES} == FILES
    assert {name: opened.size(name) for name in FILES} == {name: len(content) for name, content in FILES.items()}


def test_lists_like_a_folder(archive, tmp_path):
    plain = str(write_folder(tmp_path / 'plain', FILES))
    uri = f'archive://{archive}'
    for folder in ('', '/n01440764', '/a', '/a/b', '/meta'):
        assert isdir(uri + folder) and not isfile(uri + folder)
        for options in (dict(), dict(recursive=True), dict(list_dir=False, recursive=True), dict(list_file=False),
                        dict(list_dir=False, suffix='.JPEG', recursive=True)):
            assert sorted(list_dir_or_file(uri + folder, **options)) == sorted(
                list_dir_or_file(plain + folder, **options)), (folder, options)
    assert isfile(f'{uri}/a.png') and not isdir(f'{uri}/a.png') and not isfile(f'{uri}/a/b.png')
    assert not isdir(f'{uri}/n0144') and not isdir(f'{uri}/z')
    assert get_text(f'{uri}/meta/val.txt') == 'ä 0\n' and get(f'{uri}//a/./b/c.png') == b'1'
    with get_local_path(f'{uri}/a/b/c.png') as path:
        assert path.endswith('.png') and Path(path).read_bytes() == b'1'


def test_relative_paths_and_folders_with_a_dot(tmp_path, monkeypatch):
    write_folder(tmp_path / 'old.zip', {'new.zip': zip_bytes(FILES)})
    monkeypatch.chdir(tmp_path)
    assert get('archive://old.zip/new.zip/a.png') == b'2'


def test_a_descriptor_serves_several_processes(archive):
    opened = Archive(archive)
    opened.read('a.png')
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            os._exit(0 if all(opened.read(name) == FILES[name] for name in list(FILES) * 20) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_an_index_moves_with_its_archives(tmp_path):
    (tmp_path / 'one').mkdir()
    index(tmp_path / 'one', {'0': tar_bytes(FILES)})
    (tmp_path / 'one').rename(tmp_path / 'two')
    assert Archive(tmp_path / 'two/all.index').read('a.png') == b'2'


@pytest.mark.parametrize('uri', ['all.zip/no.jpg', 'all.zip/n01440764', 'all.zip'])
def test_missing_member(tmp_path, uri):
    (tmp_path / 'all.zip').write_bytes(zip_bytes(FILES))
    with pytest.raises(UserError, match='holds no file'):
        get(f'archive://{tmp_path}/{uri}')


def test_bad_uri(tmp_path):
    (tmp_path / 'all.zip').write_bytes(zip_bytes(FILES))
    with pytest.raises(UserError, match='climbs out of the archive'):
        get(f'archive://{tmp_path}/all.zip/a/../../secret')
    with pytest.raises(UserError, match='no.zip, which does not exist'):
        get(f'archive://{tmp_path}/no.zip/a.png')
    with pytest.raises(UserError, match='expects the path of a .zip or .index'):
        get(f'archive://{tmp_path}/folder/a.png')
    (tmp_path / 'all.tar').write_bytes(tar_bytes(FILES))
    with pytest.raises(UserError, match='a tar has no index. Make one with: python tools/'):
        get(f'archive://{tmp_path}/all.tar/a.png')


@pytest.mark.parametrize('name', ['../evil', '/etc/evil', 'a/../../evil', 'C:/evil', 'a\\..\\evil', '..\\evil',
                                  '\\evil', 'C:\\evil', '__MACOSX/../../evil'])
@pytest.mark.parametrize('make', [tar_bytes, zip_bytes])
def test_members_that_climb_out(tmp_path, name, make):
    (tmp_path / 'evil').write_bytes(make({'a.png': b'1', name: b'2'}))
    with pytest.raises(UserError, match='a path that climbs out of it'):
        list(list_members(tmp_path / 'evil'))


@pytest.mark.parametrize('make', [tar_bytes, zip_bytes])
def test_backslashes_are_folders(tmp_path, make):
    (tmp_path / 'windows').write_bytes(make({'set\\cat\\1.jpg': b'1', 'set\\dog\\2.jpg': b'2'}))
    assert [member.name for member in list_members(tmp_path / 'windows')] == ['set/cat/1.jpg', 'set/dog/2.jpg']
    write_index(tmp_path / 'all.index', [tmp_path / 'windows'], ((0, m) for m in list_members(tmp_path / 'windows')))
    assert get(f'archive://{tmp_path}/all.index/set/dog/2.jpg') == b'2'


@pytest.mark.parametrize('make', [tar_bytes, zip_bytes])
def test_what_systems_leave_is_no_data(tmp_path, make):
    junk = {'__MACOSX/cat/._1.jpg': b'x', '.DS_Store': b'x', 'cat/.DS_Store': b'x', 'cat/._1.jpg': b'x',
            '._n01440764.tar': b'no tar', 'Thumbs.db': b'x', '.ipynb_checkpoints/1-checkpoint.jpg': b'x'}
    (tmp_path / 'mac').write_bytes(make(junk | {'./cat/1.jpg': b'1'}))
    assert [member.name for member in list_members(tmp_path / 'mac')] == ['cat/1.jpg']


def test_classes_of_an_index_that_has_hidden_folders(tmp_path):
    """One that was written when they counted as data."""
    (tmp_path / 'all.tar').write_bytes(tar_bytes({'a': b'1'}))
    member = next(list_members(tmp_path / 'all.tar'))
    names = ('__MACOSX/x.jpg', '.git/x.jpg', 'cat/1.jpg', 'cat/._1.jpg')
    write_index(tmp_path / 'all.index', [tmp_path / 'all.tar'], ((0, replace(member, name=name)) for name in names))
    root = f'archive://{tmp_path}/all.index'
    assert list(list_dir_or_file(root, recursive=True)) == ['cat', 'cat/1.jpg']


@pytest.mark.parametrize('make', [tar_bytes, zip_bytes])
def test_truncated_wherever(tmp_path, make):
    content = make(FILES)
    path = tmp_path / 'cut'
    whole = len(content.rstrip(b'\0')) if make is tar_bytes else len(content)
    for size in [0, 1, 300, 512, 513, 1024, *range(2048, whole, 512), whole - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(UserError, match='cut off|damaged'):
            list(list_members(path))


def test_truncated_inside_a_tar(tmp_path):
    inner = tar_bytes(FILES)
    (tmp_path / 'outer.tar').write_bytes(tar_bytes({'a.tar': inner[:2048], 'b.tar': inner}))
    with pytest.raises(UserError, match='outer.tar is'):
        list(list_members(tmp_path / 'outer.tar'))


def test_links_and_compressed_tars(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as tar:
        link = tarfile.TarInfo('link')
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
        tar.addfile(link)
    (tmp_path / 'link.tar').write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match='the link or device link'):
        list(list_members(tmp_path / 'link.tar'))
    with tarfile.open(tmp_path / 'all.tar.gz', 'w:gz'):
        pass
    with pytest.raises(UserError, match='compressed as a whole'):
        list(list_members(tmp_path / 'all.tar.gz'))
    with pytest.raises(UserError, match='cannot be read: No such file'):
        list(list_members(tmp_path / 'no.tar'))


def test_changed_archives(tmp_path):
    path = index(tmp_path, {'0': tar_bytes(FILES)})
    with (tmp_path / 'shards/0.tar').open('ab') as file:
        file.write(b'\0')
    with pytest.raises(UserError, match='0.tar of .* bytes, which has another size'):
        Archive(path).read('a.png')
    (tmp_path / 'shards/0.tar').unlink()
    with pytest.raises(UserError, match='which does not exist'):
        Archive(path).read('a.png')


def test_damaged_members_and_indices(tmp_path):
    content = bytearray(zip_bytes({'a.txt': b'hello' * 9}, zipfile.ZIP_STORED))
    content[content.index(b'hello')] ^= 1
    (tmp_path / 'a.zip').write_bytes(content)
    with pytest.raises(UserError, match='a.zip is damaged: a.txt'):
        Archive(tmp_path / 'a.zip').read('a.txt')
    path = index(tmp_path, {'0': tar_bytes(FILES)})
    for cut in (0, 10, 500, path.stat().st_size - 30):
        (tmp_path / 'cut.index').write_bytes(path.read_bytes()[:cut])
        with pytest.raises(UserError, match='is no index of archives, or damaged'):
            Archive(tmp_path / 'cut.index')


def test_files_that_are_there_twice(tmp_path):
    members = [(0, Member('a', 0, 1, 1, RAW)), (0, Member('b', 0, 1, 1)), (1, Member('a', 0, 1, 1))]
    paths = [tmp_path / 'x.tar', tmp_path / 'y.tar']
    with pytest.raises(UserError, match=r'got a in .*x\.tar and in .*y\.tar\.'):
        write_index(tmp_path / 'all.index', paths, members)
    with pytest.raises(UserError, match=r'got a twice in x\.tar\.gz\.'):
        write_index(tmp_path / 'all.index', paths, [*members[:1] * 2, members[1]], [Path('x.tar.gz'), Path('y.tar.gz')])


def test_a_large_index_is_searched_quickly(tmp_path):
    names = [f'train/n{c:08d}/n{c:08d}_{i}.JPEG' for c in range(200) for i in range(500)]
    (tmp_path / 'x.tar').write_bytes(b'')
    write_index(tmp_path / 'all.index', [tmp_path / 'x.tar'], ((0, Member(n, 0, 0, 0)) for n in names))
    opened = Archive(tmp_path / 'all.index')
    assert [name for name, _ in opened.children('train')] == [f'n{c:08d}' for c in range(200)]
    assert all(opened.is_file(name) for name in np.random.default_rng(0).choice(names, 1000))
