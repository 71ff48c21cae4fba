"""A real HTTP server on this machine, with the vices of others."""
import hashlib
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def checkpoint(size: int) -> bytes:
    """A file in the format of safetensors: one tensor of bytes, not all alike."""
    header = b'{"weight":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (size - 128, size - 128)
    return struct.pack('<Q', 120) + header.ljust(120) + (bytes(range(256)) * (size // 256))[:size - 128]


CONTENT = checkpoint(1 << 20)
VICES = dict(short=CONTENT[:len(CONTENT) // 2], empty=b'', login=b'<!DOCTYPE html><html>Log in</html>',
             refusal=b'{"error": "quota"}', noise=bytes(range(256)) * 16)
DIGITS = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves ``CONTENT`` under every path, as the path says; keeps what was asked for."""

    protocol_version = 'HTTP/1.1'
    asked: list[tuple[str, str | None]] = []
    failures = 0
    version = '"1"'

    def do_GET(self):
        cls, wanted = type(self), self.headers.get('Range')
        cls.asked.append((self.path, wanted))
        if 'none' in self.path:
            return self.answer(404, b'not here')
        if 'page' in self.path:
            return self.answer(200, b'<html>too many downloads</html>', {'Content-Type': 'text/html; charset=utf-8'})
        for name, body in VICES.items():  # with nothing in the headers that would tell
            if name in self.path:
                self.send_response(200)
                self.send_header('Content-Type', 'application/octet-stream')
                self.send_header('Connection', 'close')
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True
                return None
        if 'busy' in self.path and cls.failures:
            cls.failures -= 1
            return self.answer(503, b'')
        start = 0
        if wanted and 'simple' not in self.path and self.headers.get('If-Range') == self.version:
            start = int(wanted.removeprefix('bytes=').removesuffix('-'))
        headers = {'ETag': self.version} | ({'Content-Range': f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}'}
                                            if start else {})
        cut = 'drops' in self.path and cls.failures
        cls.failures -= bool(cut)
        body = CONTENT[start:]
        return self.answer(206 if start else 200, body, headers, len(body) // 2 if cut else None)

    def answer(self, status, body, headers=None, cut=None):
        self.send_response(status)
        for name, value in {'Content-Length': str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of the server; downloads go to a cache of the test's own, without pauses."""
    monkeypatch.setenv('MMKD_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr('mmkd.zoo.transfer.FIRST_PAUSE_SECONDS', 0.01)
    for name, value in dict(asked=[], failures=0, version='"1"').items():
        monkeypatch.setattr(Handler, name, value)
    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_port}'
        httpd.shutdown()


@pytest.fixture
def cached(tmp_path):
    """The names of the files in the cache, without locks and records."""
    def names(folder: Path = tmp_path / 'cache') -> list[str]:
        return sorted(path.name for path in folder.rglob('*') if path.is_file()
                      and path.suffix not in ('.lock', '.sha256'))
    return names
