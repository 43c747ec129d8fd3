"""The whole job on pictures with exact boxes: a network that localizes beats every control, and a planted *part*
failure is found, ranked first and confirmed by hiding."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.metrics.failures import KINDS
from reportgen.pipeline import part_test as experiments
from reportgen.pipeline import run
from tests.support import synthetic


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Audit]:
    folder = tmp_path_factory.mktemp("synthetic")
    table = synthetic.write(folder / "data", each=6)
    config = AuditConfig(
        data=table, model="python:tests.support.synthetic:trained", select="none", out=folder / "report"
    )
    return folder / "report", run.run_audit(config).audit


def names_of(audit: Audit, rows: np.ndarray) -> list[str]:
    return [audit.classes[audit.labels[i]] for i in rows]


def test_a_small_trained_network_beats_all_controls(report: tuple[Path, Audit]) -> None:
    _, audit = report
    assert audit.localization is not None
    assert audit.study is not None
    whole = [i for i in audit.study.images if audit.classes[audit.labels[i]] in synthetic.COLOURS]
    fits = audit.localization.known[whole]
    assert fits.mean() > 0.8
    for name, control in audit.study.controls.items():
        assert audit.localization.gt_known.value < control.gt_known.value - 0.1, name
        assert fits.mean() > control.fits[np.isin(audit.study.images[control.rows], whole)].mean() + 0.1, name


def test_the_planted_part_failure_is_found_ranked_first_and_confirmed(report: tuple[Path, Audit]) -> None:
    _, audit = report
    corners = [i for i, k in enumerate(audit.labels) if audit.classes[k] in synthetic.CORNERS]
    named = [i for i in corners if audit.classification.right1[i]]
    assert len(named) >= 5
    assert Counter(audit.kinds[i] for i in named)["part"] >= 0.8 * len(named)
    assert audit.parts is not None
    planted = [name in synthetic.CORNERS for name in names_of(audit, audit.parts.rows)]
    assert all(planted[: sum(planted)])  # before any other
    assert audit.parts.confirmed[np.array(planted)].mean() > 0.8
    assert (np.diff(audit.parts.score) <= 0).all()


def test_kinds_sum_up_and_the_results_say_so(report: tuple[Path, Audit]) -> None:
    out, audit = report
    (model,) = json.loads((out / "metrics.json").read_text())["models"]
    where = model["localization"]
    assert where["failures"] == {k.replace("-", "_"): list(audit.kinds).count(k) for k in KINDS}
    assert sum(where["failures"].values()) == where["images"] == 30
    assert set(where["controls"]) == {"whole_image", "centre", "mean_map", "random_weights"}
    assert set(where["recipes"]) == {"paper", "caffe", "v2"}
    assert where["parts_confirmed"] == int(audit.parts.confirmed.sum()) if audit.parts else 0
    assert where["pxap"] is None
    for name in ("table-1-classification", "table-2-localization"):
        for ending in ("csv", "tex", "md"):
            assert "small" in (out / "site" / "data" / f"{name}.{ending}").read_text()


def test_the_pages_show_it(report: tuple[Path, Audit]) -> None:
    out, audit = report
    part = (out / "site" / "failures" / "part.html").read_text()
    assert audit.parts is not None
    assert part.count("confirmed: without the box") >= audit.parts.confirmed.sum()
    assert "The causal test" in part
    index = (out / "site" / "localization" / "index.html").read_text()
    assert "better than any box that does not look" in index
    assert "Published, on ILSVRC validation" in index
    assert "do not beat boxes" not in (out / "site" / "index.html").read_text()


def test_a_rerun_hides_nothing_again(report: tuple[Path, Audit], monkeypatch: pytest.MonkeyPatch) -> None:
    out, audit = report
    monkeypatch.setattr(experiments, "_ask", lambda *_: pytest.fail("the network was asked again"))
    monkeypatch.setattr(run, "build", lambda *_: 0)
    config = AuditConfig(
        data=out.parent / "data" / "table.csv",
        model="python:tests.support.synthetic:trained",
        select="none",
        out=out,
        limit=None,
    )
    again = run.run_audit(config).audit
    assert audit.parts is not None
    assert again.parts is not None
    np.testing.assert_array_equal(again.parts.probability, audit.parts.probability)
