"""A real web server on this machine that speaks as much of the hub's protocol as handing over a model needs."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What lies on the hub: of each repository its files and whether it is private. May be changed at any time."""

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    refuse: int = 0  # a status that every request is answered with
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve() -> Iterator[Hub]:
    """Serve an empty hub."""
    hub = Hub()
    handler = type("HubHandler", (_Handler,), {"hub": hub})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        hub.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            listening.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self) -> None:
        self.send_file(with_body=False)

    def do_GET(self) -> None:
        self.send_file(with_body=True)

    def do_POST(self) -> None:
        self.note()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hub.refuse:
            self.answer(self.hub.refuse, {"error": "no"})
        elif self.path == "/api/repos/create":
            self.create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"warnings": [], "errors": []})
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            kept = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]
            self.answer(200, {"files": kept})
        elif "/commit/" in self.path:
            self.commit(body)
        else:
            self.answer(404, {"error": "unknown"})

    def create(self, wanted: dict[str, Any]) -> None:
        repo = f"{wanted['organization']}/{wanted['name']}"
        new = repo not in self.hub.files
        if new:
            self.hub.files[repo], self.hub.private[repo] = {}, wanted.get("visibility") == "private"
        self.answer(200 if new else 409, {"url": f"{self.hub.url}/{repo}"})

    def commit(self, body: bytes) -> None:
        repo = self.path.removeprefix("/api/models/").split("/commit/")[0]
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.hub.files[repo][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self.answer(200, {"commitUrl": f"{self.hub.url}/{repo}/commit/{COMMIT}", "commitOid": COMMIT})

    def send_file(self, with_body: bool) -> None:
        self.note()
        repo, _, rest = self.path.removeprefix("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        if self.hub.refuse:
            self.answer(self.hub.refuse, {"error": "no"})
        elif repo not in self.hub.files:
            self.answer(404, {"error": "no"}, code="RepoNotFound")
        elif revision not in ("main", COMMIT):
            self.answer(404, {"error": "no"}, code="RevisionNotFound")
        elif name not in self.hub.files[repo]:
            self.answer(404, {"error": "no"}, code="EntryNotFound")
        else:
            content = self.hub.files[repo][name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            self.wfile.write(content if with_body else b"")

    def answer(self, status: int, value: Any, code: str = "") -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(content if self.command != "HEAD" else b"")

    def note(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")

    def log_message(self, *_: object) -> None:
        pass
