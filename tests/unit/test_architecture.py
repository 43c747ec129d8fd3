"""Modules import in one direction (site/docs/architecture.md), and a report is rendered without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "reportgen"
ORDER = [
    "",  # reportgen/__init__.py: the version
    "errors", "json_text", "setting_values", "config", "config_file", "child_process", "parallel",
    "data", "models", "methods", "store", "metrics", "embedding", "audit", "results", "draw", "gallery",
    "pipeline", "cli", "__main__",
]  # fmt: skip
NEEDS_TORCH = {"models", "methods", "pipeline"}
WITHOUT_TORCH = ("store", "metrics", "embedding", "audit", "results", "draw", "gallery")
FOR_CLI = {"", "errors", "config", "config_file"}
LAZY_FOR_CLI = FOR_CLI | {"cli", "pipeline", "store", "results", "gallery"}


def stage(module: str) -> str:
    """`reportgen.data.readers.table` → `data`."""
    return ([*module.split("."), ""])[1]


def imports(source: str, top_level_only: bool = False) -> set[str]:
    """The modules of reportgen that a source imports, in functions too. A relative import counts as `.`."""
    tree = ast.parse(source)
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "reportgen":
            found |= {f"reportgen.{a.name}" if (PACKAGE / a.name).exists() or (PACKAGE / f"{a.name}.py").exists()
                      else "reportgen" for a in node.names}  # fmt: skip
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level else str(node.module))
    return {name for name in found if name.split(".")[0] == "reportgen" or name == "."}


def violations(path: str, source: str) -> list[str]:
    """What the module at `path` (relative to the package) imports from its right."""
    own = path.split("/")[0].removesuffix(".py")
    own = "" if path == "__init__.py" else own
    allowed = set(ORDER[: ORDER.index(own) + 1]) if own in ORDER else set()
    if own in WITHOUT_TORCH:
        allowed -= NEEDS_TORCH
    if own == "":
        allowed = {"", "results"}  # `reportgen.open`, imported when it is called
    if own == "cli":
        allowed = LAZY_FOR_CLI
    return sorted(f"{path} imports {name}" for name in imports(source) if name == "." or stage(name) not in allowed)


MODULES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES)
def test_modules_import_only_from_packages_to_their_left(path) -> None:
    assert violations(path, (PACKAGE / path).read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("data/x.py", "import reportgen.store.shard"),
        ("data/x.py", "def f():\n    from reportgen.models.classifier import Classifier"),
        ("metrics/x.py", "from reportgen.pipeline import forward"),
        ("draw/x.py", "from reportgen import gallery"),
        ("gallery/x.py", "from . import core"),
        ("gallery/x.py", "from reportgen.pipeline.run import run_audit"),
        ("cli/x.py", "from reportgen.models import sources"),
        ("misplaced.py", "from reportgen.errors import DataError"),
    ],
)
def test_import_reader_detects_violations(path, source) -> None:
    assert len(violations(path, source)) == 1


def test_command_line_imports_torch_only_to_run_a_job() -> None:
    sources = [path.read_text("utf-8") for path in (PACKAGE / "cli").glob("*.py")]
    assert {stage(name) for source in sources for name in imports(source, top_level_only=True)} <= FOR_CLI | {"cli"}


def test_report_is_rendered_without_torch() -> None:
    """Every module from `store` to `gallery`, and the command line itself."""
    folders = (*(f"{folder}/" for folder in WITHOUT_TORCH), "cli/")
    paths = [path for path in MODULES if path.startswith(folders)]
    names = ["reportgen." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in paths]
    code = f"import sys, {', '.join(names)}\nprint(sorted({{'torch', 'torchvision'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout == "[]\n"


def test_run_that_finds_nothing_to_do_needs_no_heavy_library() -> None:
    code = (
        "import sys, reportgen.pipeline.run\n"
        "heavy = {'torch', 'torchvision', 'scipy', 'sklearn', 'openTSNE', 'reportgen.pipeline.job'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout == "[]\n"
