"""The vocabulary: spelling, and words that the glossary has replaced (site/docs/glossary.md)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "reportgen").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "site" / "assets").glob("*.js"))
DOCS = [*sorted((ROOT / "site" / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]

RETIRED_NAMES = {
    "album", "beside", "closer", "codes", "drawer", "kept", "ledger", "look", "looked", "looks", "marks", "outline",
    "outlines", "press", "preferred", "salience", "standing", "stood", "talk", "there", "words",
}  # fmt: skip
"""Not as a word of a name: `kept_rows`, `PressHouse`."""
RETIRED_PHRASES = {
    r"among strangers": "label disagrees with neighbours",
    r"\bbeside\b": "with, next to, compared with",
    r"\b(?:bears?|borne) (?:the|its|his|another|all|by)\b": "has",
    r"class given": "GT-known",
    r"(?<!exit )\bcodes\b": "features",
    r"costly looks?": "expensive methods",
    r"everybody's say": "merged reviews",
    r"failure kinds?|kinds? of failure": "failure type",
    r"\bfires?\b": "is active",
    r"how much hangs on": "sensitivity",
    r"\blast maps\b": "feature maps",
    r"\blooked (?:at|into)\b|\blooks? into\b": "selected, recorded",
    r"\bmap's box\b": "predicted box",
    r"\bmaps alone\b": "activation maps, feature maps",
    r"named wrong": "misclassified",
    r"\b(?:nobody|whoever)\b": "no user, the user",
    r"own scale": "normalized",
    r"\brests? on\b": "provenance, depends on",
    r"\bsays?\b": "states, shows",
    r"several as one": "multiple instances",
    r"spills over": "box too large",
    r"\bstands?\b(?! for\b)|\bstood\b": "is",
    r"\btaken? for\b": "confused with, used as",
    r"\b(?:tells?|told)\b": "shows, reports",
    r"to take along": "downloads",
    r"\btrue box(?:es)?\b": "ground-truth box",
    r"what stands out|stands? out": "findings",
    r"\bwinners?\b": "top patch",
}
"""Pattern → what to write instead."""


def names_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of the module, of its classes, functions, arguments and class-level fields."""
    yield 1, path.parent.name if path.stem == "__init__" else path.stem
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        if isinstance(node, ast.ClassDef):
            fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
            yield from ((field.lineno, field.target.id) for field in fields if isinstance(field.target, ast.Name))


def words_of(name: str) -> list[str]:
    """`heldOut_Rows` → held, out, rows."""
    return re.findall(r"[a-z]+", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower())


def sentences_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of everything in a file that is written for people: strings with spaces, docstrings, prose."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                yield node.lineno, re.sub(r"`[^`\n]*`", " ", node.value)
    elif path.suffix == ".js":
        for match in re.finditer(r"([\"'`])((?:\\.|(?!\1)[^\\])*?)\1", text):
            if " " in match[2]:
                yield text.count("\n", 0, match.start()) + 1, re.sub(r"\$\{[^}]*\}", " ", match[2])
    elif path.suffix == ".html":
        shown = re.sub(r"\{[{%#].*?[}%#]\}", lambda tag: "\n" * tag[0].count("\n"), text, flags=re.DOTALL)
        shown = re.sub(r"<code>.*?</code>", " ", shown)
        for number, line in enumerate(shown.splitlines(), 1):
            attributes = re.findall(r"(?:title|alt|placeholder|aria-label)=\"([^\"]*)\"", line)
            yield number, " ".join([re.sub(r"<[^>]*>", " ", line), *attributes])
    else:
        prose = re.sub(r"^```.*?^```$", lambda code: "\n" * code[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
        for number, line in enumerate(prose.splitlines(), 1):
            yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", " ", line)


def retired_names(path: Path) -> list[str]:
    """The names of a module that contain a retired word, one line each."""
    where = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return [f"{where}:{line}: {name}" for line, name in names_of(path) if RETIRED_NAMES & set(words_of(name))]


def retired_phrases(path: Path) -> list[str]:
    """The sentences of a file that contain a retired phrase, one line each, with what to write instead."""
    where = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    found = []
    for line, text in sentences_of(path):
        for pattern, instead in RETIRED_PHRASES.items():
            if match := re.search(pattern, text, re.IGNORECASE):
                found.append(f"{where}:{line}: `{match[0]}`: {instead}")
    return found


def test_spelling_is_correct() -> None:
    places = ["reportgen", "templates", "site", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tests", "benchmarks"]
    command = [sys.executable, "-m", "codespell_lib", *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_in_the_package_contain_no_retired_words() -> None:
    found = [line for path in MODULES for line in retired_names(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "paths", [MODULES, TEMPLATES, SCRIPTS, DOCS], ids=["package", "templates", "scripts", "manual"]
)
def test_sentences_contain_no_retired_phrases(paths: list[Path]) -> None:
    assert paths
    found = [line for path in paths for line in retired_phrases(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("a.py", "'''What the report tells.'''\nKEY = 'codes'\nx = f'{x} stands out'\n", 3),
        ("a.html", '<p title="the true box">{{ page.codes }} on its own scale</p>\n', 2),
        ("a.js", "const codes = 'codes', text = `${codes} look: class given`;\n", 1),
        ("a.md", "Exit codes, `codes`\n\n```\nfires\n```\n\nA unit fires.\n", 1),
    ],
)
def test_phrase_check_finds_seeded_phrases(tmp_path: Path, name: str, text: str, count: int) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    assert len(retired_phrases(tmp_path / name)) == count


def test_name_check_finds_seeded_names(tmp_path: Path) -> None:
    path = tmp_path / "press.py"
    path.write_text(
        "class KeptRows:\n    marks: int\n\n    def tell(self, beside: int) -> int:\n        kept = 1\n", "utf-8"
    )
    assert [line.split(": ")[1] for line in retired_names(path)] == ["press", "KeptRows", "marks", "beside"]
