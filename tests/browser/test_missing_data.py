"""Pages of a report whose data files are missing name the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import image_page_of
from tests.conftest import SELECTED_IMAGE
from tests.support.browser import opened

pytestmark = pytest.mark.browser


def test_image_page_names_missing_data(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    shutil.copytree(demo_report / "site", tmp_path / "site")
    for name in ("images", "places", "atlas-0"):
        next((tmp_path / "site" / "data").glob(f"{name}.*.js")).unlink()
    with opened(browser, offline=True) as (page, _):
        page.goto(image_page_of(tmp_path, SELECTED_IMAGE).as_uri())
        page.keyboard.press("/")
        expect(page.get_by_text("The search does not work: data/images.")).to_be_visible()
        page.keyboard.type("x")
        expect(page.get_by_text("The search does not work: data/images.")).to_be_visible()
        page.keyboard.press("Escape")
        page.locator("#embedding-inset").scroll_into_view_if_needed()
        expect(page.locator("#embedding-inset .empty")).to_contain_text("cannot be read: the report is incomplete")


def test_embedding_page_shows_pictures_without_positions(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    shutil.copytree(demo_report / "site", tmp_path / "site")
    next((tmp_path / "site" / "data").glob("places.*.js")).unlink()
    with opened(browser, offline=True) as (page, _):
        page.goto((tmp_path / "site" / "embedding" / "index.html").as_uri())
        expect(page.locator("#stills img").first).to_be_visible()
        expect(page.locator("#embedding")).not_to_be_visible()


def test_embedding_page_names_missing_data(browser: Browser, demo_report: Path, tmp_path: Path) -> None:
    shutil.copytree(demo_report / "site", tmp_path / "site")
    next((tmp_path / "site" / "data").glob("images.*.js")).unlink()
    with opened(browser, offline=True) as (page, _):
        page.goto((tmp_path / "site" / "embedding" / "index.html").as_uri())
        expect(page.locator("#embedding .empty")).to_contain_text("data/images.")
