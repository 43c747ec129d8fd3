"""JSON that is nested too deep is an error like any other damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.errors import ReportgenError
from reportgen.json_text import load_json
from reportgen.results.reviews import read_review

DEEP = "[" * 100_000


def test_too_deep_lists_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="too deep"):
        load_json(DEEP)
    assert load_json(b'{"a": [1, null]}') == {"a": [1, None]}


def test_too_deep_review_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "review.json"
    path.write_text(DEEP)
    with pytest.raises(ReportgenError) as raised:
        read_review(path, "of a report")
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
