"""What a report says of results that are still being computed, were not asked for, or did not fit into the budget."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.coverage import Coverage
from reportgen.gallery.components.coverage_notice import image_notice, report_notice

METHODS = ("Occlusion", "Saliency", "LayerCAM")


def audit(*coverage: Coverage, select: str = "auto", done: tuple[int, ...] = ()) -> Audit:
    main = SimpleNamespace(selected={"occlusion": set(done)})
    return cast(Audit, SimpleNamespace(coverage=coverage, select=select, main=main))


def of_images(**more: Any) -> Coverage:
    return Coverage(METHODS, **({"images": 9, "wanted": 9, "done": 9, "is_of_images": True} | more))


def test_complete_report_has_no_notice() -> None:
    whole = audit(of_images(), Coverage(["the backprop baseline"], 4, 4, 4), done=tuple(range(9)))
    assert report_notice(whole) is None
    assert image_notice(whole, 3) is None


def test_running_report_names_what_is_still_computed_and_nothing_else() -> None:
    baseline = Coverage(["the backprop baseline"], 4, 4, 1, waiting=frozenset({1, 2, 3}))
    check = Coverage(["the check of top patches"], 9, 9, 9)
    running = audit(of_images(done=2, waiting=frozenset(range(7))), baseline, check, done=(7, 8))
    notice = report_notice(running)
    assert notice is not None
    assert notice.is_running
    assert (
        "Still being computed: occlusion, saliency and LayerCAM (2 of 9 images) and the backprop baseline. "
        in notice.text
    )
    assert "top patches" not in notice.text
    waits = image_notice(running, 3)
    assert waits is not None
    assert waits.is_running
    assert waits.text.startswith("Occlusion, saliency and LayerCAM of this image are still being computed.")
    assert image_notice(running, 8) is None


@pytest.mark.parametrize(
    ("coverage", "select", "text"),
    [
        (of_images(wanted=0, done=0), "none", "were not computed (select = none; --select all computes more)."),
        (of_images(wanted=3, done=3), "1", "were computed for 3 of 9 images (select = 1; --select all computes more)."),
        (of_images(wanted=1, done=1), "a.jpg", "were computed for 1 of 9 images (select names the images; --select"),
        (of_images(done=4, over_budget=5), "auto", "were computed for 4 of 9 images (the time budget is spent; --bud"),
        (of_images(done=8), "all", "were computed for 8 of 9 images (the other files have changed"),
    ],
)
def test_finished_report_says_what_is_missing_and_why(coverage: Coverage, select: str, text: str) -> None:
    notice = report_notice(audit(coverage, select=select))
    assert notice is not None
    assert not notice.is_running
    assert notice.text.startswith(f"Occlusion, saliency and LayerCAM {text}")
    lacking = image_notice(audit(coverage, select=select), 0)
    assert lacking is not None
    assert not lacking.is_running
    assert lacking.text.startswith("Occlusion, saliency and LayerCAM were not computed for this image (")
