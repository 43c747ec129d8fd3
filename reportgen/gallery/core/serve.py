"""A preview of the site over loopback HTTP."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from reportgen.errors import OutputError


class _Quiet(SimpleHTTPRequestHandler):
    def guess_type(self, path: Any) -> str:
        return "image/webp" if str(path).endswith(".webp") else super().guess_type(path)  # Python knows it from 3.13 on

    def log_message(self, format: str, *args: Any) -> None:
        pass


def server(report: Path, port: int) -> ThreadingHTTPServer:
    """A server of `report/site`, bound to 127.0.0.1 alone; port 0 takes a free one. Errors: OutputError."""
    site = report / "site"
    if not (site / "index.html").is_file():
        raise OutputError(f"`{report}` holds no report", "run `reportgen run` or `reportgen demo` first")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(site)))
    except OSError as error:
        raise OutputError(f"port {port} cannot be used ({error.strerror})", "name another with --port") from error
