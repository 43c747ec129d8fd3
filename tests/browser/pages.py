"""Opening pages of a report in the browser, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.support.browser import opened
from tests.support.demo import IMAGES

WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
COLOUR_RULES = ["color-contrast", "link-in-text-block"]


@contextmanager
def visited(browser: Browser, url: str, **options: object) -> Iterator[Page]:
    """Open a page; at the end there must be no error, console message or foreign request."""
    with opened(browser, **options) as (page, messages):
        page.goto(url)
        yield page
        assert messages == []


def image_page_of(report: Path, name: str) -> Path:
    """Return the page of the first image whose file name contains this one's stem."""
    return min((report / "site" / "images").glob(f"*{Path(name).stem}*.html"))


def one_of_each(site: Path) -> list[str]:
    """Return the pages of the site's root and of every kind of folder, relative to the site.

    Of a folder the first and the last page, and of folders beside each other, such as those of layers, the first and
    the last folder.
    """
    folders: dict[tuple[str, int], list[Path]] = {}
    for folder in sorted({page.parent for page in site.rglob("*.html")}):
        parts = folder.relative_to(site).parts
        folders.setdefault((parts[0] if parts else "", len(parts)), []).append(folder)
    pages = []
    for folder in (one for beside in folders.values() for one in dict.fromkeys([beside[0], beside[-1]])):
        found = sorted(folder.glob("*.html"))
        pages += found if folder == site else dict.fromkeys([found[0], found[-1]])
    return [page.relative_to(site).as_posix() for page in pages]


def kind_of(name: str) -> tuple[str, int, bool]:
    """Return what pages of one kind share: the first folder, the depth, and whether it is the page of a folder."""
    *folders, file = name.split("#")[0].split("/")
    return folders[0] if folders else file, len(folders), file == "index.html"


def assert_links_lead_to_as_many_images(browser: Browser, site: Path, wanted: Mapping[str, int]) -> None:
    """wanted: link to the images, relative to a page of the site or of one of its folders → the count beside it."""
    follow = """(state) => new Promise((done) => {
      addEventListener("hashchange", () => done(document.querySelector("#explore output").textContent), { once: true });
      location.hash = state;
    })"""
    with visited(browser, (site / "images" / "index.html").as_uri(), offline=True) as page:
        for link, count in wanted.items():
            file, _, state = link.removeprefix("../").partition("#")
            assert file == "images/index.html"
            assert page.evaluate(follow, state) == f"{count} of {IMAGES} images", link


def open_image(page: Page, report: Path, name: str = "motorcycle") -> None:
    """Go to the page of the first image whose file name contains this text."""
    page.goto(min((report / "site" / "images").glob(f"*{name}*.html")).as_uri())


def axe_violations(page: Page, scheme: str = "light") -> list[str]:
    """Return what axe-core reports of the page in its current state, WCAG 2.2 A and AA.

    In the dark scheme only what depends on colours, because the rest is the same markup.
    """
    options = WCAG if scheme == "light" else {"runOnly": {"type": "rule", "values": COLOUR_RULES}}
    options = {**options, "resultTypes": ["violations"]}  # axe describes no element that passes
    violations = Axe().run(page, options=options).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]} ({len(v['nodes'])} places)" for v in violations]
