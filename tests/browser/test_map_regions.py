"""Regions, legend, panel and thumbnails of the embedding map in Chromium."""

from __future__ import annotations

import base64
import csv
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from reportgen.embedding.regions import MIN_SHARES
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.metrics.intervals import Rate
from tests.browser.pages import axe_violations
from tests.browser.test_embedding_map import count, listed, photographed, the_map
from tests.site.reports import write_report
from tests.support.browser import address, opened
from tests.support.factories import make_audit, make_image_arrays, make_logits, make_model_audit

pytestmark = pytest.mark.browser


NAMES = ["espresso", "moped", "tabby", "palace", "missile", "Egyptian cat"]
EACH, CLUSTERS = 40, 8
N = EACH * CLUSTERS
LABELLED = 5 * EACH


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight far clusters of 40 images: five classes, of which every tabby is predicted as Egyptian cat and the others
    are right, and three without labels, whose predictions are spread over the classes."""
    random = np.random.default_rng(0)
    cluster = np.repeat(np.arange(CLUSTERS), EACH)
    labels = np.where(cluster < 5, cluster, -1)
    predicted = np.where(cluster == 2, 5, np.where(labels < 0, np.arange(N) % 5, labels))
    features = random.normal(size=(N, 8)) + 60 * np.eye(8)[cluster]
    tiny = (40 + 25 * cluster[:, None, None, None] + random.integers(0, 15, (N, 32, 32, 3))).astype(np.uint8)
    model = make_model_audit(
        labels.tolist(),
        logits=make_logits(predicted.tolist(), 0.9, len(NAMES)),
        maps=random.random((N, 6, 7, 7)),
        class_names=NAMES,
        arrays={"features/gap": features.astype(np.float32), **make_image_arrays(tiny)},
    )
    report = tmp_path_factory.mktemp("clusters")
    write_report(make_audit(model), report)
    return report


def regions_of(report: Path) -> dict[str, dict[str, str]]:
    """The rows of `regions.csv` by name."""
    return {
        row["name"]: row for row in csv.DictReader((report / "site" / "data" / "regions.csv").open(encoding="utf-8"))
    }


def names(page: Page) -> set[str]:
    return set(page.locator(".stage .names span:visible").all_inner_texts())


def sprites(page: Page) -> int:
    page.wait_for_timeout(400)
    return int(page.locator(".stage").get_attribute("data-sprites") or 0)


def test_legend_filters_by_one_class_or_several(browser: Browser, clusters: Path) -> None:
    with the_map(browser, clusters) as page:
        legend = page.locator(".legend-row")
        legend.get_by_role("button", name="espresso").click()
        assert count(page) == EACH
        expect(legend.get_by_role("button", name="espresso")).to_have_attribute("aria-pressed", "true")
        legend.get_by_role("button", name="moped").click()
        assert count(page) == 2 * EACH
        assert {int(name.partition(".")[0]) // EACH for name in listed(page)} <= {0, 1}
        state = address(page).partition("#")[2]
        legend.get_by_role("button", name="espresso").click()
        assert count(page) == EACH
        legend.get_by_role("button", name="moped").click()
        assert count(page) == N
        page.get_by_label("colour").select_option("outcome")
        legend.get_by_role("button", name="wrong class").click()
        assert count(page) == EACH
    with the_map(browser, clusters, f"#{state}") as page:
        assert count(page) == 2 * EACH


def test_panel_lists_regions_and_shows_a_chosen_one_with_its_error(browser: Browser, clusters: Path) -> None:
    row = regions_of(clusters)["tabby"]
    error = Rate(int(row["wrong"]), int(row["labelled"]))
    low, high = (f"{round(100 * bound)} %" for bound in error.interval)
    with the_map(browser, clusters) as page:
        panel = page.locator(".map-panel")
        assert set(panel.get_by_role("button").all_inner_texts()) >= {"tabby", "espresso"}
        panel.get_by_role("button", name="tabby").click()
        assert count(page) == int(row["images"])
        expect(panel.locator("h2")).to_have_text("tabby")
        expect(panel).to_contain_text(f"{round(100 * error.value)} % ({low} to {high})")
        expect(panel).to_contain_text("Egyptian cat")
        assert panel.locator("img").count() == int(row["images"])
        assert panel.locator("a.wrong").count() == error.count
        assert f"region={row['region']}" in address(page)
        page.get_by_role("button", name="clear").click()
        expect(panel.locator("h2")).to_have_text("Regions")
        page.locator("table.regions").get_by_role("link", name="espresso").click()
        expect(panel.locator("h2")).to_have_text("espresso")
        picture = panel.locator("li a").first
        target = picture.get_attribute("href") or ""
        picture.click()
        page.wait_for_url(re.compile(re.escape(Path(target).name.partition("#")[0])))


def test_click_on_a_name_selects_its_region(browser: Browser, clusters: Path) -> None:
    with the_map(browser, clusters) as page:
        expect(page.locator(".stage .names span", has_text="espresso")).to_be_visible()
        box = page.locator(".stage .names span", has_text="espresso").bounding_box()
        assert box is not None
        stage = page.locator(".stage").bounding_box()
        assert stage is not None
        at = {"x": box["x"] + box["width"] / 2 - stage["x"], "y": box["y"] + box["height"] / 2 - stage["y"]}
        page.locator(".stage .surface").click(position=at, force=True)
        expect(page.locator(".map-panel h2")).to_have_text("espresso")
        page.locator(".stage .surface").focus()
        page.keyboard.press("Escape")
        assert count(page) == N


def test_box_selects_the_images_inside(browser: Browser, clusters: Path) -> None:
    kind, packed = read_chunk(clusters / "site", "places")["columns"]["tsne"]
    assert kind == "u2"
    unit = np.frombuffer(base64.b64decode(packed), "<u2").reshape(-1, 2) / 65534
    with the_map(browser, clusters) as page:
        area = page.locator(".stage").bounding_box()
        assert area is not None
        side = 0.92 * min(area["width"] / np.ptp(unit[:, 0]), area["height"] / np.ptp(unit[:, 1]))
        at = (unit - 0.5) * side + [area["x"] + area["width"] / 2, area["y"] + area["height"] / 2]
        left, right = area["x"] + 3, area["x"] + 0.52 * area["width"]
        top, bottom = area["y"] + 3, area["y"] + 0.61 * area["height"]
        page.get_by_role("button", name="box").click()
        page.mouse.move(left, top)
        page.mouse.down()
        page.mouse.move(right, bottom, steps=5)
        page.mouse.up()
        inside = (at > [left, top]).all(1) & (at < [right, bottom]).all(1)
        assert 0 < count(page) < N
        assert count(page) == inside.sum()


LEVELS = """() => {
  const stage = document.querySelector(".stage");
  const entry = (text, parent, shown, x) => ({
    text, parent, shown, how: "", images: 9, errors: null, at: { tsne: [x, 0.5] },
  });
  const entries = [
    entry("animals", -1, [true, false, false], 0.5),
    entry("cats", 0, [false, true, false], 0.4),
    entry("dogs", 0, [false, true, true], 0.7),
    entry("tabbies", 1, [false, false, true], 0.4),
    entry("", 1, [false, false, true], 0.3),
  ];
  const region = Int16Array.from([3, 2, 1, 0, -1, 4]);
  const made = reportgen.embeddingRegions(stage, { entries, contours: {}, region });
  const layer = stage.lastElementChild, toScreen = (x, y) => [900 * x, 600 * y];
  const shown = [1, 2.5, 6].map((zoom) => {
    made.draw({ zoom, toScreen }, "tsne", 0, -1);
    return [...layer.children].filter((span) => !span.hidden).map((span) => span.textContent);
  });
  made.draw({ zoom: 6, toScreen }, "tsne", 0, 0);
  const chosen = [...layer.children].filter((span) => !span.hidden).map((span) => span.textContent);
  made.draw({ zoom: 1, toScreen }, "pixels-tsne", 0, -1);
  const other = [...layer.children].filter((span) => !span.hidden).length;
  const inside = [0, 1, 2, 3].map((r) => [...region.keys()].filter(made.contains(r)));
  return [shown, chosen, other, inside];
}"""


def test_names_of_smaller_regions_appear_at_a_higher_zoom(browser: Browser, clusters: Path) -> None:
    assert len(MIN_SHARES) == 3
    with the_map(browser, clusters) as page:
        shown, chosen, other, inside = page.evaluate(LEVELS)
    assert shown == [["animals"], ["cats", "dogs"], ["dogs", "tabbies"]]
    assert "animals" in chosen  # the selected region has its name at every zoom
    assert other == 0
    assert inside == [[0, 1, 2, 3, 5], [0, 2, 5], [1], [0]]


def test_names_do_not_overlap_and_every_region_has_one_at_the_first_view(browser: Browser, clusters: Path) -> None:
    with the_map(browser, clusters) as page:
        expect(page.locator(".stage .names span", has_text="tabby")).to_be_visible()
        assert names(page) >= {"tabby", "espresso", "moped", "palace", "missile"}
        boxes = [span.bounding_box() for span in page.locator(".stage .names span:visible").all()]
        for k, a in enumerate(boxes):
            for b in boxes[:k]:
                assert a
                assert b
                is_apart = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
                assert is_apart or a["y"] + a["height"] <= b["y"] or b["y"] + b["height"] <= a["y"]
        page.get_by_label("layout", exact=True).select_option("pixels-tsne")
        page.wait_for_timeout(1300)
        assert names(page) == set()
        page.get_by_label("layout", exact=True).select_option("grid")
        page.wait_for_timeout(1300)
        assert "tabby" in names(page)


@pytest.mark.parametrize("renderer", ["webgl2", "canvas2d"])
def test_thumbnails_fan_out_with_the_zoom(browser: Browser, clusters: Path, renderer: str) -> None:
    """The whole map is dots first; near a cluster of images that cover each other, each gets a place."""
    entries = read_chunk(clusters / "site", "regions")["entries"]
    x, y = next(entry["at"]["tsne"] for entry in entries if entry["text"] == "tabby")
    with the_map(browser, clusters, f"?{renderer}") as page:
        assert 0 < sprites(page) <= 24
    with the_map(browser, clusters, f"?{renderer}#at={x},{y},4") as page:
        assert sprites(page) >= 12


def test_grid_fills_its_cells_and_its_stage(browser: Browser, clusters: Path) -> None:
    with the_map(browser, clusters, "?canvas2d#layout=grid") as page:
        page.wait_for_timeout(400)
        page.evaluate("document.querySelector('.stage .names').hidden = true")
        shot = photographed(page)[2:-2, 2:-2]
    drawn = (np.abs(shot - shot[0, 0]) > 3).any(2)
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    assert max(np.ptp(rows) / shot.shape[0], np.ptp(columns) / shot.shape[1]) > 0.88
    assert np.ptp(rows) * np.ptp(columns) > 0.6 * drawn.size
    assert drawn[rows[0] : rows[-1], columns[0] : columns[-1]].mean() > 0.9


def test_distortion_is_a_colour_of_every_map(browser: Browser, clusters: Path) -> None:
    with the_map(browser, clusters) as page:
        page.get_by_label("colour").select_option(label="neighbours kept by this map")
        expect(page.locator(".legend-row")).to_contain_text("15 of 15")
        page.wait_for_timeout(300)
        before = photographed(page)
        page.get_by_label("colour").select_option("label")
        page.wait_for_timeout(300)
        assert np.abs(photographed(page) - before).max() > 40


def test_picture_has_the_names_of_regions_without_scripts(browser: Browser, clusters: Path) -> None:
    with opened(browser, offline=True, java_script_enabled=False) as (page, messages):
        page.goto((clusters / "site" / "embedding" / "index.html").as_uri())
        first = page.locator("#stills figure").first
        assert set(first.locator("text").all_text_contents()) >= {"tabby", "espresso", "moped"}
        frame = first.locator("img").bounding_box()
        assert frame is not None
        for text in first.locator("text:visible").all():
            box = text.bounding_box()
            assert box is not None
            assert frame["x"] <= box["x"]
            assert box["x"] + box["width"] <= frame["x"] + frame["width"]
        assert page.locator("table.regions tbody tr").count() == CLUSTERS
        assert messages == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_selection_on_the_map_passes_axe(browser: Browser, clusters: Path, scheme: str) -> None:
    row = regions_of(clusters)["tabby"]
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        page.goto((clusters / "site" / "embedding" / "index.html").as_uri() + f"#region={row['region']}")
        expect(page.locator(".map-panel h2")).to_have_text("tabby")
        assert axe_violations(page, scheme) == []
