"""GAP beside GMP: which networks are compared, the figures by hand, the answer either way, and the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.config import AuditConfig
from reportgen.gallery.pages.gap_gmp import answer, reading
from reportgen.metrics.gap_gmp import Poolings, compare, pair_of
from reportgen.pipeline.run import Summary, run_audit
from tests.support.tiny import squares


def model(pooling: str, head: str = "", source: str = "net", shape: tuple = (1, 2, 2)) -> SimpleNamespace:
    card = SimpleNamespace(
        pooling=pooling, head=head or pooling, source=source, maps_shape=shape, resize="warp", name=f"net + {pooling}"
    )
    return SimpleNamespace(card=card)


def audit_of(*models: SimpleNamespace) -> Audit:
    return SimpleNamespace(models=models)  # type: ignore[return-value]


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
def test_the_networks_that_are_compared(models: tuple, pair: tuple | None) -> None:
    found = pair_of(audit_of(*models))
    assert found == (None if pair is None else tuple(models[i] for i in pair))


def measured(complete: list[float], energy: list[float], known: list[bool]) -> SimpleNamespace:
    """A network that was measured on images 1, 2, … of an audit; image 0 has no box."""
    rows = np.arange(1, len(complete) + 1)
    own = SimpleNamespace(complete=np.array(complete), energy=np.array(energy))
    study = SimpleNamespace(images=rows, own=own)
    found = model("gap")
    found.study, found.localization = study, SimpleNamespace(known=np.array([False, *known]))
    return found


def compared(gap: SimpleNamespace, gmp: SimpleNamespace) -> Poolings:
    found = compare(gap, gmp)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_figures_by_hand() -> None:
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


def test_the_interval_is_of_the_difference_image_by_image() -> None:
    """Two poolings that differ by the same on every image differ for certain, however the images vary."""
    random = np.random.default_rng(0)
    base = random.random(40) * 0.8
    found = compared(measured([*(base + 0.1)], [0.5] * 40, [True] * 40), measured([*base], [0.5] * 40, [True] * 40))
    assert found.complete.ci95 == pytest.approx((0.1, 0.1), abs=1e-5)
    assert found.background.ci95 == (0, 0)


def test_the_interval_is_that_of_the_textbook() -> None:
    random = np.random.default_rng(1)
    a, b = random.random(400), random.random(400)
    found = compared(measured([*a], [0] * 400, [True] * 400), measured([*b], [0] * 400, [True] * 400))
    half = 1.96 * np.std(a - b) / 20
    low, high = found.complete.ci95
    assert (low, high) == pytest.approx(((a - b).mean() - half, (a - b).mean() + half), abs=0.1 * half)


@pytest.mark.parametrize(
    ("gap", "holds", "said"),
    [(0.9, True, "The claim holds here"), (0.1, False, "The contrary holds"), (0.5, None, "do not decide it")],
)
def test_the_answer_either_way(gap: float, holds: bool | None, said: str) -> None:
    noise = np.tile([-0.05, 0.05], 20)
    found = compared(
        measured([*(gap + noise)], [0.5] * 40, [True] * 40), measured([*(0.5 - noise)], [0.6] * 40, [True] * 40)
    )
    assert found.holds is holds
    assert answer(found).startswith(said) or said in answer(found)
    points = f"{100 * (gap - 0.5):+.1f} points".replace("-", "−")
    assert points in answer(found).replace("−0.0", "+0.0")
    assert "10.0 points more" in reading(found)


def test_one_image_decides_nothing() -> None:
    assert compared(measured([1.0], [1], [True]), measured([0.0], [1], [True])).holds is None


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("poolings")
    table = squares(folder / "data", each=5)
    heads = ({"head": "gap"}, {"head": "gmp"})
    return run_audit(
        AuditConfig(
            data=table, model="python:tests.support.tiny:network", select="none", out=folder / "report", models=heads
        )
    )


def test_the_page_gives_the_answer_and_the_pictures(both: Summary) -> None:
    page = (both.index.parent / "poolings" / "index.html").read_text()
    pair = pair_of(both.audit)
    assert pair is not None
    assert answer(compared(*pair)) in page
    assert page.count('class="both"') >= 1
    assert '<a href="../poolings/index.html" aria-current="page">GAP and GMP</a>' in page
    image = next((both.index.parent / "images").glob("000000-*.html")).read_text()
    assert "Average and maximum pooling" in image
    assert image.count("% outside") >= 2


def test_the_figures_are_in_the_results_and_the_tables(both: Summary) -> None:
    out = both.index.parent.parent
    figures = json.loads((out / "metrics.json").read_text())["gap_and_gmp"]
    pair = pair_of(both.audit)
    assert pair is not None
    gap, gmp = (model.study for model in pair)
    assert gap is not None
    assert gmp is not None
    found = compared(*pair)
    assert figures["images"] == len(gap.images) == 15
    assert figures["claim_holds"] is found.holds
    assert figures["completeness"]["gap"] == pytest.approx(gap.own.complete.mean())
    assert figures["background"]["gmp"] == pytest.approx(1 - gmp.own.energy.mean())
    assert figures["gt_known_error"]["difference"] == pytest.approx(gmp.own.fits.mean() - gap.own.fits.mean())
    assert figures["completeness"]["ci95"] == pytest.approx(found.complete.ci95)
    rows = list(csv.reader((out / "gap-and-gmp.csv").open()))
    assert [row[0] for row in rows[1:]] == (["measured"] + ["control"] * 4) * 3
    assert rows[1][2] == f"{100 * gap.own.complete.mean():.1f}"
    assert rows[2] == ["control", "whole image", "100.0", "100.0", "", ""]
    outside = 100 * (1 - gap.controls["whole_image"].energy.mean())
    assert rows[7][1:4] == ["whole image", f"{outside:.1f}", f"{outside:.1f}"]
    assert r"\begin{tabular}" in (out / "site" / "data" / "gap-and-gmp.tex").read_text()
    assert "data/gap-and-gmp.md" in (both.index.parent / "poolings" / "index.html").read_text()


def test_without_both_there_is_no_page(both: Summary, tmp_path: Path) -> None:
    table = both.audit.samples[0].path.parent / "table.csv"
    alone = run_audit(
        AuditConfig(data=table, model="python:tests.support.tiny:network", select="none", out=tmp_path, head="gap")
    )
    assert not (alone.index.parent / "poolings").exists()
    assert "GAP and GMP" not in alone.index.read_text()
    assert json.loads((tmp_path / "metrics.json").read_text())["gap_and_gmp"] is None
