"""What the tests share: the demo's report, made once by the real command, and a browser."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.browser import browser

__all__ = ["browser"]


ONE = "photos/chelsea-01-original.jpg"
"""The image that gets the costly looks."""


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `reportgen demo` writes."""
    if importlib.util.find_spec("efficientnet_lite_pytorch") is None or importlib.util.find_spec("skimage") is None:
        pytest.skip("the extra `demo` is not installed")
    out = tmp_path_factory.mktemp("demo") / "report"
    command = [sys.executable, "-m", "reportgen", "demo", "--quiet", "--select", ONE, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return out
