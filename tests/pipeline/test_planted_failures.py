"""A run on images with exact boxes: the network beats every control, and planted part-only failures are confirmed."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.metrics.failures import OUTCOMES
from reportgen.pipeline import job, part_test
from reportgen.pipeline.run import run_audit
from tests.support import synthetic_dataset
from tests.support.html import read_html


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audit]:
    folder = tmp_path_factory.mktemp("synthetic")
    table = synthetic_dataset.write(folder / "data", each=14)
    config = AuditConfig(
        data=table, model="python:tests.support.synthetic_dataset:trained", select="none", out=folder / "report"
    )
    return folder / "report", run_audit(config).audit


def names_of(audit: Audit, rows: np.ndarray) -> list[str]:
    return [audit.classes[audit.labels[i]] for i in rows]


def test_small_trained_network_beats_all_controls(report: tuple[Path, Audit]) -> None:
    _, audit = report
    assert audit.main.localization is not None
    assert audit.main.localization_study is not None
    whole = [
        i for i in audit.main.localization_study.images if audit.classes[audit.labels[i]] in synthetic_dataset.COLOURS
    ]
    fits = audit.main.localization.gt_known_correct[whole]
    assert fits.mean() > 0.8
    for name, control in audit.main.localization_study.controls.items():
        assert audit.main.localization.gt_known_error.value < control.gt_known.value - 0.1, name
        assert (
            fits.mean()
            > control.gt_known_correct[np.isin(audit.main.localization_study.images[control.rows], whole)].mean() + 0.1
        ), name


def test_planted_part_failures_are_ranked_first_and_confirmed(report: tuple[Path, Audit]) -> None:
    _, audit = report
    corners = [i for i, k in enumerate(audit.labels) if audit.classes[k] in synthetic_dataset.CORNERS]
    named = [i for i in corners if audit.main.classification.top1_correct[i]]
    assert len(named) >= 5
    assert Counter(audit.main.outcomes[i] for i in named)["part"] >= 0.8 * len(named)
    assert audit.main.part_test is not None
    planted = [name in synthetic_dataset.CORNERS for name in names_of(audit, audit.main.part_test.rows)]
    assert all(planted[: sum(planted)])  # before any other
    assert audit.main.part_test.confirmed[np.array(planted)].mean() > 0.8
    assert (np.diff(audit.main.part_test.score) <= 0).all()


def test_failures_in_metrics_sum_to_the_images(report: tuple[Path, Audit]) -> None:
    out, audit = report
    (model,) = json.loads((out / "metrics.json").read_text())["models"]
    where = model["localization"]
    assert where["failures"] == {k.replace("-", "_"): list(audit.main.outcomes).count(k) for k in OUTCOMES}
    assert sum(where["failures"].values()) == where["images"] == 70
    assert set(where["controls"]) == {"whole_image", "centre", "mean_map", "random_weights"}
    assert set(where["recipes"]) == {"paper", "caffe", "v2"}
    assert where["parts_tested"] == len(audit.main.part_test.rows) if audit.main.part_test else 0
    assert where["parts_confirmed"] == int(audit.main.part_test.confirmed.sum()) if audit.main.part_test else 0
    assert where["pxap"] is None
    for name in ("table-1-classification", "table-2-localization"):
        for ending in ("csv", "tex", "md"):
            assert "small" in (out / "site" / "data" / f"{name}.{ending}").read_text()


def test_failure_and_localization_pages_show_the_results(report: tuple[Path, Audit]) -> None:
    out, audit = report
    part = read_html(out / "site" / "failures" / "part.html")
    assert audit.main.part_test is not None
    assert len(re.findall("(?<!not )confirmed: box occluded", part)) >= audit.main.part_test.confirmed.sum()
    assert "Causal test:" in part
    index = read_html(out / "site" / "localization" / "index.html")
    assert "clearly below the control" in index
    assert "Published, on ILSVRC validation" in index
    assert "do not clearly beat the strongest control" not in read_html(out / "site" / "index.html")


def test_rerun_reads_the_part_test_from_the_cache(report: tuple[Path, Audit], monkeypatch: pytest.MonkeyPatch) -> None:
    out, audit = report
    monkeypatch.setattr(part_test, "_probabilities", lambda *_: pytest.fail("the network was asked again"))
    monkeypatch.setattr(job, "build_site", lambda *_: 0)
    config = AuditConfig(
        data=out.parent / "data" / "table.csv",
        model="python:tests.support.synthetic_dataset:trained",
        select="none",
        out=out,
        limit=None,
    )
    again = run_audit(config).audit
    assert audit.main.part_test is not None
    assert again.main.part_test is not None
    np.testing.assert_array_equal(again.main.part_test.occluded, audit.main.part_test.occluded)
