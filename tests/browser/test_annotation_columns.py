"""Further columns of the annotations filter the images and colour the embedding map, whatever their names contain."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from reportgen.config import AuditConfig
from reportgen.pipeline.run import run_audit
from tests.browser.pages import visited
from tests.support.browser import address
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

pytestmark = pytest.mark.browser
HOSTILE = "</script><b>\"'&" + "x" * 60
SHOWN = HOSTILE[:39] + "…"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images with a category, numbers from 1 to 12, and free text."""
    folder = tmp_path_factory.mktemp("columns")
    table = squares(folder / "data", each=4)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    for k, row in enumerate(rows):
        row |= {"camera": ["left", HOSTILE, ""][k % 3], HOSTILE: str(k + 1)}
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    slices = ({"name": "left and late", "where": ("camera = left", "shorter side >= 1")},)
    run_audit(
        AuditConfig(
            data=table,
            classes=table.parent / "classes.txt",
            model=TINY_NETWORK,
            out=folder,
            select="none",
            slices=slices,
        )
    )
    return folder


def test_columns_filter_the_images_together(browser: Browser, report: Path) -> None:
    with visited(browser, (report / "site" / "images" / "index.html").as_uri(), offline=True) as page:
        count = page.locator("#explore output.count")
        expect(count).to_have_text("12 of 12 images")
        camera = page.get_by_label("camera", exact=True)
        assert camera.locator("option").all_inner_texts() == ["any", SHOWN, "left"]
        camera.select_option(label="left")
        expect(count).to_have_text("4 of 12 images")  # rows 1, 4, 7, 10
        number = page.get_by_label(SHOWN, exact=True)
        assert number.locator("option").all_inner_texts() == [
            "any",
            "1 to 3",
            "4 to 5",
            "6 to 8",
            "9 to 10",
            "11 to 12",
        ]
        number.select_option(label="4 to 5")
        expect(count).to_have_text("1 of 12 images")
        at = address(page)
        assert "column=0.1%2C1.1" in at
        page.get_by_role("button", name="clear").click()
        expect(count).to_have_text("12 of 12 images")
        assert camera.input_value() == ""
    with visited(browser, at, offline=True) as page:
        expect(page.locator("#explore output.count")).to_have_text("1 of 12 images")
        assert page.get_by_label("camera", exact=True).input_value() == "1"
    described = f"{(report / 'site' / 'classes' / 'index.html').as_uri()}#{at.partition('#')[2]}"
    with visited(browser, described, offline=True) as page:
        expect(page.get_by_text(f"camera left · {SHOWN} 4 to 5").first).to_be_visible()
    for bad in ("column=9.0", "column=0.9", "column=x", "column=0", "column=__proto__.0"):
        url = (report / "site" / "images" / "index.html").as_uri() + f"#{bad}"
        with visited(browser, url, offline=True) as page:
            expect(page.locator("#explore output.count")).to_have_text("12 of 12 images")


def test_columns_colour_the_map_and_its_legend_filters(browser: Browser, report: Path) -> None:
    url = (report / "site" / "embedding" / "index.html").as_uri()
    with visited(browser, url, offline=True) as page:
        colour = page.get_by_label("colour", exact=True)
        expect(colour.locator("option", has_text="camera")).to_have_count(1)
        colour.select_option(label="camera")
        legend = page.locator(".legend-row")
        expect(legend.get_by_role("button")).to_have_text([SHOWN, "left"])
        legend.get_by_role("button", name="left").click()
        expect(page.locator("#embedding output.count")).to_have_text("4 of 12 images")
        assert "column=0.1" in address(page)
        legend.get_by_role("button", name=SHOWN).click()
        expect(page.locator("#embedding output.count")).to_have_text("8 of 12 images")
        colour.select_option(label=SHOWN)
        expect(legend.locator("span")).to_have_text(["1", "3.75", "6.5", "9.25", "12"])


def test_slice_of_the_settings_links_to_its_images(browser: Browser, report: Path) -> None:
    with visited(browser, (report / "site" / "slices" / "index.html").as_uri(), offline=True) as page:
        row = page.get_by_role("row").filter(has_text="left and late").first
        row.get_by_role("link", name="4").click()
        expect(page.locator("#explore output.count")).to_have_text("4 of 12 images")
        assert page.get_by_label("slice", exact=True).input_value() == "left and late"
