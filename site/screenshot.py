"""The pictures of README and manual: `python site/screenshot.py REPORT` photographs pages of the demo's report (needs
Chromium).

Writes site/docs/img/overview.png, of the overview and an image page, findings.png, of the findings, and
embedding-map.png, of the map with a region selected: 1280 pixels wide, 256 colours, at most 250 KiB each.
"""

import csv
import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parent / "docs" / "img"
WIDTH, HEIGHTS, GAP = 1280, (596, 684, 900, 1000), 12
PAUSE = 3000
"""Milliseconds in which the thumbnails of the map are drawn."""
LARGEST = 250 * 1024


def photograph(page: Path, height: int, state: str = "") -> Image.Image:
    """The top of a page, in light colours. state: of its address, which takes a moment to be drawn."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light")
        tab.goto(page.resolve().as_uri() + state, wait_until="load")
        tab.wait_for_timeout(PAUSE if state else 0)
        shot = tab.screenshot()
        browser.close()
    return Image.open(io.BytesIO(shot)).convert("RGB")


def stacked(pictures: list[Image.Image]) -> Image.Image:
    """One above the other, on grey."""
    whole = Image.new("RGB", (WIDTH, sum(picture.height + GAP for picture in pictures) - GAP), "#c4c4c0")
    for n, picture in enumerate(pictures):
        whole.paste(picture, (0, sum(above.height + GAP for above in pictures[:n])))
    return whole


def small_png(picture: Image.Image) -> bytes:
    """The same picture with 256 colours, dithered, since bands in a map would look like a result."""
    buffer = io.BytesIO()
    colours = picture.quantize(256, kmeans=2)
    picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python site/screenshot.py REPORT")
    site = Path(sys.argv[1]) / "site"
    image = next(site.glob("images/*-chelsea.html"))  # of the demo
    regions = list(csv.DictReader((Path(sys.argv[1]) / "regions.csv").open(encoding="utf-8")))
    worst = max(regions, key=lambda region: int(region["wrong"] or 0) / int(region["images"]))
    shots = {
        "overview.png": [(site / "index.html", HEIGHTS[0]), (image, HEIGHTS[1])],
        "findings.png": [(site / "findings" / "index.html", HEIGHTS[2])],
        "embedding-map.png": [(site / "embedding" / "index.html", HEIGHTS[3], f"#region={worst['region']}")],
    }
    for name, pages in shots.items():
        picture = small_png(stacked([photograph(*page) for page in pages]))
        if len(picture) > LARGEST:
            sys.exit(f"{name} has {len(picture):,} bytes, more than {LARGEST:,}")
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / name).write_bytes(picture)
        print(f"{PICTURES / name}: {len(picture):,} bytes")
