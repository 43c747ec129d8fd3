"""The embedding page in Chromium from file://: how soon 50,000 images are shown, and frames a second when dragged.

There is no peer: each figure is compared with its budget. The images are made up; the page is the product's, with its
template, scripts and data. Dots and thumbnails count as shown two frames after they are drawn, when the renderer has
caught up. Gate: the page reports no error and shows the number of its images.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.grid import cloud
from benchmarks.timing import Result
from reportgen.embedding.grid import grid_shape
from reportgen.embedding.maps import EmbeddingMap, EmbeddingMaps
from reportgen.embedding.projections import PrincipalComponents
from reportgen.embedding.region_names import Attribute, summarize_regions
from reportgen.embedding.regions import find_regions
from reportgen.gallery.components.embedding_chunks import write_embedding_chunks
from reportgen.gallery.components.embedding_regions import write_region_chunk
from reportgen.gallery.core.assets import ON_DEMAND
from reportgen.gallery.core.data_chunks import CHUNKS, script, write_chunk
from reportgen.gallery.core.page import Frame
from reportgen.gallery.core.writer import environment, write_assets, write_if_changed
from reportgen.gallery.pages.embedding import EmbeddingPage

BUDGETS = {"dots": 1.0, "thumbnails": 2.0}
"""Seconds from the click to the first frame that has them."""
FLUID = 30
"""Frames a second while the map is dragged."""
CLASSES = 50
PHOTO = "media/grey.jpg"
"""What the card under the pointer shows of every image."""
WATCH = """
  const seen = {};
  window.seen = seen;
  const note = (key) => {
    if (seen[key]) return;
    seen[key] = -1;
    requestAnimationFrame(() => requestAnimationFrame(() => { seen[key] = performance.now() / 1000; }));
  };
  new MutationObserver(() => {
    const stage = document.querySelector(".stage");
    if (!stage) return;
    if (Number(stage.dataset.frames) > 0) note("dots");
    if (Number(stage.dataset.sprites) > 0) note("thumbnails");
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["data-frames", "data-sprites"] });
"""
"""Runs before the page's own scripts: notes when its first frame, and its first with thumbnails, are shown."""


def run(quick: bool) -> Result:
    """50,000 images, and a million; `quick`: 50,000."""
    lines, gate = [], True
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        return Result({}, False, ["no Chromium on this machine"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for images in (50_000,) if quick else (50_000, 1_000_000):
            with tempfile.TemporaryDirectory() as folder:
                page = made_up_page(Path(folder), images)
                figures, errors = measured(browser, page, images)
            lines += [f"{images:,} images, {figures.pop('renderer')}"]
            lines += [verdict(key, value, images) for key, value in figures.items()]
            lines += errors
            gate = gate and not errors
        browser.close()
    return Result({}, gate, lines)


def verdict(key: str, value: float, images: int) -> str:
    """A line for a figure, with its budget where it has one."""
    if images > 50_000:
        return f"  {key}: {value:.2f}"
    if key in BUDGETS:
        return f"  {key}: {value:.2f} s, {BUDGETS[key]:.0f} s at most: {'met' if value <= BUDGETS[key] else 'missed'}"
    return f"  {key}: {value:.0f} frames/s, {FLUID} at least: {'met' if value >= FLUID else 'missed'}"


def measured(browser: Browser, page: Path, images: int, drag: float = 3.0) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of one page and its errors. drag: seconds of each drag."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    tab, errors = context.new_page(), []
    tab.on("console", lambda m: None if "GPU stall" in m.text else errors.append(f"console: {m.text}"))
    tab.on("pageerror", lambda error: errors.append(f"error: {error}"))
    tab.add_init_script(WATCH)
    tab.goto(page.as_uri())
    deadline = time.monotonic() + 120
    while not (tab.evaluate("window.seen.thumbnails") or 0) > 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    figures = {"renderer": tab.locator(".stage").get_attribute("data-renderer"), **tab.evaluate("window.seen")}
    tab.wait_for_timeout(1000 * drag)  # until all thumbnails are loaded
    figures["dragged, whole map"] = dragged(tab, drag)
    for _ in range(4):
        tab.get_by_role("button", name="zoom in").click()
    figures["dragged, 7 times larger"] = dragged(tab, drag)
    counted = tab.locator("#embedding output.count").inner_text()
    if counted != f"{images:,} of {images:,} images":
        errors.append(f"the page shows: {counted}")
    context.close()
    return figures, errors


def dragged(tab: Page, seconds: float) -> float:
    """Frames a second while the mouse draws circles."""
    area = tab.locator(".stage").bounding_box()
    assert area is not None
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    first, start = int(tab.locator(".stage").get_attribute("data-frames") or 0), time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        tab.mouse.move(x + 150 * np.sin(4 * spent), y + 100 * np.cos(4 * spent) - 100)
    frames = int(tab.locator(".stage").get_attribute("data-frames") or 0) - first
    spent = time.perf_counter() - start
    tab.mouse.up()
    return frames / spent


def made_up_page(site: Path, images: int) -> Path:
    """Write the embedding page of so many made-up images."""
    random = np.random.default_rng(0)
    flat, labels = cloud(images), random.integers(0, CLASSES, images)
    rows, columns = grid_shape(images)
    cells = np.column_stack(np.divmod(random.permutation(images), columns)[::-1]) + 0.5
    names = {
        "tsne": "t-SNE",
        "pca": "PCA",
        "grid": "Grid",
        "pixels-tsne": "t-SNE of pixels",
        "pixels-pca": "PCA of pixels",
    }
    layouts = [EmbeddingMap(name, label, "", cells if name == "grid" else flat, None) for name, label in names.items()]
    maps = EmbeddingMaps(
        layouts,
        PrincipalComponents(random.normal(size=(images, 8)), np.full(8, 0.1), np.zeros(1), np.zeros((1, 8))),
        (rows, columns),
    )
    colours = random.integers(0, 256, (CLASSES, 3))

    def tile(i: int) -> Image.Image:
        shade = np.linspace(0.4, 1, 32)[:, None, None] * np.linspace(1, 0.6 + 0.4 * (i % 7) / 7, 32)[None, :, None]
        return Image.fromarray((shade * colours[labels[i]]).astype(np.uint8))

    numbers = {"agreement": random.integers(0, 11, images).astype(np.int16), "hub": np.zeros(images, np.int16)}
    regions = find_regions(flat)
    label = Attribute("label", labels, [f"class {k}" for k in range(CLASSES)])
    everything = np.ones(images, bool)
    summaries = summarize_regions(regions, [label], label, ~everything, everything, everything)
    data = {
        **write_embedding_chunks(site, maps, numbers, tile, 32, np.arange(images)),
        "regions": write_region_chunk(site, maps, regions, summaries),
        "images": write_chunk(site, "images", table(images, labels)),
    }
    (site / "media").mkdir()
    Image.new("RGB", (500, 375), "grey").save(site / PHOTO)
    page = EmbeddingPage([], None, [], len(regions), regions.n_clustered, None, None, images, images, data, False)
    urls = write_assets(site)
    on_demand = {name: urls[name] for name in ON_DEMAND}
    write_if_changed(site / CHUNKS, script("chunks", {}, {}, {"urls": on_demand}))
    html = (
        environment()
        .get_template("embedding.html")
        .render(page=page, frame=Frame("Made up", "../", [], ""), assets=urls, data=data)
    )
    write_if_changed(site / "embedding" / "index.html", html.encode())
    return site / "embedding" / "index.html"


def table(images: int, labels: np.ndarray) -> bytes:
    """The chunk of all images, in the form of `data_chunks.images_chunk`."""
    random = np.random.default_rng(1)
    predicted = np.where(random.random(images) < 0.8, labels, random.integers(0, CLASSES, images))
    columns = {
        "label": labels.astype(np.int16),
        "predicted": predicted.astype(np.int16),
        "score": random.integers(0, 1001, images).astype(np.int16),
        "iou": np.full(images, -1, np.int16),
        "flags": np.zeros(images, np.uint8),
        "outcome": (labels != predicted).astype(np.uint8),
        "width": np.full(images, 500, np.int32),
        "height": np.full(images, 375, np.int32),
    }
    texts = {
        "id": [f"{i:016x}" for i in range(images)],
        "name": [f"class-{label}/image_{i:07d}.jpg" for i, label in enumerate(labels)],
        "page": [f"images/{i:06d}-image-{i:07d}.html" for i in range(images)],
        "photo": [PHOTO] * images,
        "thumbnail": [PHOTO] * images,
        "layer": [""] * images,
    }
    more = {
        "n": images,
        "title": "Made up",
        "report": "made up",
        "flag_names": [],
        "outcomes": [["right", "right"], ["class", "wrong class"]],
        "classes": {str(k): f"class {k}" for k in range(CLASSES)},
        "table_columns": [],
    }
    return script("images", columns, texts, more)
