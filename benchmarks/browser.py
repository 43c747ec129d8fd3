"""The pages of 50,000 images in Chromium from file://, compared with their budgets.

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
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.timing import Result
from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import ModelAudit
from reportgen.audit.model_info import ModelInfo
from reportgen.data.samples import Dataset, Sample
from reportgen.embedding.grid import grid_shape
from reportgen.embedding.maps import EmbeddingMap, EmbeddingMaps
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.projections import PrincipalComponents
from reportgen.embedding.regions import MapRegions, find_regions
from reportgen.embedding.space import Space
from reportgen.gallery.components.image_figures import image_card, photograph
from reportgen.gallery.components.photo_sheets import draw_photo_sheets
from reportgen.gallery.core.data_chunks import write_chunk
from reportgen.gallery.core.page import Frame
from reportgen.gallery.core.registry import PageDraft, navigation
from reportgen.gallery.core.writer import open_media, write_site
from reportgen.gallery.pages.embedding import embedding
from reportgen.gallery.pages.image_detail import image_detail
from reportgen.gallery.pages.image_list import image_list
from reportgen.gallery.pages.overview import overview
from reportgen.gallery.site_data import cams_chunk, images_chunk, search_chunk
from reportgen.metrics.classification import classify
from reportgen.metrics.label_errors import LabelErrors
from reportgen.store.table import Table

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
    """What a page may take (limit), and what it took (measured), in the unit."""

    name: str
    limit: float
    unit: str
    measured: float


def run(quick: bool) -> Result:
    """50,000 images, 5 fresh pages a figure; `quick`: 5,000 and 2."""
    n, rounds = (5_000, 2) if quick else (50_000, 5)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        site = Path(scratch) / "site"
        image = write(site, n)
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        messages: list[str] = []
        overview_page, table_page, map_page = "index.html", "images/index.html", "embedding/index.html"
        at = {name: (site / name).as_uri() for name in (overview_page, table_page, map_page, image)}
        shown = [repeated(browser, messages, at[name], PAINTED, rounds) for name in (overview_page, table_page)]
        dots, sprites = (
            repeated(browser, messages, at[map_page], seen(what), rounds) for what in ("frames", "sprites")
        )
        budgets = [
            Budget("overview shown", 1500, "ms", shown[0]),
            Budget("table of images shown", 1500, "ms", shown[1]),
            Budget("map: dots", 1000, "ms", dots),
            Budget("map: first thumbnails", 2000, "ms", sprites),
            *(
                Budget(name, 50, "ms", stepped(browser, messages, at[table_page], control))
                for name, control in (("filter", FILTER), ("filter by text", SEARCH), ("order", ORDER))
            ),
            Budget("slider, a frame", 16, "ms", stepped(browser, messages, at[image], SLIDER)),
            *(Budget(f"page {name}", 150, "KB", (site / name).stat().st_size / 1e3) for name in at),
            *(Budget(f"scripts of {name}", 60, "KB", scripts(site, site / name) / 1e3) for name in at),
            Budget("errors", 0, "", len(messages)),
        ]
        browser.close()
    width = max(len(budget.name) for budget in budgets)
    lines = [f"{n:,} images, {CLASSES:,} classes, Chromium {browser.version}"]
    lines += [f"{b.name:<{width}}  {b.measured:9.1f} {b.unit:<2}  of {b.limit:6.0f}" for b in budgets]
    ratio = {b.name: b.limit / b.measured for b in budgets if b.unit == "ms"}
    return Result(ratio, all(b.measured <= b.limit for b in budgets), [*lines, *dict.fromkeys(messages)])


def seen(what: str) -> str:
    """When the map first had some of these, in the page's milliseconds."""
    look = f"() => window.seen['data-{what}'] ? done(window.seen['data-{what}']) : requestAnimationFrame(look)"
    return f"new Promise(done => {{ const look = {look}; look(); }})"


def repeated(browser: Browser, messages: list[str], url: str, expression: str, rounds: int) -> float:
    """Median of an expression in milliseconds, each time in a fresh page."""
    return statistics.median(
        opened(browser, messages, url, lambda page: float(page.evaluate(expression))) for _ in range(rounds)
    )


def stepped(browser: Browser, messages: list[str], url: str, control: list[Any]) -> float:
    """Median of a control's steps. control: what finds it, and its values."""
    return opened(browser, messages, url, lambda page: statistics.median(page.evaluate(STEPS, control)))


def opened(browser: Browser, messages: list[str], url: str, act: Callable[[Page], float]) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("console", lambda m: messages.append(f"console {m.type}: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda error: messages.append(f"error: {error}"))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else messages.append(r.url))
    page.goto(url)
    page.wait_for_timeout(300)
    result = act(page)
    context.close()
    return result


def scripts(site: Path, page: Path) -> int:
    """Bytes of JavaScript that a page loads from assets: all but data."""
    text = page.read_text("utf-8")
    return sum(path.stat().st_size for path in (site / "assets").glob("*.js") if path.name in text)


def write(site: Path, n: int) -> str:
    """Write the pages that are measured, and all of their data; return the URL of an image's page."""
    audit, (last, media) = synthetic_audit(n), open_media(site)
    figures = [image_card(audit, media, i) for i in range(PICTURES)]
    names = [
        [figure.picture.name, figure.overlay.name if figure.overlay else "", photograph(audit.main, media, i).name]
        for i, figure in enumerate(figures)
    ]
    cards = {i: names[i % PICTURES] for i in range(n)}
    nav = navigation(audit)
    chunks = {
        "images": lambda: images_chunk(audit, cards, draw_photo_sheets(audit, media)),
        "cams": lambda: cams_chunk(audit),
        "search": lambda: search_chunk(nav, [], []),
    }
    data = {name: write_chunk(site, name, make()) for name, make in chunks.items()}
    image = next(image_detail(audit, media))
    pages = [
        PageDraft("index.html", "overview.html", partial(overview, audit, media)),
        next(image_list(audit, media)),
        image,
        PageDraft("embedding/index.html", "embedding.html", partial(embedding, audit, media)),
    ]
    write_site(site, Frame(audit.title, "", nav, f"{n:,} images"), pages, last, media, data)
    return image.url


def synthetic_audit(n: int) -> Audit:
    """An audit of n images with random logits, maps, neighbours and positions."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, n)
    logits = random.normal(size=(n, CLASSES)).astype(np.float32)
    logits[np.arange(n), labels] += 3
    figures = classify(logits, labels)
    samples = [
        Sample(Path(f"{i}.jpg"), f"class-{k:04d}/ILSVRC2012_val_{i:08d}.jpg", int(k)) for i, k in enumerate(labels)
    ]
    tiny = random.integers(0, 256, (PICTURES, 32, 32, 3)).astype(np.uint8)
    arrays = {
        "samples/id": np.array([f"{i:064x}"[::-1].encode() for i in range(n)]),
        "samples/size": np.full((n, 2), (500, 375)),
        "samples/window": np.tile(np.array([0.0, 0, 500, 375]), (n, 1)),
        "image/tiny": tiny[np.arange(n) % PICTURES],
        "logits": logits,
        "features/code": np.zeros((n, 1), np.float32),
        "cam/map": random.random((n, 6, SIDE, SIDE), np.float32),
        "cam/class": np.concatenate((figures.top_classes, labels[:, None]), 1),
    }
    dataset = Dataset("random", samples, [f"class {k}" for k in range(CLASSES)])
    info = ModelInfo(
        name="random",
        source="random",
        head="own",
        method="cam",
        feature_layer="conv",
        feature_shape=(8, SIDE, SIDE),
        parameters=1,
        weights_digest="",
        precision="fp32",
        device="cpu",
        input_size=(224, 224),
        resize="warp",
    )
    outcomes = ["right" if right else "class" for right in figures.top1_correct]
    table = cast(Table, InMemoryTable(arrays, [jpeg(pixels) for pixels in tiny]))
    model = ModelAudit(dataset, samples, info, table, figures, None, outcomes, 0.0)
    return SyntheticAudit(dataset, samples, [], [model], page_limit=n)


class SyntheticAudit(Audit):
    """An audit with random neighbours and maps: to compute those of 50,000 images takes minutes."""

    @cached_property
    def feature_space(self) -> Space:
        n, random = len(self.samples), np.random.default_rng(1)
        near = Neighbours(random.integers(0, n, (n, 10)), np.sort(random.random((n, 10)), 1), np.zeros(0, int))
        return Space(np.zeros((n, 1)), np.empty(0), near, 0.0)

    @cached_property
    def pixel_space(self) -> Space:
        return self.feature_space

    @cached_property
    def embedding_maps(self) -> EmbeddingMaps:
        n, random = len(self.samples), np.random.default_rng(2)
        positions, (rows, columns) = random.normal(size=(n, 2)), grid_shape(n)
        cells = np.column_stack((np.arange(n) % columns + 0.5, np.arange(n) // columns + 0.5))
        layouts = [
            EmbeddingMap(name, name, "random", cells if name == "grid" else positions, None)
            for name in ("tsne", "pca", "grid", "pixels-tsne", "pixels-pca")
        ]
        components = PrincipalComponents(random.normal(size=(n, 8)), np.full(8, 0.1), np.zeros(1), np.zeros((1, 8)))
        return EmbeddingMaps(layouts, components, (rows, columns))

    @cached_property
    def label_errors(self) -> LabelErrors:
        n = len(self.samples)
        return LabelErrors(np.full(n, np.nan), np.full(n, -1))

    @cached_property
    def map_regions(self) -> MapRegions:
        return find_regions(self.embedding_maps.maps[0].positions)


class InMemoryTable:
    """The part of a `Table` that the gallery uses, with few JPEG files for many images."""

    fingerprint = "0" * 64

    def __init__(self, arrays: dict[str, np.ndarray], jpegs: list[bytes]) -> None:
        self.settings: dict[str, Any] = {}
        self.keys = [(identity.decode(), 0) for identity in arrays["samples/id"].tolist()]
        self._arrays, self._jpegs = arrays, jpegs

    def names(self) -> list[str]:
        return list(self._arrays)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def row_versions(self) -> np.ndarray:
        return np.arange(2 * len(self.keys)).view(np.uint8).reshape(-1, 16)

    def ragged(self, name: str, row: int) -> bytes:
        return self._jpegs[row % len(self._jpegs)]


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
