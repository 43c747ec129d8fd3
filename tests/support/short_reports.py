"""One report twice: with a full page for every image, and with few of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
from tests.support.shared_folders import filled_once
from tests.support.square_images import squares

IMAGES, FULL_PAGES = 25, 5


@dataclass(frozen=True)
class ShortReport:
    """report: with `FULL_PAGES` full pages; all_full: site of the same report with one for every image."""

    report: Path
    all_full: Path

    @property
    def site(self) -> Path:
        return self.report / "site"

    def short_images(self) -> list[dict[str, Any]]:
        """What the chunks have of the images without a full page."""
        images = []
        for path in sorted((self.site / "data").glob("image-*.js")):
            text = path.read_text("utf-8")
            images += json.loads(text[text.index("{") : text.rindex("}") + 1])["images"]
        return images

    def full_page_of(self, row: int) -> Path:
        """The full page of an image in the report in which every image has one."""
        (page,) = (self.all_full / "images").glob(f"{row:06d}-*.html")
        return page


@pytest.fixture(scope="session")
def short_report(tmp_path_factory: pytest.TempPathFactory) -> ShortReport:
    """24 images of squares, the first of which is there twice."""
    folder = filled_once(tmp_path_factory, "short-pages", make)
    return ShortReport(folder / "report", folder / "all-full")


def make(folder: Path) -> None:
    """Write the data, the report with few full pages, and the site with all of them."""
    table = squares(folder / "data")
    first = table.read_text().splitlines()[1]
    name = first.split(",")[0]
    shutil.copy(folder / "data" / name, folder / "data" / f"copy-of-{name}")
    table.write_text(f"{table.read_text()}copy-of-{first}\n")
    config = {
        "data": table,
        "classes": folder / "data" / "classes.txt",
        "model": "python:tests.support.tiny_networks:network",
        "select": "none",
        "device": "cpu",
        "out": folder / "report",
    }
    run_audit(AuditConfig(**config))
    shutil.copytree(folder / "report" / "site", folder / "all-full")
    run_audit(AuditConfig(**config, page_limit=FULL_PAGES))
