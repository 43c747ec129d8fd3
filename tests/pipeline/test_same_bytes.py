"""A site has the same bytes whoever builds it, where and when."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

ROOT = Path(__file__).parents[2]
CODE = "import os; os.umask(0o077); from reportgen.cli import main; main()"
ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "LANG": "C", "PYTHONHASHSEED": "7", "USER": "someone", "HOME": "/"}


def built(folder: Path, environment: dict[str, str]) -> dict[str, bytes]:
    """The site that a process with this environment builds of `folder/data`, in that folder."""
    options = ["--device", "cpu", "--select", "none", "--precision", "fp32", "--runtime", "torch", "--quiet"]
    command = [sys.executable, "-c", CODE, "run", "--data", "data", "--model", TINY_NETWORK, *options, "--out", "out"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"} | environment
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    site = folder / "out" / "site"
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def test_site_has_the_same_bytes_in_another_environment_and_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "a folder with ünusual name"
    squares(first / "data", each=3, side=32)
    (second / "data").mkdir(parents=True)
    for path in sorted((first / "data").iterdir(), reverse=True):  # the order in a folder is often that of creation
        shutil.copyfile(path, second / "data" / path.name)
        os.utime(second / "data" / path.name, (0, 0))
    found, other = built(first, {}), built(second, ELSEWHERE)
    assert len(found) > 100
    assert [name for name in found | other if found.get(name) != other.get(name)] == []
