"""The tutorials of CONTRIBUTING.md, followed literally in a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SECTION, PAGE = "Tutorial: add a section", "Tutorial: add a page with a chart"
MAX_FILES = {SECTION: 5, PAGE: 7}
"""Heading → the largest number of files that a reader writes or edits."""
STEP = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<old>[^`]+)`, (?P<where>after|before) the line\s`(?P<line>[^`]+)`):\n\n"
    r"```\w*\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
COPIED = ("reportgen", "templates", "site", "tests", "pyproject.toml", "CHANGELOG.md", "README.md", "CONTRIBUTING.md")
PYTEST = ("-m", "pytest", "-q", "-n", 0, "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Step:
    """One code block of a tutorial. where: "" for a new file, else `after` or `before` the first such line."""

    path: str
    code: str
    where: str = ""
    line: str = ""

    def apply(self, root: Path) -> None:
        """Write the file, or insert the block into it. Below a Markdown heading, text begins after a blank line."""
        path = root / self.path
        if not self.where:
            assert not path.exists(), f"{self.path} exists already"
            path.write_text(self.code, "utf-8")
            return
        lines = path.read_text("utf-8").splitlines(keepends=True)
        is_heading = self.line.startswith("#")
        place = lines.index(f"{self.line}\n") + (1 + is_heading if self.where == "after" else 0)
        lines[place:place] = [self.code, *(["\n"] if is_heading and self.where == "before" else [])]
        path.write_text("".join(lines), "utf-8")


def part_below(heading: str) -> str:
    """The text from a heading to the next one of its level; lines of code blocks are no headings."""
    lines, in_code, found = TEXT.splitlines(keepends=True), False, []
    for line in lines[lines.index(f"## {heading}\n") + 1 :]:
        in_code ^= line.startswith("```")
        if line.startswith("## ") and not in_code:
            break
        found.append(line)
    return "".join(found)


def steps_of(heading: str) -> list[Step]:
    """The steps of the tutorial below a heading."""
    part = part_below(heading)
    steps = [Step(m["new"] or m["old"], m["code"], m["where"] or "", m["line"] or "") for m in STEP.finditer(part)]
    listings = re.findall(r"^```(?!sh$)\w+$", part, re.MULTILINE)
    assert len(steps) == len(listings), "a code block has no line that names its file"
    return steps


def files_of(heading: str) -> list[str]:
    """The files that the reader of a tutorial writes or edits."""
    return list(dict.fromkeys(step.path for step in steps_of(heading)))


@dataclass(frozen=True)
class Checkout:
    """A copy of the sources."""

    root: Path

    def run(self, *arguments: object) -> str:
        """Run Python with these arguments in the copy, and return what it prints. Fails if the command fails."""
        own = {"PYTHONPATH": str(self.root), "PYTEST_ADDOPTS": "", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=self.root, env=os.environ | own, capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    def follow(self, heading: str) -> None:
        """Apply the steps of a tutorial, and format the sources, as it states."""
        new = [step.path for step in steps_of(heading) if not step.where and step.path.endswith(".py")]
        for step in steps_of(heading):
            step.apply(self.root)
        self.run("-m", "ruff", "format", "--check", *new)
        sources = [name for name in files_of(heading) if name.endswith(".py")]
        self.run("-m", "ruff", "format", *sources)
        self.run("-m", "ruff", "check", *sources)

    def audit(self) -> Path:
        """Audit a network of three convolutions on six images, all selected, and return the site."""
        table = squares(self.root / "data", each=2)
        arguments = ("--model", TINY_NETWORK, "--classes", table.parent / "classes.txt")
        selected = ("--select", "all", "--occlusion-stride", 96, "--device", "cpu", "--precision", "fp32")
        self.run("-m", "reportgen", "run", "--data", table, *arguments, *selected, "--quiet")
        return self.root / "report" / "site"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A copy of the sources in which both tutorials were followed."""
    root = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / name, root / name)
    copy = Checkout(root)
    copy.follow(SECTION)
    copy.follow(PAGE)
    return copy


@pytest.fixture(scope="module")
def site(checkout: Checkout) -> Path:
    """The site of a small audit in that copy."""
    return checkout.audit()


@pytest.mark.parametrize("heading", MAX_FILES)
def test_tutorial_takes_few_files(heading: str) -> None:
    assert 0 < len(files_of(heading)) <= MAX_FILES[heading]


def test_section_tutorial_adds_a_section_with_a_viewer_layer_to_image_pages(site: Path) -> None:
    images = sorted((site / "images").glob("0*.html"))
    assert len(images) == 6
    for path in images:
        html = path.read_text("utf-8")
        assert re.search(r'<section[^>]* id="layercam"[^>]* data-layer="LayerCAM"', html)
        assert len(re.findall(r'alt="LayerCAM of \w+ at ', html)) >= 1


def test_page_tutorial_adds_a_page_with_two_charts_and_their_numbers(site: Path) -> None:
    html = (site / "blur-sensitivity" / "index.html").read_text("utf-8")
    assert "Means over 6 selected images" in html
    assert html.count('<figure class="chart') == 2
    assert html.count("<table") == 2
    assert html.count("standard deviation of the blur") >= 4


def test_page_tutorial_adds_an_entry_to_the_navigation_of_every_page_of_its_group(site: Path) -> None:
    for name in ("localization/index.html", "provenance.html"):
        html = (site / name).read_text("utf-8")
        assert re.search(r'href="(?:\.\./)?blur-sensitivity/index\.html"[^>]*>Blur sensitivity</a>', html)


def test_tutorials_leave_a_complete_site(checkout: Checkout, site: Path) -> None:
    checkout.run("-m", "reportgen", "check", site.parent)


def test_tutorials_add_lines_to_the_generated_lists(checkout: Checkout) -> None:
    printed = checkout.run("-m", "reportgen", "views")
    assert re.search(r"^layercam +image ", printed, re.MULTILINE)
    assert re.search(r"^blur_sensitivity +page ", printed, re.MULTILINE)
    checkout.run("site/manual.py")
    listed = (checkout.root / "site" / "docs" / "views.md").read_text("utf-8")
    assert "| `layercam` | image | LayerCAM |" in listed
    assert "| `blur_sensitivity` | `blur-sensitivity/index.html` |" in listed


def test_tutorials_bring_tests_that_pass_and_keep_the_rules_of_imports(checkout: Checkout) -> None:
    own = [name for heading in MAX_FILES for name in files_of(heading) if name.startswith("tests/")]
    assert len(own) == 2
    checkout.run(*PYTEST, *own, "tests/unit/test_architecture.py")
