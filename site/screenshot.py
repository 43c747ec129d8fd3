"""The README's picture: `python site/screenshot.py REPORT` photographs the overview of a report (needs Chromium).

Writes site/docs/img/overview.png: 1280 pixels wide, 256 colours, at most 250 KiB.
"""

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "docs" / "img" / "overview.png"
WIDTH, HEIGHT = 1280, 1140
LARGEST = 250 * 1024


def photograph(page: Path) -> bytes:
    """The top of a page, in light colours, as PNG."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(page.resolve().as_uri(), wait_until="load")
        shot = tab.screenshot()
        browser.close()
    return shot


def small_png(shot: bytes) -> bytes:
    """The same picture with 256 colours, dithered, since bands in a map would look like a result."""
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    colours = picture.quantize(256, kmeans=2)
    picture.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python site/screenshot.py REPORT")
    picture = small_png(photograph(Path(sys.argv[1]) / "site" / "index.html"))
    if len(picture) > LARGEST:
        sys.exit(f"the picture has {len(picture):,} bytes, more than {LARGEST:,}")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(picture)
    print(f"{PICTURE}: {len(picture):,} bytes")
