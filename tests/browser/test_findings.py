"""Findings in the browser: their links show exactly their images, and the selection has the finding's headline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import visited
from tests.support.browser import opened

pytestmark = pytest.mark.browser


def test_link_of_each_finding_shows_exactly_its_images(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    findings = json.loads((demo_report / "findings.json").read_text("utf-8"))["findings"]
    with_images = [finding for finding in findings if finding["images"]]
    assert with_images
    for finding in with_images:
        with visited(browser, (site / finding["page"]).as_uri(), offline=True) as page:
            page.locator("main a[href*='finding=']").first.click()
            page.wait_for_url("**/images/index.html#finding=*")
            count = len(finding["images"])
            expect(page.locator("#explore output")).to_contain_text(f"{count} of ")
            assert page.get_by_label("finding").input_value() == finding["slug"]
            page.goto(f"{(site / 'images' / 'index.html').as_uri()}#finding={finding['slug']}&view=table")
            names = page.locator("#results tbody tr td:nth-child(3)").all_inner_texts()
            assert names == finding["images"][: len(names)]


def test_selection_of_a_finding_travels_to_other_pages(browser: Browser, demo_report: Path) -> None:
    findings = json.loads((demo_report / "findings.json").read_text("utf-8"))["findings"]
    finding = next(finding for finding in findings if finding["images"])
    address = f"{(demo_report / 'site' / 'classes' / 'index.html').as_uri()}#finding={finding['slug']}"
    with opened(browser, offline=True) as (page, messages):
        page.goto(address)
        expect(page.locator("aside.selection strong")).to_have_text(finding["headline"])
        expect(page.locator("aside.selection")).to_contain_text(f"{len(finding['images'])} of ")
        assert messages == []
