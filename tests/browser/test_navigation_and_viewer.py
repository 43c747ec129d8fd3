"""The pages as one product: the switcher, the viewer's layers, without scripts, on paper, enlarged, with long names."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from benchmarks import browser as bench
from reportgen.config import AuditConfig
from reportgen.gallery.core.check import check_site
from reportgen.pipeline.run import run_audit
from tests.browser.test_every_page import one_of_each
from tests.conftest import ONE
from tests.support.browser import address, broken_pictures, hosted, opened, sideways

WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


@contextmanager
def at(browser: Browser, url: str, **options: object) -> Iterator[Page]:
    """A page, offline; in the end nothing may have gone wrong in it."""
    with opened(browser, **options) as (page, said):
        page.goto(url)
        yield page
        assert said == []


def image_of(report: Path, name: str) -> Path:
    return min((report / "site" / "images").glob(f"*{Path(name).stem}*.html"))


# ------------------------------------------------------------------------------------------------------ switcher


def test_the_switcher_finds_pages_classes_images_and_units(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    address, layer = first_layer(site)
    wanted = {
        "espresso": "classes/",
        "chelsea-02": "images/*chelsea-02",
        "calib": None,
        "maps": "maps/index.html",
        f"{layer} unit 3": address.replace("index", "0003"),
    }
    for text, expected in wanted.items():
        with at(browser, image_of(demo_report, ONE).as_uri(), offline=True) as page:
            page.keyboard.press("/")
            field = page.get_by_role("combobox", name="Go to a page")
            expect(field).to_be_focused()
            expect(page.get_by_role("option")).not_to_have_count(0)
            field.fill(text)
            if expected is None:
                expect(page.get_by_text("Nothing of that name.")).to_be_visible()
                page.keyboard.press("Escape")
                expect(field).not_to_be_visible()
            else:
                page.keyboard.press("ArrowDown")
                page.keyboard.press("ArrowUp")
                page.keyboard.press("Enter")
                page.wait_for_url(f"**/{expected}*")
                expect(page.locator("h1")).to_be_visible()


def first_layer(site: Path) -> tuple[str, str]:
    """The address and the name of the first layer in the list of units."""
    page = (site / "units" / "index.html").read_text()
    return re.findall(r'<th scope="row"><a href="\.\./([^"]+)">([^<]+)</a>', page)[0]


def test_the_switcher_works_under_a_sub_path_and_by_mouse(browser: Browser, demo_report: Path) -> None:
    with hosted(demo_report / "site") as root, at(browser, root + "about.html") as page:
        page.get_by_role("button", name="Go to").click()
        page.get_by_role("option", name="Confusions").click()
        page.wait_for_url("**/audits/today/confusions/index.html")


def test_enter_before_the_places_are_there_is_remembered(browser: Browser, demo_report: Path) -> None:
    with hosted(demo_report / "site") as root, at(browser, root + "about.html") as page:
        waiting: list[Route] = []
        page.route("**/data/images.*", lambda route: waiting.append(route))
        page.keyboard.press("/")
        page.keyboard.type("confusions")
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox", name="Go to a page")).to_be_visible()
        while not waiting:
            page.wait_for_timeout(20)
        waiting[0].continue_()
        page.wait_for_url("**/audits/today/confusions/index.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_switcher_is_accessible(browser: Browser, demo_report: Path, scheme: str) -> None:
    with opened(browser, scheme=scheme, offline=True) as (page, _):
        page.goto((demo_report / "site" / "about.html").as_uri())
        page.keyboard.press("/")
        expect(page.get_by_role("option")).not_to_have_count(0)
        found = Axe().run(page, options=WCAG).response["violations"]
        assert [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found] == []


# ------------------------------------------------------------------------------------------------------ overview


def test_the_overview_answers_in_order(browser: Browser, demo_report: Path) -> None:
    with at(browser, (demo_report / "site" / "index.html").as_uri(), offline=True) as page:
        order = ["Compared with what", "Where it fails", "By class", "What stands out", "What was run"]
        heads = page.locator("h2").all_inner_texts()
        found = [next(name for name in order if head.startswith(name)) for head in heads]
        assert found == [name for name in order if name in found]
        assert set(order) - set(found) <= {"What stands out"}
        published = page.locator("tbody.published")
        assert not published.first.is_visible()
        page.locator("summary", has_text="Published figures").first.click()
        assert "GoogLeNet-GAP" in published.first.inner_text()


def test_an_error_leads_to_its_images(browser: Browser, demo_report: Path) -> None:
    """A class's count of errors is the number of images that its link shows."""
    with at(browser, (demo_report / "site" / "index.html").as_uri(), offline=True) as page:
        cell = page.locator("td[title]:has(a[href*='kind=class']):not(:has(a[href*='sort=']))").first
        wrong = int((cell.get_attribute("title") or "").split(" of ")[0])
        cell.locator("a").click()
        page.wait_for_url("**/images/index.html#label=*")
        expect(page.locator("#results .card")).to_have_count(wrong)


# ------------------------------------------------------------------------------------------------------ viewer


def test_every_stored_layer_is_in_the_viewer(browser: Browser, demo_report: Path) -> None:
    """Maps of all stored classes, the occlusion maps and the saliency maps; their state is the address."""
    with at(browser, image_of(demo_report, ONE).as_uri(), offline=True) as page:
        choice = page.locator("#viewer select")
        names = choice.locator("option").all_inner_texts()
        data = json.loads(page.locator("#viewer-data").inner_text())
        assert names[: len(data["maps"])] == [one["name"] for one in data["maps"]]
        assert any(name.startswith("Probability of") for name in names)
        assert {"Gradient", "Guided backpropagation", "Most probable class"} <= set(names)
        choice.select_option(label="Guided backpropagation")
        shown = page.locator("#viewer img.layer")
        source = page.locator("#saliency figure", has_text="Guided backpropagation").locator("img.layer")
        assert shown.get_attribute("src") == source.evaluate("image => image.src")
        assert page.get_by_label("threshold").is_disabled()
        assert page.locator("#viewer canvas").count() == 0
        found_at = address(page)
    with at(browser, found_at, offline=True) as page:
        assert page.locator("#viewer select").locator("option:checked").inner_text() == "Guided backpropagation"


def test_shared_and_own_scale(browser: Browser, demo_report: Path) -> None:
    """On its own scale every map has its last colour at its own maximum; on the shared one only the largest has."""
    with at(browser, image_of(demo_report, ONE).as_uri(), offline=True) as page:
        data = json.loads(page.locator("#viewer-data").inner_text())
        tops = [max(map(max, one["grid"])) for one in data["maps"]]
        weakest = tops.index(min(tops))
        page.locator("#viewer select").select_option(str(weakest))
        end = page.locator("#viewer .scale > span").last
        assert end.inner_text() == f"{max(tops):.1f} logit"
        page.get_by_label("own scale").check()
        assert end.inner_text() == f"{tops[weakest]:.1f} logit"
        assert "scale=own" in address(page)


def test_the_viewer_by_keyboard(browser: Browser, demo_report: Path) -> None:
    with at(browser, image_of(demo_report, ONE).as_uri(), offline=True) as page:
        data = json.loads(page.locator("#viewer-data").inner_text())
        page.keyboard.press("m")
        page.keyboard.press("]")
        assert page.locator("#viewer select").input_value() == "1"
        assert page.get_by_label("threshold").input_value() == "21"
        assert "preview" in page.locator("#viewer .reading").inner_text()
        page.keyboard.press("b")
        assert not page.get_by_label("boxes").is_checked()
        frame = page.locator("#viewer .frame")
        before = frame.bounding_box()["width"]
        page.keyboard.press("+")
        assert frame.bounding_box()["width"] == pytest.approx(1.5 * before, rel=0.03)  # a scroll bar
        assert sideways(page) <= 0
        page.keyboard.press("0")
        assert frame.bounding_box()["width"] == pytest.approx(before, rel=0.01)
        frame.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")  # in the middle of the picture, and so of the map
        grid = np.array(data["maps"][1]["grid"])
        assert grid.shape == (7, 7)
        assert page.locator("#viewer .reading").inner_text() == f"{grid[3, 3]:.2f} logit"
        assert image_of(demo_report, ONE).name in page.url  # the arrows did not turn the page


def test_the_value_of_every_layer_is_told(browser: Browser, demo_report: Path) -> None:
    """By pointer and by keys; what is expected comes from the page's numbers, as the pictures' cells lie."""
    with at(browser, image_of(demo_report, ONE).as_uri(), offline=True) as page:
        reading, frame = page.locator("#viewer .reading"), page.locator("#viewer .frame")
        for section in ("occlusion", "saliency"):
            cells = json.loads(page.locator(f"#{section} script").text_content() or "")["cells"]
            names = page.locator(f"#{section} figure:has(.layer) .name").all_inner_texts()
            assert len(names) == len(cells["layers"]) >= 3
            for name, layer in zip(names, cells["layers"], strict=True):
                page.locator("#viewer select").select_option(label=name)
                box = frame.bounding_box()
                assert box is not None
                for u, v in ((0.31, 0.62), (0.8, 0.2)):  # of the picture, which the demo squashes into the input
                    frame.hover(position={"x": u * box["width"], "y": v * box["height"]})
                    assert reading.inner_text() == told_of(cells, layer, u, v), name
                frame.focus()
                page.keyboard.press("ArrowRight")
                page.keyboard.press("ArrowLeft")
                assert reading.inner_text() == told_of(cells, layer, 0.5, 0.5), name
                frame.blur()
            page.locator("#viewer select").select_option(label=names[0])
            frame.hover(position={"x": 4, "y": 100})  # no square is centred so near to the border
            assert (reading.inner_text() == "no value here") == (section == "occlusion")


def told_of(cells: dict, layer: dict, u: float, v: float) -> str:
    """What is read of a layer: the value of the cell whose centre is nearest."""
    row, column = (int(np.abs(np.array(cells[axis]) - place).argmin()) for axis, place in (("y", v), ("x", u)))
    k = row * len(cells["x"]) + column
    if "codes" in layer:
        code = base64.b64decode(layer["codes"])[k]
        value = float(f"{layer['top'] * 10 ** ((code - 255) / layer['decade']):.2g}") if code else 0
        return np.format_float_positional(value, trim="-") if value >= 1e-6 or not value else f"{value:.2g}"
    value = layer["values"][k]
    return layer["names"][value] if "names" in layer else np.format_float_positional(value, trim="-")


def test_the_address_changes_seldom_enough_for_browsers(browser: Browser, demo_report: Path) -> None:
    """A slider that moves for seconds: Chromium would complain on the console, Safari stop the script."""
    with at(browser, image_of(demo_report, ONE).as_uri(), offline=True) as page:
        page.get_by_label("opacity").evaluate(
            "i => { for (let k = 0; k < 300; k++) { i.value = k % 100; i.dispatchEvent(new Event('input')); } }"
        )
        assert "o=99" in address(page)


def test_an_image_leads_to_its_place_on_the_map(browser: Browser, demo_report: Path) -> None:
    path = image_of(demo_report, ONE)
    assert "What this rests on" in path.read_text()
    with at(browser, path.as_uri(), offline=True) as page:
        page.locator("#place").scroll_into_view_if_needed()
        expect(page.locator("#place .card")).to_have_count(2)
        assert "ids=" in (page.locator("#place p a").get_attribute("href") or "")
        page.locator("#place .card").first.click()
        page.wait_for_url("**/maps/index.html#*")
        expect(page.locator(".map")).not_to_have_attribute("data-sprites", "0")
        area = page.locator(".map").bounding_box()
        page.mouse.click(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
        page.wait_for_url(f"**/images/*{path.stem[:6]}*")


# ------------------------------------------------------------------------------------------------------ everywhere


def test_without_scripts_every_kind_of_page_shows_what_it_has(browser: Browser, demo_report: Path) -> None:
    site = demo_report / "site"
    pictured = 0
    with opened(browser, offline=True, java_script_enabled=False) as (page, said):
        for name in one_of_each(site):
            page.goto((site / name).as_uri())
            assert page.locator("h1").is_visible(), name
            assert page.locator("main").inner_text().strip(), name
            assert page.locator("button").count() == 0, name  # nothing that could not answer
            for picture in page.locator("main .layer, main .still img, main svg[role=img]").all():
                pictured += picture.is_visible()
        assert pictured > 150
        assert said == []


def test_every_kind_of_page_at_200_percent(browser: Browser, demo_report: Path) -> None:
    """A window of 1280 pixels at 200 % is one of 640 CSS pixels."""
    site = demo_report / "site"
    with opened(browser, 640, offline=True, device_scale_factor=2) as (page, said):
        for name in one_of_each(site):
            page.goto((site / name).as_uri())
            assert sideways(page) <= 0, name
            assert page.locator("h1").is_visible(), name
        assert said == []


def test_pages_on_paper(browser: Browser, demo_report: Path) -> None:
    """The overlays are printed, what asks for a hand is not."""
    with opened(browser, offline=True) as (page, said):
        page.goto(image_of(demo_report, ONE).as_uri())
        assert broken_pictures(page) == 0
        page.emulate_media(media="print")
        assert page.locator("#viewer .layer").is_visible()
        assert page.locator("#viewer rect.found").count() == 1
        for hidden in ("header nav", "#viewer .tools label", "#viewer .tools button"):
            assert not any(part.is_visible() for part in page.locator(hidden).all()), hidden
        assert sideways(page) <= 0
        printed = page.pdf(format="A4", print_background=True)
        assert printed.startswith(b"%PDF-")
        assert printed.count(b"/Subtype /Image") >= 10
        assert said == []


def test_from_the_overview_to_an_exported_review_by_keyboard(browser: Browser, demo_report: Path) -> None:
    """No mouse: Tab and Enter to a kind of failure, its review, a tag and a note, and the export."""
    with at(browser, (demo_report / "site" / "index.html").as_uri(), offline=True) as page:
        walk_to(page, "images/index.html#kind=class")
        page.keyboard.press("Enter")
        page.wait_for_url("**/images/index.html#kind=class")
        walk_to(page, "review.html#kind=class")
        page.keyboard.press("Enter")
        page.wait_for_url("**/review.html#*")
        for key in ("1", "j", "2", "n"):
            page.keyboard.press(key)
        page.keyboard.type("the frame cuts it")
        page.keyboard.press("Escape")
        expect(page.locator("#review")).to_contain_text("2 not exported")
        while page.evaluate("document.activeElement.tagName") != "SUMMARY":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "export JSON"
        with page.expect_download() as waiting:
            page.keyboard.press("Enter")
        items = json.loads(waiting.value.path().read_text())["items"]
        assert [bool(item["tags"]) for item in items] == [True, True]
        assert items[1]["note"] == "the frame cuts it"


def walk_to(page: Page, address: str) -> None:
    """Tabs until a link to that address has the focus."""
    for _ in range(400):
        page.keyboard.press("Tab")
        if (page.evaluate("document.activeElement.href") or "").endswith(address):
            return
    raise AssertionError(f"no way to {address} by Tab")


# ------------------------------------------------------------------------------------------------------ many and long


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 classes with names of 200 characters, an image of each, and file names of 200."""
    folder = tmp_path_factory.mktemp("long")
    names = [f"{k:04d} " + "a class whose name goes on and on, " * 6 for k in range(1000)]
    names = [name[:200] for name in names]
    (folder / "classes.txt").write_text("\n".join(names) + "\n")
    (folder / "data").mkdir()
    random = np.random.default_rng(0)
    rows = ["path,label"]
    for k in range(1000):
        name = f"{k:04d}-".ljust(196, "x") + ".png"
        Image.fromarray(random.integers(0, 256, (8, 8, 3)).astype(np.uint8)).resize((32, 32)).save(
            folder / "data" / name
        )
        rows.append(f'{name},"{names[k]}"')
    (folder / "data" / "table.csv").write_text("\n".join(rows) + "\n")
    run_audit(
        AuditConfig(
            data=folder / "data" / "table.csv",
            classes=folder / "classes.txt",
            model="python:tests.support.tiny:thousand_classes",
            select="none",
            layers=("0",),
            out=folder / "report",
        )
    )
    return folder / "report"


def test_a_thousand_classes_with_long_names(browser: Browser, long_report: Path) -> None:
    site = long_report / "site"
    assert check_site(long_report) == []
    large = {
        p.relative_to(site).as_posix(): p.stat().st_size for p in site.rglob("*.html") if p.stat().st_size > 150_000
    }
    assert large == {}
    listed = [p.read_text().count('<th scope="row" class="names"><a') for p in (site / "classes").glob("[ip]*.html")]
    assert sum(listed) == 1000
    for width in (1280, 400):
        with opened(browser, width, offline=True) as (page, said):
            for name in one_of_each(site):
                page.goto((site / name).as_uri())
                assert sideways(page) <= 0, name
            assert said == []


def test_the_benchmarks_pages_can_be_written_and_opened(browser: Browser, tmp_path: Path) -> None:
    """The made-up audit of `python -m benchmarks browser` keeps up with what the pages ask of one."""
    image = bench.write(tmp_path, 200)
    with opened(browser, offline=True) as (page, said):
        for name in ("index.html", "images/index.html", "maps/index.html", image):
            page.goto((tmp_path / name).as_uri())
            assert page.get_by_role("heading", level=1).is_visible()
        assert said == []
