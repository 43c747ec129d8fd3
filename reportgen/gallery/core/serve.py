"""Preview of a site over HTTP, on this machine only (`reportgen serve`)."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from reportgen.errors import OutputError


class _Handler(SimpleHTTPRequestHandler):
    def guess_type(self, path: Any) -> str:
        return "image/webp" if str(path).endswith(".webp") else super().guess_type(path)  # known to Python from 3.13 on

    def log_message(self, format: str, *args: Any) -> None:
        pass


def server(report: Path, port: int) -> ThreadingHTTPServer:
    """A server of `report/site` on 127.0.0.1. Port 0 picks a free port. Errors: OutputError."""
    site = report / "site"
    if not (site / "index.html").is_file():
        raise OutputError(f"`{report}` has no report", "run `reportgen run` or `reportgen demo` first")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(site)))
    except OSError as error:
        raise OutputError(f"port {port} cannot be used ({error.strerror})", "choose another with --port") from error
