"""The README's picture: `python site/screenshot.py REPORT` photographs the overview and an image page of the demo's
report (needs Chromium).

Writes site/docs/img/overview.png: 1280 pixels wide, 256 colours, at most 250 KiB.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "docs" / "img" / "overview.png"
WIDTH, HEIGHTS, GAP = 1280, (596, 684), 12
LARGEST = 250 * 1024


def photograph(page: Path, height: int) -> Image.Image:
    """The top of a page, in light colours."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light")
        tab.goto(page.resolve().as_uri(), wait_until="load")
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
    pages = (site / "index.html", next(site.glob("images/*-chelsea.html")))  # of the demo
    picture = small_png(stacked([photograph(page, height) for page, height in zip(pages, HEIGHTS, strict=True)]))
    if len(picture) > LARGEST:
        sys.exit(f"the picture has {len(picture):,} bytes, more than {LARGEST:,}")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(picture)
    print(f"{PICTURE}: {len(picture):,} bytes")
