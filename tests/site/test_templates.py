"""Lint of the templates: they escape everything, contain no code or style, and have readable lines."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").glob("*.html"))
MAX_LINE = 120
INLINE = {"not_found.html"}
"""Its inline style and script are allowed by their digests: a host serves it for addresses in any folder."""


def faults(source: str, name: str = "page.html") -> list[str]:
    """What is wrong with a template, one line each."""
    found = []
    try:
        jinja2.Environment().parse(source)
    except jinja2.TemplateSyntaxError as error:
        found.append(f"line {error.lineno}: {error.message}")
    rules = {
        r"<\w[^<>]*\s[\w-]+=\{\{": "an attribute without quotes",
        r"\son\w+\s*=": "an inline event handler",
        r"javascript:": "a script in an address",
    }
    if name not in INLINE:
        rules[r"\sstyle\s*=|<style\b"] = "an inline style"
    for number, line in enumerate(source.splitlines(), 1):
        if re.search(r"\|\s*(?:safe|forceescape)\b|autoescape|Markup", line):
            found.append(f"line {number}: disables escaping")
        markup = re.sub(r"\{#.*?#\}|\{%.*?%\}", "", line)
        found += [f"line {number}: {what}" for pattern, what in rules.items() if re.search(pattern, markup)]
        if len(line) > MAX_LINE:
            found.append(f"line {number}: {len(line)} characters")
    for attributes, content in re.findall(r"<script\b([^>]*)>(.*?)</script>", source, re.DOTALL):
        is_data = 'type="application/json"' in attributes
        data = re.fullmatch(r"\{\{[^}]*\|\s*tojson\s*\}\}", content.strip())
        if content.strip() and not (is_data and data) and name not in INLINE:
            found.append("a script element with other content than `tojson` data")
    return found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_has_no_faults(path: Path) -> None:
    found = faults(path.read_text("utf-8"), path.name)
    assert not found, "\n".join(f"{path.name}: {fault}" for fault in found)


@pytest.mark.parametrize(
    "source",
    [
        "{{ page.title | safe }}",
        "{% autoescape false %}{{ page.title }}{% endautoescape %}",
        "<a href={{ page.url }}>x</a>",
        '<a onclick="go()">x</a>',
        '<a href="javascript:go()">x</a>',
        '<p style="color: red">x</p>',
        "<style>p { color: red }</style>",
        "<script>const x = {{ page.data | tojson }};</script>",
        '<script type="application/json">{{ page.data }}</script>',
        "{% if page.title %}x",
        f"<p>{'x' * MAX_LINE}</p>",
    ],
)
def test_lint_finds_a_seeded_fault(source: str) -> None:
    assert faults(source)


def test_lint_accepts_a_plain_template() -> None:
    source = '<p title="{{ page.title }}">{{ page.text }}</p>\n'
    source += '<script type="application/json">{{ page.data | tojson }}</script>\n'
    assert faults(source + '<script src="{{ frame.root }}{{ assets["data.js"] }}" defer></script>\n') == []
