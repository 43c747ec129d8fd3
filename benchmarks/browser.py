"""The pages of 50,000 images in Chromium from file://, beside the budgets that they have to keep.

The site is built by the gallery's own code from an audit with random figures, maps and thumbnails; only the pages that
are measured are written. Times are medians, each of a fresh page. Gate: every budget is met, and no page asks for
anything outside of the site, breaks its policy, or reports an error.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.timing import Result
from reportgen.audit.audit import Audit
from reportgen.audit.model_info import ModelCard
from reportgen.data.samples import Dataset, Sample
from reportgen.embedding.grid import grid_shape
from reportgen.embedding.maps import Layout, Maps
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.projections import Components
from reportgen.embedding.space import Space
from reportgen.gallery.build import navigation
from reportgen.gallery.components.figure import Page as Written
from reportgen.gallery.components.image_figures import card
from reportgen.gallery.components.page_data import Frame
from reportgen.gallery.core import data_chunks as payload
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.writer import write_site
from reportgen.gallery.pages import image as images
from reportgen.gallery.pages import overview as compose
from reportgen.gallery.pages.embedding import maps_page
from reportgen.metrics.classification import classify

CLASSES, SIDE, PICTURES = 1_000, 7, 64
WATCH = """
window.seen = {};
new MutationObserver((list) => { for (const { target, attributeName } of list) {
  const value = Number(target.getAttribute(attributeName));
  if (value > 0) window.seen[attributeName] ??= performance.now();
} }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-frames", "data-sprites"] });
"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
STEPS = """([selector, values]) => values.map((value) => {
  const input = document.querySelector(selector), start = performance.now();
  input.value = value;
  input.dispatchEvent(new Event("input"));
  document.body.offsetHeight;
  return performance.now() - start;
})"""
"""Milliseconds of each step of a control until the page is laid out again."""
FILTER = ["select[aria-label=label]", list(map(str, range(11)))]
SEARCH = ["input[type=search]", ["1", "12", "123", "1234", "", "t", "th", "the"]]
ORDER = ["select[aria-label=order]", ["name", "iou+", "score-", "label", "score+", "iou-"]]
SLIDER = ["#viewer .tools label:nth-child(3) input", list(range(10, 70))]


@dataclass(frozen=True)
class Budget:
    """What a page may take, and what it took, in the unit."""

    name: str
    limit: float
    unit: str
    found: float


def run(quick: bool) -> Result:
    """50,000 images, 5 fresh pages a figure; `quick`: 5,000 and 2."""
    n, rounds = (5_000, 2) if quick else (50_000, 5)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        site = Path(scratch) / "site"
        image = write(site, n)
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        said: list[str] = []
        at = {name: (site / name).as_uri() for name in ("index.html", "images/index.html", "maps/index.html", image)}
        shown = [repeated(browser, said, at[name], PAINTED, rounds) for name in ("index.html", "images/index.html")]
        dots, sprites = (
            repeated(browser, said, at["maps/index.html"], seen(what), rounds) for what in ("frames", "sprites")
        )
        found = [
            Budget("overview shown", 1500, "ms", shown[0]),
            Budget("table of images shown", 1500, "ms", shown[1]),
            Budget("map: dots", 1000, "ms", dots),
            Budget("map: first thumbnails", 2000, "ms", sprites),
            *(
                Budget(name, 50, "ms", stepped(browser, said, at["images/index.html"], control))
                for name, control in (("filter", FILTER), ("filter by text", SEARCH), ("order", ORDER))
            ),
            Budget("slider, a frame", 16, "ms", stepped(browser, said, at[image], SLIDER)),
            *(Budget(f"page {name}", 150, "KB", (site / name).stat().st_size / 1e3) for name in at),
            *(Budget(f"scripts of {name}", 60, "KB", scripts(site, site / name) / 1e3) for name in at),
            Budget("complaints", 0, "", len(said)),
        ]
        browser.close()
    width = max(len(budget.name) for budget in found)
    lines = [f"{n:,} images, {CLASSES:,} classes, Chromium {browser.version}"]
    lines += [f"{b.name:<{width}}  {b.found:9.1f} {b.unit:<2}  of {b.limit:6.0f}" for b in found]
    ratio = {b.name: b.limit / b.found for b in found if b.unit == "ms"}
    return Result(ratio, all(b.found <= b.limit for b in found), [*lines, *dict.fromkeys(said)])


def seen(what: str) -> str:
    """When the map first had some of these, in the page's milliseconds."""
    look = f"() => window.seen['data-{what}'] ? done(window.seen['data-{what}']) : requestAnimationFrame(look)"
    return f"new Promise(done => {{ const look = {look}; look(); }})"


def repeated(browser: Browser, said: list[str], url: str, expression: str, rounds: int) -> float:
    """Median of an expression in milliseconds, each time in a fresh page."""
    return statistics.median(
        opened(browser, said, url, lambda page: float(page.evaluate(expression))) for _ in range(rounds)
    )


def stepped(browser: Browser, said: list[str], url: str, control: list[Any]) -> float:
    """Median of a control's steps. control: what finds it, and its values."""
    return opened(browser, said, url, lambda page: statistics.median(page.evaluate(STEPS, control)))


def opened(browser: Browser, said: list[str], url: str, act: Callable[[Page], float]) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("console", lambda m: said.append(f"console {m.type}: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else said.append(r.url))
    page.goto(url)
    page.wait_for_timeout(300)
    found = act(page)
    context.close()
    return found


def scripts(site: Path, page: Path) -> int:
    """Bytes of JavaScript that a page loads from assets: all but data."""
    text = page.read_text("utf-8")
    return sum(path.stat().st_size for path in (site / "assets").glob("*.js") if path.name in text)


# --------------------------------------------------------------------------------------------------- the site


def write(site: Path, n: int) -> str:
    """The pages that are measured, and all of their data; returns the URL of an image's page."""
    audit, album = synthetic(n), Album(site)
    cards = [card(audit, album, i) for i in range(PICTURES)]
    cards = [cards[i % PICTURES] for i in range(n)]
    data = {name: payload.write_chunk(site, name, make()) for name, make in {
        "images": lambda: payload.images_chunk(audit, cards),
        "maps": lambda: payload.maps_chunk(audit),
        "switch": lambda: payload.switch_chunk(navigation(False), [], []),
    }.items()}  # fmt: skip
    rows = compose.class_rows(audit)
    wall = next(images.images_pages(audit, cards))
    image = next(images.image_pages(audit, album))
    pages: list[Written] = [
        ("index.html", "index.html", lambda: compose.index_page(audit, album, rows)),
        wall,
        image,
        ("maps/index.html", "maps.html", lambda: maps_page(audit, album, site)),
    ]
    write_site(site, Frame(audit.title, "", navigation(False), f"{n:,} images"), pages, album, data)
    return image[0]


def synthetic(n: int) -> Audit:
    """An audit of random figures."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, n)
    logits = random.normal(size=(n, CLASSES)).astype(np.float32)
    logits[np.arange(n), labels] += 3
    figures = classify(logits, labels)
    classes = np.concatenate((figures.top, labels[:, None]), 1)
    samples = [
        Sample(Path(f"{i}.jpg"), f"class-{k:04d}/ILSVRC2012_val_{i:08d}.jpg", int(k)) for i, k in enumerate(labels)
    ]
    tiny = random.integers(0, 256, (PICTURES, 32, 32, 3)).astype(np.uint8)
    pictures = [jpeg(pixels) for pixels in tiny]
    store = Arrays({
        "samples/id": np.array([f"{i:064x}"[::-1].encode() for i in range(n)]),
        "image/tiny": tiny[np.arange(n) % PICTURES],
    }, pictures)  # fmt: skip
    card_ = ModelCard(
        "random", "random", "own", "cam", "conv", (8, SIDE, SIDE), 1, "", "warp", "fp32", "cpu", 224, "none"
    )
    names = [f"class {k}" for k in range(CLASSES)]
    kinds = ["right" if right else "class" for right in figures.right1]
    audit = Audit(Dataset("random", samples, names), samples, [], card_, store, figures, None, kinds, 0.0)  # type: ignore[arg-type]
    near = Neighbours(random.integers(0, n, (n, 10)), np.sort(random.random((n, 10)), 1), np.zeros(0, int))
    space, place = Space(np.zeros((n, 1)), near, 0.0), random.normal(size=(n, 2))
    rows, columns = grid_shape(n)
    cells = np.column_stack((np.arange(n) % columns + 0.5, np.arange(n) // columns + 0.5))
    layouts = [
        Layout(name, name, "random", cells if name == "grid" else place, None)
        for name in ("tsne", "pca", "grid", "pixels-tsne", "pixels-pca")
    ]
    audit.__dict__.update(
        cams=random.random((n, 6, SIDE, SIDE), np.float32),
        cam_classes=classes,
        sizes=np.full((n, 2), (500, 375)),
        windows=np.tile(np.array([0.0, 0, 500, 375]), (n, 1)),
        code_space=space,
        pixel_space=space,
        maps=Maps(layouts, Components(random.normal(size=(n, 8)), np.full(8, 0.1)), (rows, columns)),
    )
    return audit


class Arrays(SimpleNamespace):
    """What the gallery asks of a store, from memory."""

    def __init__(self, arrays: dict[str, np.ndarray], pictures: list[bytes]) -> None:
        super().__init__(
            fingerprint="0" * 64, settings={}, keys=[(i.decode(), 0) for i in arrays["samples/id"].tolist()]
        )
        self.arrays, self.pictures = arrays, pictures

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def ragged(self, name: str, row: int) -> bytes:
        return self.pictures[row % len(self.pictures)]


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
