"""The headline figures of earlier runs: kept once for each result, shown on the overview, and refused if damaged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.history import FIGURES, PastRun, earlier_than, history_text, read_history, run_of, with_run
from reportgen.config import AuditConfig
from reportgen.errors import DataError
from reportgen.gallery.components.headline import headlines
from reportgen.pipeline.outputs import stage_results
from reportgen.store.staging import Staging
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit


def audit_with_errors(wrong: int, n: int = 20) -> Audit:
    logits = make_logits([1] * wrong + [0] * (n - wrong), 0.9, 2)
    boxes = [np.array([[0.0, 0, SIDE, SIDE]])] * n
    return make_audit(make_model_audit([0] * n, logits=logits, maps=np.ones((n, 3, 2, 2)), boxes=boxes))


def test_run_has_the_headline_figures() -> None:
    run = run_of(audit_with_errors(5).main, "2026-11-30")
    assert list(run.figures) == list(FIGURES)
    assert run.figures["top1_error"] == 0.25
    assert run.figures["top5_error"] is None  # there are two classes
    assert run.figures["gt_known_error"] == 0
    assert run.figures["ece"] == pytest.approx(0.15, abs=1e-6)
    assert (run.images, run.labelled, run.network) == (20, 20, "net")


def test_same_results_are_kept_once(tmp_path: Path) -> None:
    config = AuditConfig(data=tmp_path, history=True, out=tmp_path)
    path = tmp_path / "history.jsonl"

    def run(audit: Audit) -> list[PastRun]:
        with Staging(tmp_path) as staging:
            stage_results(replace(audit, history=read_history(path)), {}, config, {}, staging)
            staging.publish()
        return read_history(path)

    first = run(audit_with_errors(5))
    assert [one.figures["top1_error"] for one in first] == [0.25]
    assert run(audit_with_errors(5)) == first
    both = run(audit_with_errors(2))
    assert [one.figures["top1_error"] for one in both] == [0.25, 0.1]
    again = run(audit_with_errors(5))  # as before the last one: results that came back are a change
    assert [one.figures["top1_error"] for one in again] == [0.25, 0.1, 0.25]


def test_overview_compares_with_the_last_other_result() -> None:
    old = [replace(run_of(audit_with_errors(k).main, f"2026-11-0{k}"), labelled=30 + k) for k in (8, 5)]
    audit = audit_with_errors(2)
    now = run_of(audit.main, "2026-11-30")
    for history in (old, [*old, now]):  # before and after this run is written
        assert earlier_than(history, now) == old
        top1, gt_known, ece = headlines(replace(audit, history=history))
        assert (top1.past, top1.since) == ([0.4, 0.25, 0.1], "run of 2026-11-05: 25.0 %, 35 labelled images")
        assert (gt_known.past, gt_known.since) == ([0, 0, 0], "run of 2026-11-05: 0.0 %, 35 labelled images")
        assert ece.since == "run of 2026-11-05: 0.15, 35 labelled images"
    assert [headline.past for headline in headlines(audit)] == [(), (), ()]
    assert with_run([*old, now], now) == [*old, now]


def test_figure_without_an_earlier_value_has_no_line() -> None:
    audit = audit_with_errors(2)
    old = replace(run_of(audit_with_errors(5).main, "2026-11-01"), figures=dict.fromkeys(FIGURES))
    assert [headline.past for headline in headlines(replace(audit, history=[old]))] == [(), (), ()]


LINE = json.loads(history_text([run_of(audit_with_errors(1).main, "2026-11-30")]))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        json.dumps({**LINE, "more": 1}),
        json.dumps({**LINE, "images": "20"}),
        json.dumps({**LINE, "figures": {}}),
        json.dumps({**LINE, "figures": {**LINE["figures"], "ece": "x"}}),
    ],
)
def test_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(LINE) + "\n" + line + "\n")
    with pytest.raises(DataError, match=r"history\.jsonl`, line 2: not a run of reportgen"):
        read_history(path)


def test_history_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="cannot read"):
        read_history(path)
    assert read_history(tmp_path / "none.jsonl") == []
