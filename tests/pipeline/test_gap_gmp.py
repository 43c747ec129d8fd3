"""GAP compared with GMP: which networks are compared, figures by hand, the conclusion, and the page."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.gap_gmp import GapGmpComparison, compare, gap_gmp_pair
from reportgen.audit.model_audit import ModelAudit
from reportgen.config import AuditConfig
from reportgen.gallery.pages.gap_gmp import background_note, conclusion
from reportgen.pipeline.run import run_audit
from reportgen.pipeline.summary import RunSummary
from tests.support.factories import make_audit, make_model_audit, make_model_info
from tests.support.html import read_html
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

BASE = make_model_audit((0, 0), boxes=[np.array([[0.0, 0, 8, 8]])] * 2)


def model(pooling: str, head: str = "", source: str = "net", shape: tuple[int, int, int] = (1, 2, 2)) -> ModelAudit:
    info = make_model_info(
        pooling=pooling, head=head or pooling, source=source, feature_shape=shape, name=f"net + {pooling}"
    )
    return replace(BASE, info=info)


@pytest.mark.parametrize(
    ("models", "pair"),
    [
        ((model("gap"), model("gmp")), (0, 1)),
        ((model("gmp"), model("gap")), (1, 0)),
        ((model("gap", "own"), model("gap"), model("gmp")), (1, 2)),  # a fitted head is compared with a fitted one
        ((model("gap", "own"), model("gmp", "own-gmp"), model("gap")), (0, 1)),
        ((model("gap", source="other"), model("gap", "own"), model("gmp")), (1, 2)),  # the same trunk before all
        ((model("gap", shape=(1, 7, 7)), model("gmp")), None),
        ((model("gap"), model("")), None),
    ],
)
def test_gap_gmp_pair_selects_comparable_networks(models: tuple, pair: tuple | None) -> None:
    found = gap_gmp_pair(make_audit(*models))
    assert (found and [[model is one for model in models].index(True) for one in found]) == (pair and list(pair))


def measured(complete: list[float], energy: list[float], known: list[bool]) -> ModelAudit:
    """A network with these figures on images 1, 2, … of an audit; image 0 has no box."""
    study, localization = BASE.localization_study, BASE.localization
    assert study is not None
    assert localization is not None
    own = replace(study.label_map, completeness=np.array(complete), energy_in_boxes=np.array(energy))
    return replace(
        model("gap"),
        localization_study=replace(study, images=np.arange(1, len(complete) + 1), label_map=own),
        localization=replace(localization, gt_known_correct=np.array([False, *known])),
    )


def compared(gap: ModelAudit, gmp: ModelAudit) -> GapGmpComparison:
    found = compare(gap, gmp)
    assert found is not None
    return found


def test_gap_gmp_figures_match_values_by_hand() -> None:
    found = compared(
        measured([1.0, 0.5, 0.75], [0.5, 0.6, 0.7], [True, False, True]),
        measured([0.5, 0.5, 0.25], [0.8, 0.6, 0.7], [False, False, True]),
    )
    assert (found.complete.gap, found.complete.gmp) == pytest.approx((0.75, 1.25 / 3))
    assert found.complete.difference == pytest.approx(1 / 3)
    assert found.background.difference == pytest.approx(0.1)
    assert found.error.difference == pytest.approx(-1 / 3)
    assert found.lead.tolist() == [0.5, 0.0, 0.5]
    assert found.images.tolist() == [1, 2, 3]


def test_gap_gmp_interval_is_paired_by_image() -> None:
    """Two poolings that differ by the same on every image differ for certain, however the images vary."""
    random = np.random.default_rng(0)
    base = random.random(40) * 0.8
    found = compared(measured([*(base + 0.1)], [0.5] * 40, [True] * 40), measured([*base], [0.5] * 40, [True] * 40))
    assert found.complete.ci95 == pytest.approx((0.1, 0.1), abs=1e-5)
    assert found.background.ci95 == (0, 0)


def test_gap_gmp_interval_is_close_to_the_normal_one() -> None:
    random = np.random.default_rng(1)
    a, b = random.random(400), random.random(400)
    found = compared(measured([*a], [0] * 400, [True] * 400), measured([*b], [0] * 400, [True] * 400))
    half = 1.96 * np.std(a - b) / 20
    low, high = found.complete.ci95
    assert (low, high) == pytest.approx(((a - b).mean() - half, (a - b).mean() + half), abs=0.1 * half)


@pytest.mark.parametrize(
    ("gap", "holds", "message"),
    [(0.9, True, "The claim holds here"), (0.1, False, "The contrary holds"), (0.5, None, "do not decide it")],
)
def test_gap_gmp_answer_follows_the_interval(gap: float, holds: bool | None, message: str) -> None:
    noise = np.tile([-0.05, 0.05], 20)
    found = compared(
        measured([*(gap + noise)], [0.5] * 40, [True] * 40), measured([*(0.5 - noise)], [0.6] * 40, [True] * 40)
    )
    assert found.holds is holds
    assert conclusion(found).startswith(message) or message in conclusion(found)
    points = f"{100 * (gap - 0.5):+.1f} points".replace("-", "−")
    assert points in conclusion(found).replace("−0.0", "+0.0")
    assert "10.0 points more" in background_note(found)


def test_gap_gmp_comparison_of_one_image_is_undecided() -> None:
    assert compared(measured([1.0], [1], [True]), measured([0.0], [1], [True])).holds is None


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    folder = tmp_path_factory.mktemp("poolings")
    table = squares(folder / "data", each=5)
    heads = ({"head": "gap"}, {"head": "gmp"})
    return run_audit(
        AuditConfig(
            data=table,
            model=TINY_NETWORK,
            select="none",
            out=folder / "report",
            models=heads,
        )
    )


def test_gap_gmp_page_shows_answer_and_pictures(both: RunSummary) -> None:
    page = read_html(both.index.parent / "gap-gmp" / "index.html")
    pair = gap_gmp_pair(both.audit)
    assert pair is not None
    assert conclusion(compared(*pair)) in page
    assert page.count('class="both"') >= 1
    assert '<a href="../gap-gmp/index.html" aria-current="page">GAP and GMP</a>' in page
    image = read_html(next((both.index.parent / "images").glob("000000-*.html")))
    assert "Average and max pooling" in image
    assert image.count("% outside") >= 2


def test_gap_gmp_figures_are_in_metrics_and_tables(both: RunSummary) -> None:
    out = both.index.parent.parent
    figures = json.loads((out / "metrics.json").read_text())["gap_and_gmp"]
    pair = gap_gmp_pair(both.audit)
    assert pair is not None
    gap, gmp = (model.localization_study for model in pair)
    assert gap is not None
    assert gmp is not None
    found = compared(*pair)
    assert figures["images"] == len(gap.images) == 15
    assert figures["claim_holds"] is found.holds
    assert figures["completeness"]["gap"] == pytest.approx(gap.label_map.completeness.mean())
    assert figures["background"]["gmp"] == pytest.approx(1 - gmp.label_map.energy_in_boxes.mean())
    assert figures["gt_known_error"]["difference"] == pytest.approx(
        gmp.label_map.gt_known_correct.mean() - gap.label_map.gt_known_correct.mean()
    )
    assert figures["completeness"]["ci95"] == pytest.approx(found.complete.ci95)
    rows = list(csv.reader((out / "gap-and-gmp.csv").open()))
    assert [row[0] for row in rows[1:]] == (["measured"] + ["control"] * 4) * 3
    assert rows[1][2] == f"{100 * gap.label_map.completeness.mean():.1f}"
    assert rows[2] == ["control", "whole image", "100.0", "100.0", "", ""]
    outside = 100 * (1 - gap.controls["whole_image"].energy_in_boxes.mean())
    assert rows[7][1:4] == ["whole image", f"{outside:.1f}", f"{outside:.1f}"]
    assert r"\begin{tabular}" in (out / "site" / "data" / "gap-and-gmp.tex").read_text()
    assert "data/gap-and-gmp.md" in read_html(both.index.parent / "gap-gmp" / "index.html")


def test_audit_without_both_poolings_has_no_gap_gmp_page(both: RunSummary, tmp_path: Path) -> None:
    table = both.audit.samples[0].path.parent / "table.csv"
    alone = run_audit(AuditConfig(data=table, model=TINY_NETWORK, select="none", out=tmp_path, head="gap"))
    assert not (alone.index.parent / "gap-gmp").exists()
    assert "GAP and GMP" not in read_html(alone.index)
    assert json.loads((tmp_path / "metrics.json").read_text())["gap_and_gmp"] is None
