"""The Python code of the manual runs."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reportgen.models.from_module import classifier_from_module
from tests.support.tiny_networks import network

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "site" / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def block_with(page: str, text: str) -> str:
    """The only Python block of a page of the manual that contains this text."""
    (found,) = (block for block in python_blocks(DOCS / page) if text in block)
    return found


def reportgen_imports() -> list[tuple[str, str]]:
    """Module and name of everything that the code imports from reportgen; modules of the tutorials do not exist yet."""
    nodes = (
        node
        for page in PAGES
        for block in python_blocks(page)
        if not block.startswith(" ")
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("reportgen.")
    )
    names = {(str(node.module), alias.name) for node in nodes for alias in node.names}
    return sorted(pair for pair in names if not re.search(r"layercam|blur", pair[0]))


@pytest.mark.parametrize(("module", "name"), reportgen_imports())
def test_import_in_the_manual_exists(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


def test_module_paths_in_the_architecture_page_exist() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    paths = re.findall(
        r"`((?:data|models|methods|pipeline|store|metrics|embedding|audit|results|draw|gallery|tests)/[\w/]*(?:\.py)?)`",
        text,
    )
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / "reportgen" / path).exists() and not (ROOT / path).exists()] == []


def test_map_function_of_the_manual_returns_maps() -> None:
    scope: dict[str, Any] = {}
    exec(block_with("models.md", "def layer_cam("), scope)
    classifier = classifier_from_module(network().eval(), "tiny")
    maps = scope["layer_cam"](classifier, torch.randn(2, 3, 224, 224), torch.tensor([[0, 2], [1, 1]]))
    assert maps.shape == (2, 2, *classifier.feature_shape[1:])


def test_classifier_of_the_manual_can_be_built() -> None:
    class MyNet(nn.Module):
        def __init__(self, classes: int) -> None:
            super().__init__()
            self.features, self.fc = nn.Conv2d(3, 512, 32, 32), nn.Linear(512, classes)

    scope: dict[str, Any] = {"MyNet": MyNet}
    exec(block_with("models.md", "-> Classifier:"), scope)
    made = scope["build"]()
    side = made.preprocessing.size
    assert made.head(made.trunk(torch.randn(1, 3, side, side))).shape == (1, len(made.class_names.names))
    assert made.trunk(torch.randn(1, 3, side, side)).shape[1:] == made.feature_shape
