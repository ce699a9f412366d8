"""A real web server of one file, which can misbehave."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Server:
    """What is served, how, and what was asked for; may be changed at any time."""

    content: bytes
    url: str = ""
    keep: int | None = None  # bytes sent before the connection breaks
    status: int = 200
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serve(content: bytes) -> Iterator[Server]:
    """Serve some bytes on this machine, under every path."""
    state = Server(content)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.content)))
            self.end_headers()
            self.wfile.write(state.content[: state.keep])

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_port}/data.bin"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            listening.shutdown()
            thread.join()
