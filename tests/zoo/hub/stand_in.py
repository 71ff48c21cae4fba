"""A server that answers Hugging Face's own client as the hub does, as far as pulling and pushing models goes."""
import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

COMMIT = 'c0ffee' + '0' * 34


class Hub(BaseHTTPRequestHandler):
    """Repositories by name; large files lie on a second address, where a GET of the first one leads."""

    protocol_version = 'HTTP/1.1'
    files: dict[str, dict[str, bytes]] = {}  # by repository
    private: dict[str, bool] = {}
    stored: dict[str, bytes] = {}  # by sha256
    asked: list[tuple[str, str, str | None]] = []  # method, path, Range
    tokens: set[str | None] = set()
    token: str | None = None  # which pushing takes
    cut = 0  # how many more answers break off
    changed: bytes | None = None  # what is sent in place of a file

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.note()
        if path.startswith('/large/'):
            return self.large(path.removeprefix('/large/'))
        if path.startswith('/api/models/'):
            repo = path.removeprefix('/api/models/')
            return self.json(200, dict(id=repo)) if repo in self.files else self.answer(
                404, b'', {'X-Error-Code': 'RepoNotFound'})
        org, name, _, revision, file = path.strip('/').split('/', 4)
        repo = f'{org}/{name}'
        for word, (status, code) in dict(gated=(403, 'GatedRepo'), secret=(401, 'RepoNotFound'),
                                         refused=(403, None), broken=(410, None)).items():
            if word in repo:
                return self.answer(status, b'', {'X-Error-Code': code} if code else {})
        if repo not in self.files:
            return self.answer(404, b'', {'X-Error-Code': 'RepoNotFound'})
        if revision not in ('main', 'v1', COMMIT):
            return self.answer(404, b'', {'X-Error-Code': 'RevisionNotFound'})
        if file not in self.files[repo]:
            return self.answer(404, b'', {'X-Error-Code': 'EntryNotFound', 'X-Repo-Commit': COMMIT})
        content = self.files[repo][file]
        headers = {'X-Repo-Commit': COMMIT}
        if not file.endswith('.safetensors'):
            git = hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()
            return self.answer(200, content, headers | {'ETag': f'"{git}"'})
        digits = hashlib.sha256(content).hexdigest()
        self.stored[digits] = content
        return self.answer(302, b'', headers | {'X-Linked-Etag': f'"{digits}"', 'X-Linked-Size': str(len(content)),
                                                'ETag': '"other"', 'Location': f'{self.elsewhere()}/large/{digits}'})

    def large(self, digits):
        content = self.stored[digits] if self.changed is None else self.changed
        start = int((self.headers.get('Range') or 'bytes=0-').removeprefix('bytes=').split('-')[0])
        body = content[start:]
        headers = {'Content-Range': f'bytes {start}-{len(content) - 1}/{len(content)}'} if start else {}
        half = len(body) // 2 if self.cut and self.command == 'GET' else None
        type(self).cut -= half is not None
        return self.answer(206 if start else 200, body, headers, half)

    def do_PUT(self):
        path = self.note()
        self.stored[path.removeprefix('/upload/')] = self.body()
        self.answer(200, b'')

    def do_POST(self):
        path, body = self.note(), self.body()
        if path.startswith('/api/') and self.headers.get('Authorization') != f'Bearer {self.token}':
            return self.answer(401, b'{"error": "Invalid credentials"}')
        if path == '/api/repos/create':
            wanted = json.loads(body)
            repo = f'{wanted["organization"]}/{wanted["name"]}'
            if repo in self.files:
                return self.json(409, dict(url=f'/{repo}'))
            self.files[repo] = {}
            self.private[repo] = wanted.get('private', wanted.get('visibility') == 'private')
            return self.json(200, dict(url=f'{self.here()}/{repo}', name=repo))
        if path == '/api/validate-yaml':
            return self.json(200, dict(errors=[], warnings=[]))
        if '/preupload/' in path:
            return self.json(200, dict(files=[
                dict(path=file['path'], uploadMode='lfs' if file['path'].endswith('.safetensors') else 'regular',
                     shouldIgnore=False) for file in json.loads(body)['files']]))
        if path.endswith('.git/info/lfs/objects/batch'):
            return self.json(200, dict(transfer='basic', objects=[
                dict(oid=item['oid'], size=item['size'], actions=dict(upload=dict(
                    href=f'{self.here()}/upload/{item["oid"]}'))) for item in json.loads(body)['objects']]))
        if '/branch/' in path:
            return self.json(200, {})
        return self.commit('/'.join(path.split('/')[3:5]), body)

    def commit(self, repo, body):
        for line in map(json.loads, body.splitlines()):
            value = line['value']
            if line['key'] == 'file':
                self.files[repo][value['path']] = base64.b64decode(value['content'])
            elif line['key'] == 'lfsFile':
                self.files[repo][value['path']] = self.stored[value['oid']]
        self.json(200, dict(commitUrl=f'{self.here()}/{repo}/commit/{COMMIT}', commitOid=COMMIT, success=True))

    def note(self) -> str:
        path = unquote(urlsplit(self.path).path)
        self.asked.append((self.command, path, self.headers.get('Range')))
        self.tokens.add(self.headers.get('Authorization'))
        return path

    def here(self) -> str:
        return f'http://{self.headers["Host"]}'

    def elsewhere(self) -> str:
        return self.here().replace('127.0.0.1', 'localhost')

    def body(self) -> bytes:
        if 'chunked' not in (self.headers.get('Transfer-Encoding') or ''):
            return self.rfile.read(int(self.headers.get('Content-Length') or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b''.join(parts)

    def json(self, status, value):
        self.answer(status, json.dumps(value).encode(), {'Content-Type': 'application/json'})

    def answer(self, status, body, headers=None, cut=None):
        self.send_response(status)
        for name, value in {'Content-Length': str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *args):
        """Says nothing."""
