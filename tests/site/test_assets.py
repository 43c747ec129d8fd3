"""The scripts of the pages: which page loads which, how they are published, and what they share with Python."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reportgen.gallery.core.assets import ON_DEMAND, STYLE_SHEETS, compact, files, published_assets
from reportgen.gallery.core.browser_constants import browser_constants

ROOT = Path(__file__).parents[2]
SCRIPTS = {path.name: path.read_text("utf-8") for path in files("assets") if path.suffix == ".js"}
TYPES = (ROOT / "site" / "reportgen.d.ts").read_text("utf-8")
ASSET = re.compile(r'"([\w-]+\.(?:js|css|svg))"')
DESTRUCTURED = re.compile(r"const \{([^}]*)\} = (?:window\.reportgen|R);")
MAX_BYTES = 60_000
"""JavaScript that a page may load before its data."""


def named_assets(template: Path) -> list[str]:
    """The assets that a template loads, in order; without those of the one that it extends."""
    text = template.read_text("utf-8")
    lists = re.findall(r"\{% set scripts = (.*?) %\}", text, re.DOTALL) if template.name != "base.html" else [text]
    return [name for part in lists for name in ASSET.findall(part)]


TEMPLATES = {path.name: named_assets(path) for path in files("templates")}
OF_EVERY_PAGE = [name for name in TEMPLATES["base.html"] if name.endswith(".js")]


def test_templates_name_published_scripts_and_every_script_is_named() -> None:
    named = {name for names in TEMPLATES.values() for name in names}
    assert named <= set(published_assets())
    assert set(SCRIPTS) - set(ON_DEMAND) <= named
    loaded = {name for script in SCRIPTS.values() for name in loaded_on_demand(script)}
    assert loaded == set(ON_DEMAND)


def test_every_style_sheet_is_a_part_of_the_published_one() -> None:
    sheets = {path.stem for path in files("assets") if path.suffix == ".css"}
    assert set(STYLE_SHEETS) == sheets
    assert published_assets()["gallery.css"].count(b"\n/* ") >= len(sheets) - 1
    assert not any(name.endswith(".css") for name in published_assets() if name != "gallery.css")


@pytest.mark.parametrize("template", [name for name, names in TEMPLATES.items() if names and name != "base.html"])
def test_a_page_loads_what_its_scripts_use_before_them_and_stays_in_its_budget(template: str) -> None:
    loaded = [*OF_EVERY_PAGE, *TEMPLATES[template]]
    published = published_assets()
    assert sum(len(published[name]) for name in loaded) <= MAX_BYTES
    for at, name in enumerate(loaded):
        used = set(re.findall(r"(?:window\.reportgen|\bR)\.(\w+)", SCRIPTS.get(name, "")))
        for names in DESTRUCTURED.findall(SCRIPTS.get(name, "")):
            used |= {part.split(":")[0].strip() for part in names.split(",") if part.strip()}
        needed = {file_of(member) for member in used - {"take", member_of(name)}}
        assert needed <= {*loaded[:at], *loaded_on_demand(SCRIPTS.get(name, ""))}, name


@pytest.mark.parametrize("name", ON_DEMAND)
def test_a_script_on_demand_uses_what_the_pages_that_load_it_have(name: str) -> None:
    """Or what is loaded on demand before it: `selection.js` loads them in their order."""
    used = {part.split(":")[0].strip() for parts in DESTRUCTURED.findall(SCRIPTS[name]) for part in parts.split(",")}
    used |= set(re.findall(r"window\.reportgen\.(\w+)(?! = )\b", SCRIPTS[name])) - {member_of(name)}
    loaders = {script for script in SCRIPTS if name in loaded_on_demand(SCRIPTS[script])}
    for _ in ON_DEMAND:  # a loader may be loaded on demand itself
        loaders |= {script for script in SCRIPTS if loaders & set(loaded_on_demand(SCRIPTS[script]))}
    pages = [{*OF_EVERY_PAGE, *names} for names in TEMPLATES.values()]
    named = set.intersection(*(names for names in pages if names & loaders))
    assert {file_of(member) for member in used if member} <= {*named, *ON_DEMAND[: ON_DEMAND.index(name)]}


def loaded_on_demand(script: str) -> list[str]:
    """The scripts that a script loads before it uses their members."""
    return [name for names in re.findall(r"\.loadScripts\(([^)]*)\)", script) for name in re.findall(r'"(.*?)"', names)]


def member_of(name: str) -> str:
    """`image-filter.js` → `imageFilter`."""
    first, *others = name.removesuffix(".js").split("-")
    return first + "".join(part.capitalize() for part in others)


def file_of(member: str) -> str:
    """`imageFilter` → `image-filter.js`."""
    return re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", member) + ".js"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_adds_one_member_of_its_name_that_is_declared_or_none(name: str) -> None:
    added = set(re.findall(r"^ *window\.reportgen\.(\w+) = ", SCRIPTS[name], re.MULTILINE)) - {"take"}
    assert added <= {member_of(name)}
    for member in added:
        assert re.search(rf"^  {member}(\(|:)", TYPES, re.MULTILINE), member


def test_constants_are_those_that_the_types_declare() -> None:
    declared = re.search(r"interface Constants \{(.*?)\n\}", TYPES, re.DOTALL)
    assert declared
    assert set(re.findall(r"^  (\w+):", declared[1], re.MULTILINE)) == set(browser_constants())
    script = published_assets()["constants.js"].decode()
    published = json.loads(script[script.index("constants:") + len("constants:") : script.rindex("}")])
    assert published == json.loads(json.dumps(browser_constants()))


def test_compact_removes_comments_assertions_and_indentation_only() -> None:
    script = """/* What it does,
   in two lines. */
(() => {
  "use strict";
  /** @type {Box} */
  const box = /** @type {Box} */ (text.split(",").map(Number)); // kept: quotes before it
  /**
   * A sum.
   * @param {number} a
   */
  const sum = (a) => a / 2; // kept: a slash before it
  const limit = 60; // points
  // A remark.
  return `${box} /* no comment */ ${"https://example.org"}`;
})();
"""
    assert (
        compact(script)
        == """(() => {
"use strict";
const box = (text.split(",").map(Number)); // kept: quotes before it
const sum = (a) => a / 2; // kept: a slash before it
const limit = 60;
return `${box} /* no comment */ ${"https://example.org"}`;
})();
"""
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_published_scripts_have_the_code_of_their_source(name: str) -> None:
    """What is left of a source without comments and spaces is what is left of the published script."""

    def code(text: str) -> str:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        return re.sub(r"\s", "", re.sub(r"(?<![:\"'`])//.*", "", text))

    assert code(published_assets()[name].decode()) == code(SCRIPTS[name])
