"""The glossary in the report: the manual's terms, and links to them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reportgen.gallery.core.glossary import glossary_text, link_term, read_glossary
from tests.support.html import read_html

TERMS = [term for group in read_glossary() for term in group.terms]


def test_glossary_has_every_term_of_the_manual_once() -> None:
    anchors = re.findall(r"^### .*\{ #([\w-]+) \}$", glossary_text(), re.MULTILINE)
    assert [term.id for term in TERMS] == anchors
    assert len(set(anchors)) == len(anchors)
    names = [name.lower() for term in TERMS for name in term.names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.id)
def test_definition_is_html_and_its_tooltip_is_short_plain_text(term) -> None:
    assert not re.search(r"[`*\[\]]|\.md", str(term.text).replace("[[models]]", ""))
    assert 10 < len(term.tooltip) <= 250
    assert "<" not in term.tooltip
    for anchor in re.findall(r'href="#([^"]+)"', term.text):
        assert anchor in {other.id for other in TERMS}


@pytest.mark.parametrize(
    ("text", "linked", "anchor"),
    [
        ("IoU, map of the label", "IoU", "iou"),
        ("GT-known localization error", "GT-known localization error", "gt-known"),
        ("Localization error, top-1", "Localization error", "localization-error"),
        ("kNN accuracy", "kNN accuracy", "knn-accuracy"),
    ],
)
def test_heading_links_to_its_longest_term(text: str, linked: str, anchor: str) -> None:
    link = re.search(
        r'<a class="term" href="\.\./glossary\.html#([\w-]+)" title="[^"]+">([^<]+)</a>', link_term(text, "../")
    )
    assert link is not None
    assert link.groups() == (anchor, linked)
    assert link_term(text, "../").striptags() == text


def test_text_without_a_term_is_escaped_and_unchanged() -> None:
    assert link_term("Images < 3 & more", "") == "Images &lt; 3 &amp; more"
    assert "term" not in link_term("Pageant", "")  # no part of a word


def test_pages_of_a_report_link_to_the_glossary(demo_report: Path) -> None:
    site = demo_report / "site"
    image = next((site / "images").glob("000000-*.html")).read_text("utf-8")
    assert '<dt><a class="term" href="../glossary.html#predicted-class"' in image
    anchors = set(re.findall(r'<div id="([\w-]+)">', read_html(site / "glossary.html")))
    for path in site.rglob("*.html"):
        assert set(re.findall(r'glossary\.html#([\w-]+)"', path.read_text("utf-8"))) <= anchors, path
