"""The contract of pages and sections: found by themselves, absent without their arrays, listed from the registry."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
import numpy as np
import pytest
from click.testing import CliRunner

from reportgen.audit.audit import Audit
from reportgen.cli import cli
from reportgen.gallery import pages as page_modules
from reportgen.gallery import sections as section_modules
from reportgen.gallery.build import page_drafts
from reportgen.gallery.core import assets, registry
from reportgen.gallery.core.check import check_site
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Link, mark_current
from reportgen.gallery.core.registry import all_pages, all_sections, navigation
from reportgen.gallery.core.urls import image_page
from reportgen.gallery.pages.findings import finding_kinds
from tests.conftest import SELECTED_IMAGE
from tests.site.reports import write_report
from tests.support.factories import make_audit, make_model_audit

ROOT = Path(__file__).parents[2]
TEMPLATES = assets.folder("templates")
SHARED_TEMPLATES = {
    "base.html",
    "chart.html",
    "class_comparison.html",
    "finding_card.html",
    "label_table.html",
    "macros.html",
    "table.html",
}
"""Templates that no page has as its own: those that others extend or import."""

PAGE_MODULE = """
from dataclasses import dataclass

from reportgen.gallery.core.registry import page


@dataclass(frozen=True)
class InsertionPage:
    values: list[float]


@page(
    "insertion/index.html",
    nav=("Method", "Insertion"),
    order=71,
    requires=("insertion/curve",),
    about="How the probability grows while pixels are inserted.",
)
def insertion(audit, media):
    return InsertionPage(audit.main.table["insertion/curve"][0].tolist())
"""
SECTION_MODULE = """
from reportgen.gallery.components.image_figures import image_figure
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.registry import section


@section("image", order=1, requires=("insertion/curve",), layer="Insertion", about="The curve of one image.")
def inserted_pixels(audit, media, i):
    if i == 1:
        return None
    return Section("Inserted pixels", "A caption.", [image_figure(audit.main, media, i)], "pair")
"""
TEMPLATE = """
{% extends "base.html" %}
{% block title %}Insertion{% endblock %}
{% block main %}<h1>Insertion</h1><p>Values {{ page.values | join(", ") }}</p>{% endblock %}
"""


@pytest.fixture
def new_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A page and a section in modules of their own, and the page's template; nothing else is changed."""
    all_pages()  # modules register when they are imported first, which must not be in the copies below
    for package, name, text in (
        (page_modules, "insertion", PAGE_MODULE),
        (section_modules, "inserted_pixels", SECTION_MODULE),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / "insertion.html").write_text(TEMPLATE)
    folder_of = assets.folder
    monkeypatch.setattr(assets, "folder", lambda kind: tmp_path / kind if kind == "templates" else folder_of(kind))
    monkeypatch.setattr(registry, "_pages", dict(registry._pages))
    monkeypatch.setattr(registry, "_sections", dict(registry._sections))
    registry._import_all.cache_clear()
    yield
    registry._import_all.cache_clear()
    for name in ("reportgen.gallery.pages.insertion", "reportgen.gallery.sections.inserted_pixels"):
        sys.modules.pop(name, None)


def html_of(path: Path) -> str:
    """Return the text of a page with single spaces."""
    return " ".join(path.read_text("utf-8").split())


def links_of(audit: Audit) -> list[Link]:
    """The links of all groups of the navigation."""
    return [link for entry in navigation(audit) for link in entry.links]


def audit_with(**arrays: np.ndarray) -> Audit:
    """Three images, with these arrays; two underscores in a name stand for the slash."""
    return make_audit(make_model_audit([0, 1, 0], arrays={k.replace("__", "/"): v for k, v in arrays.items()}))


def test_page_and_section_of_new_modules_are_in_the_site(new_modules: None, tmp_path: Path) -> None:
    audit = audit_with(insertion__curve=np.array([[0.25, 0.75]] * 3))
    site = write_report(audit, tmp_path / "report")
    assert "<p>Values 0.25, 0.75</p>" in (site / "insertion" / "index.html").read_text("utf-8")
    assert '<a href="insertion/index.html">Insertion</a>' in (site / "provenance.html").read_text("utf-8")
    html = html_of(site / image_page(audit, 0))
    assert '<section class="view" id="inserted_pixels" data-layer="Insertion">' in html
    assert "inserted_pixels" not in (site / image_page(audit, 1)).read_text("utf-8")  # nothing to show
    assert check_site(site.parent)[0] == []


def test_page_and_section_without_their_arrays_are_absent_with_their_links(new_modules: None, tmp_path: Path) -> None:
    site = write_report(audit_with(), tmp_path / "report")
    assert not (site / "insertion").exists()
    written = {path.relative_to(site).as_posix(): path.read_text("utf-8") for path in site.rglob("*.html")}
    assert {name for name, html in written.items() if "insert" in html.lower()} == set()
    assert check_site(site.parent)[0] == []


def test_new_modules_are_in_navigation_views_and_manual(new_modules: None) -> None:
    labels = [link.label for link in links_of(audit_with(insertion__curve=np.zeros((3, 2))))]
    assert labels.index("Insertion") == labels.index("Localization") + 1
    assert "Insertion" not in [link.label for link in links_of(audit_with())]
    printed = CliRunner().invoke(cli, ["views"]).output.splitlines()
    assert [" ".join(line.split()) for line in printed if line.startswith(("insertion ", "inserted"))] == [
        "insertion page How the probability grows while pixels are inserted.",
        "inserted_pixels image The curve of one image.",
    ]
    parts = runpy.run_path(str(ROOT / "site" / "manual.py"))["PARTS"]
    assert "| `insertion` | `insertion/index.html` | Method › Insertion | How the probability" in parts["pages"]()
    assert (
        "| `inserted_pixels` | image | Insertion | The curve of one image. | `insertion/curve` |" in parts["sections"]()
    )


def test_units_pages_sections_and_links_need_recorded_layers(tmp_path: Path) -> None:
    """The arrays of any layer are enough for a path with `<layer>`."""
    maxima = np.random.default_rng(0).random((3, 4))
    for unit_maxima, is_there in ((None, False), ({"conv1": maxima}, True)):
        audit = make_audit(make_model_audit([0, 1, 0], unit_maxima=unit_maxima))
        site = write_report(audit, tmp_path / str(is_there))
        assert (site / "units").exists() == is_there
        assert ("units/index.html" in [link.url for link in links_of(audit)]) == is_there
        assert ('id="strongest_units"' in (site / image_page(audit, 0)).read_text("utf-8")) == is_there
        assert check_site(site.parent)[0] == []


def test_navigation_lists_the_pages_that_apply_in_order() -> None:
    audit = make_audit(make_model_audit([0, 1, 0]))
    entries = [entry for entry in all_pages() if entry.nav]
    assert [(link.label, link.url) for link in links_of(audit)] == [
        (entry.nav[1], entry.url) for entry in entries if entry.nav and entry.applies_to(audit)
    ]
    assert entries == sorted(entries, key=lambda entry: entry.order)
    assert len({(entry.nav, entry.is_multilabel) for entry in entries}) == len(entries)


def test_navigation_has_at_most_seven_entries_and_the_review() -> None:
    """A group is one entry, which leads to its first page."""
    audit = make_audit(make_model_audit([0, 1, 0], unit_maxima={"conv1": np.random.default_rng(0).random((3, 4))}))
    nav = navigation(audit)
    assert [entry.label for entry in nav][-2:] == ["Method", "Review"]
    assert len(nav) <= 8
    assert len({entry.label for entry in nav}) == len(nav)
    assert all(entry.url == entry.links[0].url for entry in nav)


@pytest.mark.parametrize(
    ("url", "group", "link"),
    [
        ("index.html", "Overview", "Overview"),
        ("images/000001-1.html", "Images", "Images"),
        ("confusions/index.html", "Classes", "Confusions"),
        ("provenance.html", "Method", "Provenance"),
        ("404.html", None, None),
    ],
)
def test_current_entry_and_link_are_those_of_the_folder_of_a_page(
    url: str, group: str | None, link: str | None
) -> None:
    nav = mark_current(url, navigation(make_audit(make_model_audit([0, 1, 0]))))
    assert [entry.label for entry in nav if entry.current] == ([group] if group else [])
    assert [one.label for entry in nav for one in entry.links if one.current] == ([link] if link else [])


def test_views_prints_every_page_section_and_kind_of_finding() -> None:
    done = CliRunner().invoke(cli, ["views"])
    assert done.exit_code == 0
    printed = [line.split(maxsplit=2) for line in done.output.splitlines()]
    expected = [[entry.name, "page", entry.about] for entry in all_pages()]
    expected += [[entry.name, entry.scope, entry.about] for entry in all_sections()]
    kinds = [[kind.name, "finding", f"{kind.title}: {kind.criterion}"] for kind in finding_kinds()]
    assert printed == expected + kinds


def test_manual_lists_every_page_and_section() -> None:
    text = (ROOT / "site" / "docs" / "views.md").read_text("utf-8")
    pages, sections = (re.findall(r"^\| `(\w+)`", part, re.MULTILINE) for part in text.split("<!-- generated: ")[1:])
    assert pages == [entry.name for entry in all_pages()]
    assert sections == [entry.name for entry in all_sections()]


def test_registered_names_and_addresses_are_unique() -> None:
    names = [entry.name for entry in all_pages()]
    assert len(set(names)) == len(names)
    pages = [entry for entry in all_pages() if not entry.url.endswith("/")]  # else a folder of pages
    addresses = [(entry.url, entry.is_multilabel) for entry in pages]
    assert len(set(addresses)) == len(addresses)
    sections = [entry.name for entry in all_sections()]
    assert len(set(sections)) == len(sections)
    assert all(entry.about.endswith(".") for entry in (*all_pages(), *all_sections()))


def test_every_registered_page_has_a_template_of_its_name() -> None:
    assert [entry.name for entry in all_pages() if not (TEMPLATES / f"{entry.name}.html").is_file()] == []


def drafted_templates() -> set[str]:
    """Return the templates that the code names in a `PageDraft`."""
    calls = [
        node
        for path in (ROOT / "reportgen" / "gallery").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "PageDraft"
    ]
    names = [call.args[1].value for call in calls if isinstance(call.args[1], ast.Constant)]
    return {str(name) for name in names}


def test_every_template_is_that_of_a_page_or_used_by_others() -> None:
    files = {path.name for path in TEMPLATES.glob("*.html")}
    pages = {f"{entry.name}.html" for entry in all_pages()} | drafted_templates()
    assert pages <= files
    assert files - pages == SHARED_TEMPLATES
    env = jinja2.Environment()
    referenced: set[Any] = set()
    for name in files:
        referenced |= set(jinja2.meta.find_referenced_templates(env.parse((TEMPLATES / name).read_text("utf-8"))))
    assert referenced - {"overview.html"} == SHARED_TEMPLATES  # a page, which that of several labels extends


def test_drafts_of_a_page_have_its_template_or_one_of_its_module(tmp_path: Path) -> None:
    """The first page that a function drafts has the template of its name, at its registered address."""
    maxima = np.random.default_rng(0).random((3, 4))
    audit = make_audit(make_model_audit([0, 1, 0], unit_maxima={"conv1": maxima}))
    drafts = list(page_drafts(audit, Media(tmp_path)))
    assert len({draft.url for draft in drafts}) == len(drafts)
    for entry in (entry for entry in all_pages() if entry.applies_to(audit)):
        first = next(iter(entry.draft(audit, Media(tmp_path))), None)
        assert first is None or first.template == f"{entry.name}.html"
        if first is not None and not entry.url.endswith("/"):
            assert first.url == entry.url


def test_search_chunk_has_the_pages_of_the_navigation(tmp_path: Path) -> None:
    audit = make_audit(make_model_audit([0, 1, 0]))
    site = write_report(audit, tmp_path / "report")
    (path,) = (site / "data").glob("search.*.js")
    text = path.read_text("utf-8")
    body = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert body["pages"] == [[link.label, link.url, entry.label] for entry in navigation(audit) for link in entry.links]


def test_demo_report_has_every_page_and_section_whose_settings_are_given(demo_report: Path) -> None:
    """A reference, two networks with different pooling, feature visualization and several labels an image are not part
    of the demo."""
    site = demo_report / "site"
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {entry.nav[1] for entry in all_pages() if entry.nav and entry.url not in pages} == {
        "Drift",
        "GAP and GMP",
        "Labels",
    }
    (image,) = (site / "images").glob(f"*-{Path(SELECTED_IMAGE).stem}.html")
    (class_,) = (site / "classes").glob("*-tabby.html")
    for scope, path, without in (("image", image, {"gap_gmp"}), ("class", class_, {"class_false_predictions"})):
        html = html_of(path)
        entries = [entry for entry in all_sections() if entry.scope == scope]
        assert {entry.name for entry in entries if f'<section class="view" id="{entry.name}"' not in html} == without
        for entry in entries:
            assert not entry.layer or f'id="{entry.name}" data-layer="{entry.layer}"' in html
