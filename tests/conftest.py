"""Fixtures of all tests: the report of the demo, made once by the real command, and a browser."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: the threads of workers would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from reportgen.data.demo_photos import INSTALL
from tests.support.browser import browser
from tests.support.shared_folders import filled_once
from tests.support.short_reports import short_report

__all__ = ["browser", "short_report"]


UNIT_TESTS = Path(__file__).parent / "unit"
SELECTED_IMAGE = "photos/chelsea.jpg"
"""The image of the demo report that gets the expensive methods."""


def pytest_configure() -> None:
    """Do not wait for the disk: a killed process loses nothing of what it wrote, only a power cut does."""
    os.fsync = lambda descriptor: None


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use the report of the demo, and measure the coverage of the unit tests only: they alone reach
    the floor, and tracing makes whole runs a fifth slower."""
    has_coverage = config.pluginmanager.hasplugin("pytest_cov")
    for item in items:
        if "demo_report" in getattr(item, "fixturenames", ()):
            item.add_marker("demo")
        if has_coverage and not item.path.is_relative_to(UNIT_TESTS):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that `reportgen demo` wrote."""
    if any(importlib.util.find_spec(name) is None for name in ("efficientnet_lite_pytorch", *INSTALL)):
        pytest.skip("the network or the photographs of the demo are not installed")

    def make(out: Path) -> None:
        command = [sys.executable, "-m", "reportgen", "demo", "--quiet", "--select", SELECTED_IMAGE]
        done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr

    return filled_once(tmp_path_factory, "demo-report", make)
