"""The embedding map and the review of a multi-label report in Chromium."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from reportgen.config import AuditConfig
from reportgen.metrics.intervals import Rate
from reportgen.pipeline.run import run_audit
from tests.browser.pages import axe_violations, visited
from tests.browser.test_embedding_map import count, listed, the_map
from tests.browser.test_image_table import shown
from tests.support.browser import opened
from tests.support.multilabel_images import COLOUR_NETWORK, multilabel_table

pytestmark = pytest.mark.browser

N = 40


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with none to three coloured squares; the last one has no annotation."""
    folder = tmp_path_factory.mktemp("several-labels")
    table = multilabel_table(folder / "data", N)
    config = AuditConfig(
        data=table,
        model=COLOUR_NETWORK,
        classes=folder / "data" / "classes.txt",
        outputs="multilabel",
        select="none",
        device="cpu",
        input_size=(64, 64),
        out=folder / "report",
    )
    run_audit(config)
    return folder / "report"


def rows_of(report: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((report / "predictions.csv").open()))


def with_label(report: Path, name: str, key: str = "labels") -> set[str]:
    """Names of the images that have a label, or for which it is predicted."""
    return {row["name"] for row in rows_of(report) if name in row[key].split("|")}


def percent(share: float) -> str:
    return f"{round(100 * share)} %"


def test_label_filter_of_the_map_keeps_all_images_that_have_the_label(browser: Browser, several: Path) -> None:
    with the_map(browser, several) as page:
        for name in ("green", "red"):
            page.get_by_label("label", exact=True).select_option(label=name)
            assert count(page) == len(with_label(several, name))
            assert set(listed(page)) == with_label(several, name)
        page.get_by_role("button", name="clear", exact=True).click()
        page.get_by_label("most probable label").select_option(label="green")
        assert set(listed(page)) == {row["name"] for row in rows_of(several) if row["class1"] == "green"}
        expect(page.locator(".legend-row").get_by_role("button", name="green")).to_have_attribute(
            "aria-pressed", "true"
        )


def test_map_is_coloured_by_what_several_labels_have(browser: Browser, several: Path) -> None:
    with the_map(browser, several) as page:
        colours = page.get_by_label("colour").locator("option").all_inner_texts()
        assert colours[:2] == ["most probable label", "outcome"]
        assert {"its probability", "neighbours with one of its labels"} < set(colours)
        assert not {"label", "right or wrong class", "IoU", "neighbours with its label"} & set(colours)
        page.get_by_label("colour").select_option("outcome")
        legend = page.locator(".legend-row")
        assert set(legend.get_by_role("button").all_inner_texts()) == {"wrong labels", "all labels right", "no label"}
        legend.get_by_role("button", name="wrong labels").click()
        assert set(listed(page)) == {row["name"] for row in rows_of(several) if row["kind"] == "inexact"}


def test_panel_counts_every_label_and_images_with_wrong_labels(browser: Browser, several: Path) -> None:
    chosen = [row for row in rows_of(several) if row["name"] in with_label(several, "green")]
    error = Rate(sum(row["kind"] == "inexact" for row in chosen), len(chosen))
    low, high = (percent(bound) for bound in error.interval)
    with the_map(browser, several) as page:
        page.get_by_label("label", exact=True).select_option(label="green")
        panel = page.locator(".map-panel")
        expect(panel).to_contain_text(f"Wrong labels: {percent(error.value)} ({low} to {high}), {error.count} of")
        expect(panel).to_contain_text(f"{error.count} of {error.n} annotated")
        for title, key in (("Labels", "labels"), ("Predictions", "predicted")):
            for name in ("blue", "green", "red"):
                n = sum(name in row[key].split("|") for row in chosen)
                if n:
                    expect(panel.locator("p", has_text=re.compile(f"^{title}: "))).to_contain_text(
                        f"{name} {percent(n / len(chosen))}"
                    )
        assert panel.locator("a.wrong").count() == error.count
        page.get_by_role("button", name="clear", exact=True).click()
        cells = page.locator(".listing tbody tr", has_text="01.png").locator("td").all_inner_texts()
        row = rows_of(several)[1]
        assert cells[-4:-2] == [
            row[key].replace("|", ", ").replace("[]", "none of the labels") for key in ("labels", "predicted")
        ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_map_and_review_of_several_labels_pass_axe(browser: Browser, several: Path, scheme: str) -> None:
    for name in ("embedding/index.html#colour=outcome", "review.html"):
        with opened(browser, scheme=scheme, offline=True) as (page, _):
            page.goto((several / "site").as_uri() + f"/{name}")
            expect(page.locator(".legend-row button, #review button").first).to_be_visible()
            assert axe_violations(page, scheme) == []


def test_images_with_a_label_are_reviewed_with_tags_for_several_labels(browser: Browser, several: Path) -> None:
    wrong = [row for row in rows_of(several) if row["kind"] == "inexact" and "green" in row["labels"].split("|")]
    wrong.sort(key=lambda row: -round(1000 * float(row["score1"])))
    with visited(browser, (several / "site" / "images" / "index.html").as_uri(), offline=True) as page:
        page.get_by_label("label", exact=True).select_option(label="green")
        assert shown(page) == len(with_label(several, "green"))
        page.get_by_role("link", name="review these").click()
        page.wait_for_url("**/review.html#*")
        review = page.locator("#review")
        expect(review).to_contain_text(f"1 of {len(with_label(several, 'green'))}, 0 reviewed")
        expect(review.locator(".one-line").nth(1)).to_have_text(wrong[0]["name"])
        predicted = wrong[0]["predicted"].replace("|", ", ").replace("[]", "none of the labels")
        facts = f"predicted: {predicted} · most probable: {wrong[0]['class1']}, {float(wrong[0]['score1']):.2f}"
        expect(review).to_contain_text(facts)
        page.keyboard.press("1")
        expect(review).to_contain_text("1 reviewed")
        page.locator("summary").click()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="export JSON").click()
        (item,) = json.loads(waiting.value.path().read_text())["items"]
        assert (item["name"], item["tags"]) == (wrong[0]["name"], ["annotation lacks a label"])
        page.get_by_role("link", name="image page").click()
        expect(page.locator("#review-tags")).to_contain_text("annotation lacks a label")
