"""Chromium for browser tests: found on the machine, without network, with every error and message recorded."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

DRIVER = "GPU stall due to ReadPixels"
"""What Chromium's software renderer says of its own work when WebGL is composed without a GPU; no page caused it."""
REQUIRED = "REPORTGEN_REQUIRE_CHROMIUM"


def chromium_path() -> str:
    """The browser's path; without one the test is skipped, or fails where the environment asks for a browser."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = f"no Chromium on this machine (apt install chromium); {REQUIRED}=1 makes this a failure"
        pytest.fail(reason) if os.environ.get(REQUIRED) == "1" else pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@contextlib.contextmanager
def opened(
    browser: Browser, width: int = 1280, scheme: str = "light", **options: object
) -> Iterator[tuple[Page, list[str]]]:
    """A fresh page, and the growing list of what went wrong in it: console messages, failed or foreign requests."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
    page, said = context.new_page(), []
    page.on("console", lambda m: None if DRIVER in m.text else said.append(f"console {m.type}: {m.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("requestfailed", lambda r: None if r.failure == "net::ERR_ABORTED" else said.append(f"failed: {r.url}"))
    page.on(
        "response",
        lambda response: said.append(f"{response.status}: {response.url}") if response.status >= 400 else None,
    )
    allowed = ("file:", "data:", "blob:", "http://127.0.0.1:")
    page.on("request", lambda r: None if r.url.startswith(allowed) else said.append(f"foreign: {r.url}"))
    yield page, said
    context.close()


@contextlib.contextmanager
def hosted(site: Path, under: str = "audits/today") -> Iterator[str]:
    """The site on loopback HTTP under a sub-path, as on GitHub Pages: the URL of its root."""

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            prefix = f"/{under}/"
            return super().translate_path(path.removeprefix(prefix)) if path.startswith(prefix) else "/nowhere"

        def send_error(self, code: int, *about: object) -> None:
            """A missing page is answered with the site's own, as hosts do."""
            body = (site / "404.html").read_bytes()
            self.send_response(code)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{under}/"
        server.shutdown()


def address(page: Page) -> str:
    """The page's URL when it holds the last state: of a quick row of states a page writes the first and the last."""
    page.wait_for_timeout(500)
    return page.url


def broken_pictures(page: Page) -> int:
    """How many pictures did not load; those that would load when they are scrolled to are loaded now."""
    return page.evaluate(
        """async () => {
          const loaded = (i) => new Promise((done) => i.complete ? done() : (i.onload = i.onerror = done));
          for (const i of document.images) i.loading = "eager";
          await Promise.all([...document.images].map(loaded));
          return [...document.images].filter((i) => !i.naturalWidth).length;
        }"""
    )


def sideways(page: Page) -> int:
    """By how many pixels the page scrolls sideways."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")
