"""README, manual and CI say what the code does."""

import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import ModelCard
from reportgen.cli import cli
from reportgen.config import AuditConfig
from reportgen.data.samples import Dataset, Sample
from reportgen.gallery.sections import all_views
from reportgen.metrics.classification import classify
from reportgen.metrics.localization.ilsvrc import localize
from reportgen.metrics.localization.study import study
from reportgen.results import metrics as results

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "site" / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = (ROOT / "README.md").read_text("utf-8")
DEMO = "python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' && .venv/bin/reportgen demo"
TEST = "python3 -m venv .venv && .venv/bin/pip install -e '.[demo,test]' && .venv/bin/pytest"


def fenced(text: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def command_lines() -> list[str]:
    """Every line of README and manual that calls reportgen."""
    blocks = [block for text in (README, *(page.read_text("utf-8") for page in PAGES)) for block in fenced(text, "sh")]
    lines = [re.sub(r"^\.venv/bin/", "", line) for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("reportgen ")})


def test_the_readme_has_the_two_commands_each_on_one_line() -> None:
    lines = [line for block in fenced(README, "sh") for line in block.splitlines()]
    assert lines.count(DEMO) == 1
    assert lines.count(TEST) == 1


def test_ci_runs_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text("utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines.index("export REPORTGEN_REQUIRE_CHROMIUM=1") < lines.index(TEST)
    assert ".venv/bin/mkdocs build --strict" in lines
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


def test_the_readmes_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readmes_picture_is_there_and_small() -> None:
    picture = DOCS / "img" / "overview.png"
    assert picture.stat().st_size <= 250 * 1024
    with Image.open(picture) as image:
        assert image.width == 1280


@pytest.mark.parametrize("line", command_lines())
def test_a_command_of_the_manual_can_be_called(line) -> None:
    """The real parser takes its flags and arguments; nothing is run."""
    _, name, *arguments = shlex.split(line)
    context = cli.commands[name].make_context(name, arguments)
    assert isinstance(context, click.Context)


def test_the_manual_mentions_every_command() -> None:
    assert {shlex.split(line)[1] for line in command_lines()} >= set(cli.commands) - {"views"}


def test_init_writes_the_file_that_the_manual_shows(tmp_path) -> None:
    subprocess.run([sys.executable, "-m", "reportgen", "init", tmp_path / "audit.toml"], cwd=ROOT, check=True)
    text = (tmp_path / "audit.toml").read_text("utf-8")
    assert fenced((DOCS / "configuration.md").read_text("utf-8"), "toml") == [text]
    assert tomllib.loads(text).keys() <= {field.name for field in fields(AuditConfig)}


def test_the_generated_parts_are_what_the_code_says() -> None:
    filled = runpy.run_path(str(ROOT / "site" / "manual.py"))["filled"]
    stale = [page.name for page in PAGES if filled(page.read_text("utf-8")) != page.read_text("utf-8")]
    assert stale == [], "run `python site/manual.py`"


def first_cells(page: str) -> list[str]:
    """The names in code type that begin the rows of a page's tables."""
    return re.findall(r"^\| `([^`]+)`", (DOCS / page).read_text("utf-8"), re.MULTILINE)


def test_the_manual_lists_every_setting() -> None:
    assert first_cells("configuration.md") == [field.name for field in fields(AuditConfig)]


def test_the_manual_lists_every_view() -> None:
    done = subprocess.run([sys.executable, "-m", "reportgen", "views"], cwd=ROOT, check=True, capture_output=True)
    printed = [line.split()[0] for line in done.stdout.decode().splitlines()]
    assert printed == [view.name for view in all_views()]
    page = (DOCS / "views.md").read_text("utf-8")
    assert re.findall(r"^\| [^|`]+ \| `(\w+)`", page, re.MULTILINE) == printed


def tiny_audit() -> Audit:
    """Two images of two classes, one of them with a box."""
    logits, labels = np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0])
    maps, classes = np.ones((2, 3, 2, 2)), np.array([[0, 1, 0], [1, 0, 0]])
    boxes = [np.array([[0.0, 0, 8, 8]]), np.zeros((0, 4))]
    where = localize(maps, classes, boxes, np.full((2, 2), 8), np.array([[0.0, 0, 8, 8]] * 2), 4)
    samples = [Sample(Path(f"{i}.png"), f"{i}.png", 0, boxes[i]) for i in range(2)]
    card = ModelCard("net", "net", "own", "cam", "conv", (1, 2, 2), 1, "", "warp", "fp32", "cpu", 4, "")
    dataset, figures = Dataset("two", samples, ["a", "b"]), classify(logits, labels)
    sizes, windows = np.full((2, 2), 8), np.array([[0.0, 0, 8, 8]] * 2)
    every = study(where, figures, maps, classes, boxes, sizes, windows, 4, {0: maps[0, -1]})
    blind = every.controls["whole_image"]
    audit = Audit(dataset, samples, [], card, None, figures, where, ["right", "class"], 0.0, every)
    audit = replace(audit, backprop={"paper": blind, "graphcut": blind})
    audit.__dict__["cam_classes"] = classes
    return audit


def shape(value: object) -> object:
    """The keys of nested dicts and lists, without the values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else None


def test_the_manual_shows_metrics_json_as_it_is_written() -> None:
    page = (DOCS / "outputs.md").read_text("utf-8")
    (shown,) = fenced(page, "json")
    written = results.metrics(tiny_audit())
    assert shape(json.loads(shown)) == shape(written)
    for key in re.findall(r'"(\w+)":', json.dumps(written)):
        assert re.search(rf"`[^`]*\b{key}(\[\])?\b[^`]*`", page), f"{key} is not explained"


def test_the_manual_explains_every_column_of_the_tables() -> None:
    columns = {name for cell in re.findall(r"^\| (.+?) \|", (DOCS / "outputs.md").read_text("utf-8"), re.MULTILINE)
               for name in re.findall(r"`(\w+)`", cell)}  # fmt: skip
    for text in (results.predictions_csv(tiny_audit()), results.localization_csv(tiny_audit())):
        header = text.splitlines()[0].split(",")
        assert {name for name in header if not name.endswith(("2", "3", "4"))} <= columns
        assert len(text.splitlines()) > 1


def test_mkdocs_reads_and_writes_where_it_may(tmp_path) -> None:
    """Its default `site_dir` is `site`, which it empties. The built manual asks the network for nothing."""
    settings = (ROOT / "mkdocs.yml").read_text("utf-8").splitlines()
    assert "docs_dir: site/docs" in settings
    assert "site_dir: build/docs" in settings
    assert "strict: true" in settings
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "docs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.stem: path.read_text("utf-8") for path in (tmp_path / "docs").glob("*.html")}
    assert {page.stem for page in PAGES} <= set(pages)
    loaded = re.compile(r"<(?:script|img|iframe|source)[^>]+src=\"?https?:|<link[^>]+href=\"?https?:")
    assert [name for name, html in pages.items() if loaded.search(html)] == []


def test_every_page_of_the_manual_is_in_its_navigation() -> None:
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert sorted(re.findall(r": ([\w-]+\.md)$", settings, re.MULTILINE)) == [page.name for page in PAGES]


def test_the_changelog_has_an_unreleased_part() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert text.startswith("# Changelog\n")
    assert "\n## [Unreleased]\n\n### Added\n" in text
