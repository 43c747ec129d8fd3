"""The manual's pictures: `python site/screenshot.py REPORT [NAME …]` photographs a report of the demo (needs Chromium).

Writes site/docs/img/overview.webp, the README's picture, and a picture of every visualization, site/docs/img/NAME.webp.
`reportgen demo --feature-visualization _swish:12 --out REPORT` makes a report that has them all but `gap-gmp`, for
which this script makes a report of its own.
"""

import csv
import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from reportgen.config import AuditConfig
from reportgen.data.demo import make_demo_photos
from reportgen.pipeline.run import run_audit

IMG = Path(__file__).parent / "docs" / "img"
WIDTH, HEIGHTS, GAP = 1280, (596, 684), 12
QUALITY = 80
MAX_HEIGHT = 900
"""Of a picture: what is below is cut."""


class Shot(NamedTuple):
    """A picture of the part `selector` of the first page that matches `page`. state: in its address."""

    page: str
    selector: str
    width: int = 1100
    state: str = ""


SHOTS = {
    "wall": Shot("index.html", ".wall"),
    "findings": Shot("findings/index.html", "main"),
    "class-comparison": Shot("images/*-chelsea.html", "#comparison"),
    "viewer": Shot("images/*-motorcycle.html", "#viewer"),
    "top-classes": Shot("images/*-motorcycle.html", "#top_classes"),
    "occlusion": Shot("images/*-motorcycle.html", "#occlusion"),
    "saliency": Shot("images/*-motorcycle.html", "#saliency"),
    "strongest-units": Shot("images/*-motorcycle.html", "#strongest_units"),
    "image-neighbours": Shot("images/*-motorcycle.html", "#neighbours"),
    "class-mean-map": Shot("classes/*-tabby.html", "#class_mean_map"),
    "unit": Shot("units/blocks-10-*/0003.html", "main", 900),
    "filters": Shot("filters/index.html", "main .mosaic, main figure"),
    "activations": Shot("activations/*-motorcycle/blocks-4-*.html", "main", 900),
    "feature-visualization": Shot("units/swish-*/0012.html", "#optimized_input"),
    "embedding-map": Shot("embedding/index.html", "#embedding"),
    "neighbours": Shot("neighbours/index.html", "main", 1000),
    "confusions": Shot("confusions/index.html", "main", 1000),
    "calibration": Shot("confidence/index.html", "figure.chart"),
    "localization": Shot("localization/index.html", "figure.chart"),
    "failures": Shot("failures/index.html", ".quadrants"),
    "live": Shot("live.html", "#live", 1240, "#square=90.60.32"),
    "live-layers": Shot("live.html", "#live-layers", 1240, "#image=0551a23306232778&layer=_blocks.4"),
    "background": Shot("background/index.html", "main", 1000),
    "gap-gmp": Shot("gap-gmp/index.html", "ul.sides"),
}
"""The pictures of the page Visualizations, by name."""


KINDS = {
    "animal": {"tabby", "goldfish", "jellyfish", "lion", "golden retriever"},
    "device": {"joystick", "reflex camera", "electric guitar", "laptop", "dial telephone", "wall clock"},
    "landscape": {"alp", "lakeside", "mountain tent", "palace"},
}
"""Coarse classes of the demo's photographs: of most of its own classes there is one scene, too few to fit a head."""


def gap_and_gmp_report(folder: Path) -> Path:
    """Audit the demo's network with heads fitted on coarse classes behind both poolings, and return the site."""
    kind_of = {label: kind for kind, labels in KINDS.items() for label in labels}
    photos = make_demo_photos(folder)
    with photos.open(encoding="utf-8", newline="") as file:
        rows = [row | {"label": kind_of[row["label"]]} for row in csv.DictReader(file) if row["label"] in kind_of]
    table = folder / "kinds.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    models = ({"model": "demo", "head": "gap"}, {"model": "demo", "head": "gmp"})
    run_audit(AuditConfig(data=table, models=models, select="none", out=folder / "report"))
    return folder / "report" / "site"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def top_of_page(browser: Browser, page: Path, height: int) -> Image.Image:
    """The top of a page, in light colours."""
    tab = browser.new_page(viewport={"width": WIDTH, "height": height}, color_scheme="light")
    tab.goto(page.resolve().as_uri(), wait_until="load")
    return Image.open(io.BytesIO(tab.screenshot())).convert("RGB")


def part_of_page(browser: Browser, page: Path, shot: Shot) -> Image.Image:
    """One element, in light colours. Lazy pictures are loaded by a window that holds the whole page."""
    tab = browser.new_page(viewport={"width": shot.width, "height": 6000}, color_scheme="light")
    tab.goto(page.resolve().as_uri() + shot.state, wait_until="networkidle")
    if page.name == "live.html":
        tab.locator("#live dl > div").first.wait_for(timeout=60_000)  # the network has run
    part = tab.locator(shot.selector).first
    part.scroll_into_view_if_needed()
    tab.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(part.screenshot())).convert("RGB")
    return picture.crop((0, 0, picture.width, min(picture.height, MAX_HEIGHT)))


def stacked(pictures: list[Image.Image]) -> Image.Image:
    """One above the other, on grey."""
    whole = Image.new("RGB", (WIDTH, sum(picture.height + GAP for picture in pictures) - GAP), "#c4c4c0")
    for n, picture in enumerate(pictures):
        whole.paste(picture, (0, sum(above.height + GAP for above in pictures[:n])))
    return whole


def write_pictures(site: Path, names: list[str]) -> None:
    """Write the pictures of these names, or all."""
    IMG.mkdir(exist_ok=True)
    with chromium() as browser, TemporaryDirectory() as folder:
        if not names or "overview" in names:
            pages = (site / "index.html", next(site.glob("images/*-chelsea.html")))
            tops = [top_of_page(browser, page, height) for page, height in zip(pages, HEIGHTS, strict=True)]
            stacked(tops).save(IMG / "overview.webp", quality=QUALITY, method=6)
        for name, shot in SHOTS.items():
            if names and name not in names:
                continue
            shown = gap_and_gmp_report(Path(folder)) if name == "gap-gmp" else site
            page = next(iter(sorted(shown.glob(shot.page))), None)
            if page is None:
                print(f"no picture {name}: the report has no page {shot.page}")
                continue
            part_of_page(browser, page, shot).save(IMG / f"{name}.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python site/screenshot.py REPORT [NAME …]")
    write_pictures(Path(sys.argv[1]) / "site", sys.argv[2:])
