"""Downloading from a real server on this machine."""
import errno
import hashlib
import os
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmkd.utils import UserError
from mmkd.zoo.download import cache_dir, cached_path, download

from ..forked import run_forked
from .conftest import CONTENT, DIGITS, Handler


def test_once(server, cached):
    for _ in range(2):
        assert download(f'{server}/model-{DIGITS[:8]}.pth').read_bytes() == CONTENT
    assert len(Handler.asked) == 1 and cached() == [f'model-{DIGITS[:8]}.pth']


def test_files_of_one_name_are_kept_apart(server):
    files = {download(f'{server}/{folder}/epoch_1.pth') for folder in 'aba'}
    assert len(files) == 2 and [path for path, _ in Handler.asked] == ['/a/epoch_1.pth', '/b/epoch_1.pth']


def test_a_dropped_connection_is_resumed(server, cached):
    Handler.failures = 1
    assert download(f'{server}/drops.pth').read_bytes() == CONTENT
    assert [wanted for _, wanted in Handler.asked] == [None, f'bytes={len(CONTENT) // 2}-']
    assert cached() == ['drops.pth']


def test_a_server_that_cannot_resume_is_asked_for_all(server):
    Handler.failures = 2
    assert download(f'{server}/simple-drops.pth').read_bytes() == CONTENT


def test_a_file_that_has_changed_meanwhile_is_begun_anew(server, monkeypatch):
    Handler.failures = 10
    with pytest.raises(UserError, match=r'connection ended after [\d,]+ of 1,048,576 bytes'):
        download(f'{server}/drops.pth')
    Handler.failures, Handler.version = 0, '"2"'
    assert download(f'{server}/drops.pth').read_bytes() == CONTENT
    assert Handler.asked[-1][1]  # the rest was asked for, the whole came


def test_a_busy_server_is_asked_again(server):
    Handler.failures = 3
    assert download(f'{server}/busy.pth').read_bytes() == CONTENT
    assert len(Handler.asked) == 4


@pytest.mark.parametrize(('path', 'message'), [
    ('model-0123456a.pth', f'expects sha256 0123456a, got {DIGITS}. It was deleted'), ('none.pth', 'HTTP Error 404'),
    ('page.pth', 'a web page instead of a file'), ('', 'Add the name of the file'),
    ('a/..', 'Add the name of the file'), ('a/%2e%2e', 'Add the name of the file'),
    ('a%5c..%5cb', 'Add the name of the file')])
def test_failures_leave_nothing_in_the_cache(server, cached, path, message):
    with pytest.raises(UserError, match=f'127.0.0.1.*{message}'):
        download(f'{server}/{path}')
    assert cached() == [] and sum(path.startswith('/none') for path, _ in Handler.asked) <= 1


def test_a_date_in_a_name_is_no_hash(server):
    files = {download(f'{server}/{folder}/model-20230101.pth') for folder in 'ab'}
    assert len(files) == 2 and all(path.read_bytes() == CONTENT for path in files)


def test_a_file_that_an_earlier_version_kept_by_such_a_name_is_found(server):
    path = cached_path(f'{server}/a/b-12345678.pth')
    earlier = cache_dir() / path.name
    assert path != earlier
    cache_dir().mkdir(parents=True, exist_ok=True)
    earlier.write_bytes(CONTENT)
    assert cached_path(f'{server}/a/b-12345678.pth') == earlier


def test_a_hash_in_capitals(server):
    assert download(f'{server}/a.pth', DIGITS.upper()) == download(f'{server}/a.pth', DIGITS[:8].upper())


def test_letters_of_other_alphabets(server):
    assert download(f'{server}/für alle/ü%20.pth?a=%2F').name == 'ü .pth'
    assert Handler.asked[0][0] == '/f%C3%BCr%20alle/%C3%BC%20.pth?a=%2F'


def test_an_empty_home_is_none(monkeypatch):
    monkeypatch.delenv('MMKD_HOME', raising=False)
    usual = cache_dir()
    monkeypatch.setenv('MMKD_HOME', '')
    assert cache_dir() == usual


def test_nothing_leaves_the_cache(server, tmp_path):
    for path in ('a/../../../out.pth', 'a/%2e%2e/%2e%2e/out.pth', 'a/..%2f..%2fout.pth', '/etc/out.pth'):
        assert cache_dir() in cached_path(f'{server}/{path}').resolve().parents
        assert download(f'{server}/{path}').name == 'out.pth'
    assert {path.name for path in tmp_path.iterdir()} == {'cache'}


def test_the_hash_is_recorded_and_checked_ever_after(server, cached):
    path = download(f'{server}/a.pth')
    path.write_bytes(b'damaged')
    with pytest.raises(UserError, match=f'expects sha256 {DIGITS}, got [0-9a-f]{{64}}'):
        download(f'{server}/a.pth')
    assert cached() == []
    assert download(f'{server}/a.pth', sha256=DIGITS).read_bytes() == CONTENT
    with pytest.raises(UserError, match='expects sha256 123'):
        download(f'{server}/a.pth', sha256='123')


@pytest.mark.parametrize(('name', 'message'), [
    ('short', 'is truncated or no safetensors file'), ('empty', 'it is empty'), ('login', 'a web page'),
    ('refusal', 'text in JSON'), ('noise', 'no format that is known')])
def test_what_is_no_whole_checkpoint_does_not_stay(server, tmp_path, monkeypatch, name, message):
    said = f'the file from {server}/{name}.pth .*{message}.*It was deleted from the cache'
    with pytest.raises(UserError, match=said):
        download(f'{server}/{name}.pth')
    assert {path.suffix for path in (tmp_path / 'cache').rglob('*') if path.is_file()} <= {'.lock'}
    monkeypatch.setenv('MMKD_MIRRORS', f'{server}/a/={server}/{name}/')
    assert download(f'{server}/a/model.pth').read_bytes() == CONTENT  # not what the mirror answered


def test_what_an_earlier_version_left_in_the_cache_is_found(server, cached):
    path = download(f'{server}/a.pth')
    path.write_bytes(b'<html>too many downloads</html>')
    record = path.with_name(f'{path.name}.sha256')
    record.write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(UserError, match='a web page'):
        download(f'{server}/a.pth')
    assert download(f'{server}/a.pth').read_bytes() == CONTENT


def test_mirrors_come_first_and_need_not_answer(server, monkeypatch):
    monkeypatch.setenv('MMKD_MIRRORS', f'https://away.example/=http://127.0.0.1:9/,https://away.example/={server}/here/')
    monkeypatch.setattr('mmkd.zoo.transfer.TRIES', 1)
    assert download('https://away.example/x/model.pth').read_bytes() == CONTENT
    assert Handler.asked == [('/here/x/model.pth', None)]
    monkeypatch.setenv('MMKD_MIRRORS', 'away')
    with pytest.raises(UserError, match='PREFIX=REPLACEMENT'):
        download(f'{server}/b.pth')


def test_offline(server, monkeypatch):
    download(f'{server}/a.pth')
    monkeypatch.setenv('MMKD_OFFLINE', '1')
    assert download(f'{server}/a.pth').read_bytes() == CONTENT
    with pytest.raises(UserError, match='b.pth is not in the cache, and MMKD_OFFLINE is set'):
        download(f'{server}/b.pth')
    assert len(Handler.asked) == 1


@pytest.mark.parametrize('link', [
    'https://drive.google.com/file/d/1AbCdEfGhIjKlMn/view?usp=sharing', 'https://drive.google.com/uc?id=1AbCdEfGhIjKlMn',
    'https://drive.google.com/open?id=1AbCdEfGhIjKlMn'])
def test_google_drive(server, monkeypatch, link):
    monkeypatch.setenv('MMKD_MIRRORS', f'https://drive.google.com/={server}/')
    assert download(link).name == '1AbCdEfGhIjKlMn.pth'
    with pytest.raises(UserError, match='link to one file on Google Drive'):
        download('https://drive.google.com/drive/folders/')


@pytest.mark.parametrize('link', ['/files/index.php/s/VXzBxFXQdlAQ7h8', '/files/index.php/s/VXzBxFXQdlAQ7h8/download',
                                  '/s/VXzBxFXQdlAQ7h8/'])
def test_share_of_nextcloud(server, link):
    assert download(f'{server}{link}').name == 'VXzBxFXQdlAQ7h8.pth'
    ((path, _), ) = Handler.asked
    assert path == f'{link.removesuffix("/").removesuffix("/download")}/download'


def test_no_server(server, monkeypatch):
    monkeypatch.setattr('mmkd.zoo.transfer.TRIES', 2)
    with pytest.raises(UserError, match='cannot be downloaded .*refused.* Check the URL, the connection'):
        download('http://127.0.0.1:9/model.pth')


def test_other_schemes_and_local_files(server, tmp_path):
    with pytest.raises(UserError, match='begins with http, https, file'):
        download('ftp://127.0.0.1/model.pth')
    with pytest.raises(UserError, match='expects a URL, got http:.*Correct it'):
        download('http://[::1/model.pth')
    (tmp_path / 'my model.pth').write_bytes(CONTENT)
    assert download((tmp_path / 'my model.pth').as_uri(), DIGITS[:8]) == tmp_path / 'my model.pth'
    with pytest.raises(UserError, match='expects sha256 123'):
        download((tmp_path / 'my model.pth').as_uri(), '123')
    with pytest.raises(UserError, match='expects an existing file'):
        download((tmp_path / 'none.pth').as_uri())


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / 'taken').touch()
    monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'taken'))
    with pytest.raises(UserError, match='cannot be downloaded .*Check the URL, the connection and MMKD_HOME'):
        download(f'{server}/model.pth')


def test_a_full_disk(server, cached, monkeypatch):
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr('mmkd.zoo.transfer.shutil.disk_usage', lambda _: usage(10**6, 10**6, 10))
    with pytest.raises(UserError, match='1 MB are needed in .*, 0 MB are free. Make room or set MMKD_HOME'):
        download(f'{server}/model.pth')
    assert cached() == []


def test_a_disk_that_fills_up(server, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr('mmkd.zoo.transfer.tqdm', full)
    with pytest.raises(UserError, match='No space left on device'):
        download(f'{server}/model.pth')


@pytest.mark.slow
def test_two_processes_download_once(server, tmp_path):
    script = tmp_path / 'fetch.py'
    script.write_text(f"from mmkd.zoo.download import download\nprint(download('{server}/shared.pth'))\n")

    def fetch(name: str) -> str:
        (tmp_path / name).mkdir()
        return run_forked(script, cwd=tmp_path, env=dict(os.environ), folder=tmp_path / name).stdout

    with ThreadPoolExecutor(2) as pool:
        files = set(pool.map(fetch, ('one', 'other')))
    assert len(files) == 1 and [path for path, _ in Handler.asked] == ['/shared.pth']
