"""The page “My model is refused” has every message with which a network is refused, as the code writes it."""

from __future__ import annotations

import ast
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from reportgen.config import AuditConfig
from reportgen.errors import ReportgenError
from reportgen.pipeline.run import run_audit
from tests.support import refused_networks
from tests.support.refusals import REFUSALS, Refusal
from tests.support.square_images import squares

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "site" / "docs" / "refused.md"
SOURCES = [*(ROOT / "reportgen" / "models").rglob("*.py"), ROOT / "reportgen" / "pipeline" / "network_check.py"]
NOT_ON_THE_PAGE = {
    "str(error)": "the network is taken, without a live page",
    "the device's memory is too small for this network": "the network is taken",
    "the head reads the image in addition to the feature maps": "no known network leads to it",
    "cannot read weights `{path}`: {cause(error)}": "the operating system's own reason",
    "the head's gradient cannot be traced": "the network is taken, with a live page without maps",
    "the head's gradient cannot be traced ({first_line(error)})": "as the one before",
    "`{classifier.name}` does not run on a batch of {len(images)} images": "as that of tracing",
}
"""Beginnings of other messages, and why they are not there."""


@dataclass(frozen=True)
class Raised:
    """What the user sees, and the file and line that wrote it."""

    text: str
    place: tuple[str, int]


def messages(text: str) -> list[str]:
    """The messages of a page with their hints, on one line each."""
    blocks = re.findall(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [" ".join(message.split()) for block in blocks for message in block.split("\n\n")]


def raised(refusal: Refusal, data: Path, patch: pytest.MonkeyPatch) -> Raised:
    """Run an audit in the working folder until it is refused."""
    places = []
    initialize = ReportgenError.__init__

    def recorded(self: ReportgenError, message: str, hint: str | None = None) -> None:
        frame = sys._getframe(1)
        places.append((frame.f_code.co_filename, frame.f_lineno))
        initialize(self, message, hint)

    module = types.ModuleType("mynet")
    vars(module)["build"] = refusal.build
    patch.setitem(sys.modules, "mynet", module)
    patch.setitem(sys.modules, "mymaps", refused_networks)
    patch.setattr(ReportgenError, "__init__", recorded)
    refusal.prepare(patch)
    settings = {"data": data, "out": Path("report"), "select": "none", "device": "cpu", "precision": "fp32"}
    with pytest.raises(ReportgenError) as caught:
        run_audit(AuditConfig(**{**settings, **refusal.arguments()}))
    return Raised(f"error: {caught.value} hint: {caught.value.hint}", places[-1])


@pytest.fixture(scope="module")
def all_raised(tmp_path_factory: pytest.TempPathFactory) -> list[Raised]:
    for package in ("timm", "transformers", "efficientnet_lite_pytorch"):
        pytest.importorskip(package)
    data = squares(tmp_path_factory.mktemp("photos"), each=2)
    found = []
    for refusal in REFUSALS:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path_factory.mktemp("work"))
            found.append(raised(refusal, data, patch))
    return found


def test_page_has_each_message_once_and_no_other(all_raised: list[Raised]) -> None:
    shown = messages(PAGE.read_text("utf-8"))
    patterns = {message: re.compile(re.escape(message).replace("…", ".+")) for message in shown}
    assert len(patterns) == len(shown)
    found = [[message for message in shown if patterns[message].fullmatch(one.text)] for one in all_raised]
    assert [one.text for one, on_page in zip(all_raised, found, strict=True) if len(on_page) != 1] == []
    assert set(shown) - {message for on_page in found for message in on_page} == set()


def test_every_message_is_one_line_and_has_a_way_out(all_raised: list[Raised]) -> None:
    assert [one.text for one in all_raised if "\n" in one.text or "hint: None" in one.text] == []


def test_every_refusal_of_the_code_is_on_the_page(all_raised: list[Raised]) -> None:
    places = {one.place for one in all_raised}
    missing = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_error = isinstance(node, ast.Call) and ast.unparse(node.func) in ("ModelError", "ConfigError")
            if is_error and (str(path), node.lineno) not in places:
                missing.append(ast.unparse(node.args[0]).strip("f'\""))
    new = [text for text in missing if not any(text.startswith(known) for known in NOT_ON_THE_PAGE)]
    assert new == [], "add them to tests/support/refusals.py and to the page, or to NOT_ON_THE_PAGE"
    assert len(missing) == len(NOT_ON_THE_PAGE)
