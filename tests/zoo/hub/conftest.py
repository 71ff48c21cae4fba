"""The stand-in of the hub, and a cache of the test's own."""
import threading
from http.server import ThreadingHTTPServer

import pytest

from .stand_in import Hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The server's class, whose attributes say what it has and was asked."""
    pytest.importorskip('huggingface_hub')
    for name, value in dict(files={}, private={}, stored={}, asked=[], tokens=set(), token=None, cut=0,
                            changed=None).items():
        monkeypatch.setattr(Hub, name, value)
    with ThreadingHTTPServer(('127.0.0.1', 0), Hub) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setenv('HF_ENDPOINT', f'http://127.0.0.1:{httpd.server_port}')
        monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'cache'))
        monkeypatch.delenv('MMKD_OFFLINE', raising=False)
        monkeypatch.delenv('HF_TOKEN', raising=False)
        # Its store for large files is a service of its own; without it the client takes the older way, of git LFS.
        monkeypatch.setattr('huggingface_hub.constants.HF_HUB_DISABLE_XET', True)
        yield Hub
        httpd.shutdown()
