"""The wheel holds templates, assets and data files, and `pyproject.toml` declares what the package imports."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from reportgen import __version__
from reportgen.gallery.core.assets import folder

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "skimage": "scikit-image"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built with the installed hatchling."""
    return build_wheel(tmp_path_factory.mktemp("wheel"), {})


def build_wheel(out: Path, environment: dict[str, str]) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


def files_of(folder_: Path) -> dict[str, bytes]:
    return {p.relative_to(folder_).as_posix(): p.read_bytes() for p in folder_.rglob("*") if p.is_file()}


def test_checkout_finds_its_templates_and_assets() -> None:
    assert folder("templates") == ROOT / "templates"
    assert folder("assets") == ROOT / "site" / "assets"


def test_wheel_holds_package_templates_assets_and_licence(wheel) -> None:
    expected = {f"reportgen/_templates/{name}": data for name, data in files_of(ROOT / "templates").items()}
    expected |= {f"reportgen/_assets/{name}": data for name, data in files_of(ROOT / "site" / "assets").items()}
    expected |= {f"reportgen/_vendor/{name}": data for name, data in files_of(ROOT / "site" / "vendor").items()}
    expected["reportgen/_docs/glossary.md"] = (ROOT / "site" / "docs" / "glossary.md").read_bytes()
    expected |= {
        f"reportgen/{name}": data for name, data in files_of(ROOT / "reportgen").items() if "__pycache__" not in name
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    information = {name for name in found if ".dist-info/" in name}
    assert {name: data for name, data in found.items() if name not in information} == expected
    assert any(name.endswith("/licenses/LICENSE") for name in information)
    assert wheel.name == f"reportgen-{__version__}-py3-none-any.whl"


def test_wheel_has_the_same_bytes_whenever_and_wherever_it_is_built(wheel, tmp_path) -> None:
    environment = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "1", "USER": "someone"}
    assert build_wheel(tmp_path, environment).read_bytes() == wheel.read_bytes()


def test_wheel_names_the_software_that_it_bundles(wheel) -> None:
    with zipfile.ZipFile(wheel) as archive:
        bills = [name for name in archive.namelist() if ".dist-info/sboms/" in name]
        assert len(bills) == 1
        assert archive.read(bills[0]) == (ROOT / "site" / "vendor" / "vendor.cdx.json").read_bytes()


def test_unpacked_wheel_finds_its_own_templates_and_assets(wheel, tmp_path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "from reportgen.gallery.core import assets, writer\nwriter.environment().get_template('overview.html')\n"
    code += "print(assets.folder('templates'), assets.folder('assets'), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    package = tmp_path.resolve() / "reportgen"
    assert done.stdout.split("\n")[:2] == [str(package / "_templates"), str(package / "_assets")]


def test_every_import_of_the_package_is_a_declared_dependency() -> None:
    declared = PROJECT["dependencies"] + [
        d
        for extra in ("demo", "solar", "ray", "remote", "timm", "transformers")
        for d in PROJECT["optional-dependencies"][extra]
    ]
    names = {re.split(r"[<>=\[ ]", requirement)[0].replace("-", "_") for requirement in declared}
    found = set()
    for path in (ROOT / "reportgen").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    outside = found - set(sys.stdlib_module_names) - {"reportgen"}
    assert {DISTRIBUTIONS.get(name, name).replace("-", "_") for name in outside} <= names


def test_manual_lists_every_extra() -> None:
    page = (ROOT / "site" / "docs" / "install.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == set(PROJECT["optional-dependencies"])
