"""Downloading from a real server on this machine."""
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmkd.utils import UserError
from mmkd.zoo.download import cache_dir, download

CONTENT = b'some weights'
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and counts the requests."""

    requests = 0

    def do_GET(self):
        type(self).requests += 1
        super().do_GET()

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def url(tmp_path, monkeypatch):
    monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(Handler, 'requests', 0)
    for name in (f'model-{DIGITS}.pth', 'model-01234567.pth', 'a/epoch_1.pth', 'b/epoch_1.pth'):
        path = tmp_path / 'served' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT if name.startswith('model') else name.encode())
    with ThreadingHTTPServer(('127.0.0.1', 0), partial(Handler, directory=tmp_path / 'served')) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def cached() -> list[str]:
    return [path.name for path in cache_dir().rglob('*') if path.is_file()]


def test_once(url):
    for _ in range(2):
        assert download(f'{url}/model-{DIGITS}.pth').read_bytes() == CONTENT
    assert Handler.requests == 1
    assert cached() == [f'model-{DIGITS}.pth']


def test_files_of_one_name_are_kept_apart(url):
    files = [download(f'{url}/{folder}/epoch_1.pth') for folder in 'aba']
    assert [file.read_text() for file in files] == ['a/epoch_1.pth', 'b/epoch_1.pth', 'a/epoch_1.pth']
    assert Handler.requests == 2


@pytest.mark.parametrize(('path', 'message'), [
    ('model-01234567.pth', 'invalid hash value'), ('none.pth', 'HTTP Error 404'), ('', 'Add the name of the file')])
def test_failures_leave_nothing_in_the_cache(url, path, message):
    with pytest.raises(UserError, match=f'127.0.0.1.*{message}'):
        download(f'{url}/{path}')
    assert cached() == []


def test_no_server(url):
    with pytest.raises(UserError, match='cannot be downloaded .*Check the URL and the connection'):
        download('http://127.0.0.1:9/model.pth')


def test_a_cache_that_cannot_be_written(url, tmp_path, monkeypatch):
    (tmp_path / 'taken').touch()
    monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'taken'))
    with pytest.raises(UserError, match='cannot be downloaded'):
        download(f'{url}/model-{DIGITS}.pth')
