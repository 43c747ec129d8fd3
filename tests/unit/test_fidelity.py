"""A sample of the independent comparisons, and that a difference is reported."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.fidelity.comparison import compare

PAGE = Path(__file__).resolve().parents[2] / "site" / "docs" / "verified.md"


@pytest.mark.demo
@pytest.mark.skipif(not find_spec("efficientnet_lite_pytorch"), reason="needs the extra `demo`")
def test_figures_of_four_photographs_equal_those_of_plain_code(tmp_path: Path) -> None:
    from tests.fidelity.__main__ import comparisons

    found = comparisons(tmp_path, 4)
    assert {c.figures: c.largest for c in found if not c.holds} == {}
    listed = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [\d,]+ \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {(c.figures, c.reference) for c in found} <= set(listed), "run `python -m tests.fidelity --write`"


@pytest.mark.parametrize(
    ("found", "expected", "holds"),
    [
        ([1.0, 2.0], [1.0, 2.05], True),
        ([1.0, 2.0], [1.0, 2.2], False),
        ([np.nan], [np.nan], True),
        ([np.nan], [1.0], False),
        ([], [], False),
    ],
)
def test_comparison_holds_up_to_its_limit(found: list, expected: list, holds: bool) -> None:
    assert compare("figure", "reference", found, expected, 0.1).holds is holds


def test_published_comparisons_are_within_their_limits() -> None:
    rows = re.findall(
        r"^\| [^|]+ \| [^|]+ \| ([\d,]+) \| ([\de.-]+) \| ([\de.-]+) \|", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) >= 20
    for n, largest, limit in rows:
        assert int(n.replace(",", "")) > 0
        assert float(largest) <= float(limit)
