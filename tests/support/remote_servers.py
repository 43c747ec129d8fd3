"""Servers on the loopback interface: a folder over HTTP that counts requests and can fail, and S3 by moto."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class FolderServer(ThreadingHTTPServer):
    """Serves a folder. gets: how often each file was sent; failing: path → how many requests still fail.

    silent: files whose requests get no answer until the server is closed.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.gets: Counter[str] = Counter()
        self.failing: dict[str, int] = {}
        self.silent: set[str] = set()
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    server: FolderServer

    def do_GET(self) -> None:
        name = unquote(self.path.partition("?")[0]).lstrip("/")
        if self.server.failing.get(name, 0):
            self.server.failing[name] -= 1
            self.send_error(503)
            return
        if name in self.server.silent:
            self.server.closing.wait()
            return
        if name and not name.endswith("/"):
            self.server.gets[name] += 1
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def http_server(folder: Path) -> Iterator[FolderServer]:
    server = FolderServer(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
