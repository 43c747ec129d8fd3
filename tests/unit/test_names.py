"""Names of tests state what is tested and what is expected."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = sorted([*(TESTS / "unit").glob("test_*.py"), *(TESTS / "pipeline").glob("test_*.py")])
MIN_WORDS = 3


def names_in(path: Path) -> list[str]:
    """Names of the tests that a module defines."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_of_tests_have_at_least_three_words(path: Path) -> None:
    names = names_in(path)
    assert names
    assert [name for name in names if len(name.split("_")) - 1 < MIN_WORDS] == []
