"""The page Localization: the tables, the controls, the thresholds, and where the error comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.gallery.components.page_data import Headline, Link
from reportgen.gallery.core import labels as words
from reportgen.gallery.core.urls import class_page
from reportgen.metrics.intervals import Rate
from reportgen.metrics.localization.evaluation import CURVE
from reportgen.metrics.localization.ilsvrc import IOU, THRESHOLD
from reportgen.metrics.localization.study import Study
from reportgen.results.tables import (
    CONTROL_WORDS,
    Table,
    classification_table,
    localization_table,
    measures_table,
    per_cent,
    recipes_table,
)

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 300, 60, 34, 28
"""The chart's size and margins, in its own units."""
WORST = 12
"""Classes in the breakdown: those with the most images missed."""


@dataclass(frozen=True)
class Tick:
    """A value on an axis: its place and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A curve. points: as SVG takes them; style: 0, 1, 2, … by network; at: x, y and name of marked thresholds."""

    name: str
    points: str
    style: int
    marks: Sequence[tuple[float, float, str]]


@dataclass(frozen=True)
class Chart:
    """A line chart; what it shows is in `rows` again, as a table. fixed: place of the recipe's own
    threshold; whole: height of the control, a box around the whole image."""

    width: int
    height: int
    left: int
    bottom: int
    top: int
    x: Sequence[Tick]
    y: Sequence[Tick]
    lines: Sequence[Line]
    fixed: float
    whole: float
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Breakdown:
    """The error with the class given, group by group, beside a box around the whole image."""

    title: str
    rows: Sequence[Headline]


@dataclass(frozen=True)
class LocalizationPage:
    """tables: classification, localization; then the chart; measures, recipes; breakdowns; downloads: of all tables."""

    heading: str
    lead: str
    alerts: Sequence[str]
    first: Sequence[Table]
    chart: Chart
    chosen: Sequence[str]
    measures: Table
    recipes: Table
    breakdowns: Sequence[Breakdown]
    downloads: Sequence[tuple[str, Sequence[Link]]]


def localization_page(audit: Audit) -> LocalizationPage | None:
    """None where there are no boxes to judge by."""
    study, where = audit.study, audit.localization
    if study is None or where is None:
        return None
    n, known = where.gt_known.n, where.gt_known
    name, best = min(study.controls.items(), key=lambda item: item[1].gt_known.value)
    tables = [classification_table(audit), localization_table(audit), measures_table(audit), recipes_table(audit)]
    return LocalizationPage(
        heading=f"Told the class, the map finds {known.n - known.count:,} of {n:,}; {_beaten(known, best.gt_known)}",
        lead=(
            f"A box is made of each map and held against the true boxes: it counts from an IoU of {IOU} on. The "
            f"headline figures use the CAM paper's recipe, the largest region above {100 * THRESHOLD:.0f} % of the "
            f"map's maximum. The best box that does not look at the image ({CONTROL_WORDS[name]}) finds "
            f"{best.gt_known.n - best.gt_known.count:,} of {best.gt_known.n:,}."
        ),
        alerts=words.control_alerts(audit),
        first=tables[:2],
        chart=_chart(audit),
        chosen=[text for model in audit.models if model.study for text in _chosen(model, model.study)],
        measures=tables[2],
        recipes=tables[3],
        breakdowns=_breakdowns(audit, study),
        downloads=[(table.title, files_of(table)) for table in tables],
    )


def files_of(table: Table) -> list[Link]:
    """Where a table can be taken along from."""
    return [Link(ending, f"data/{table.name}.{ending}") for ending in ("csv", "tex", "md")]


def _beaten(known: Rate, control: Rate) -> str:
    if known.value < control.value:
        return "that is better than any box that does not look"
    return f"a box that does not look at the image does {'better' if known.value > control.value else 'as well'}"


def _chosen(audit: Audit, study: Study) -> list[str]:
    """What the thresholds come to, in words."""
    lead = f"{audit.card.name}: " if audit.beside else ""
    fixed = audit.localization.gt_known if audit.localization else study.oracle.gt_known
    text = (
        f"{lead}the fixed threshold of {100 * THRESHOLD:.0f} % leaves {per_cent(fixed.value)} % wrong; the one that is "
        f"best on these very images, {100 * study.oracle.threshold:.0f} %, {per_cent(study.oracle.gt_known.value)} % "
        "(an oracle: nobody has that threshold beforehand)"
    )
    if study.heldout is None:
        return [f"{text}."]
    held = study.heldout
    return [
        f"{text}. Chosen on every second image it is {100 * held.threshold:.0f} %, and leaves "
        f"{per_cent(held.gt_known.value)} % of the others ({held.gt_known.n:,}) wrong."
    ]


def _chart(audit: Audit) -> Chart:
    inner_width, inner_height = WIDTH - LEFT - 12, HEIGHT - TOP - BOTTOM

    def x(value: float) -> float:
        return round(LEFT + value * inner_width, 1)

    def y(value: float) -> float:
        return round(TOP + (1 - value) * inner_height, 1)

    lines, studies = [], [(m.card.name, m.study) for m in audit.models if m.study is not None]
    for style, (name, study) in enumerate(studies):
        points = " ".join(f"{x(float(t))},{y(float(e))}" for t, e in zip(CURVE, study.curve, strict=True))
        marks = [(x(study.oracle.threshold), y(study.oracle.gt_known.value), "best")]
        if study.heldout is not None:
            j = int(np.searchsorted(CURVE, study.heldout.threshold))
            marks.append((x(study.heldout.threshold), y(float(study.curve[j])), "held out"))
        lines.append(Line(name, points, style % 4, marks))
    steps = range(4, 100, 5)
    return Chart(
        WIDTH,
        HEIGHT,
        LEFT,
        HEIGHT - BOTTOM,
        TOP,
        [Tick(x(v / 10), f"{10 * v} %") for v in range(0, 11, 2)],
        [Tick(y(v / 4), f"{25 * v} %") for v in range(5)],
        lines,
        x(THRESHOLD),
        y(studies[0][1].controls["whole_image"].gt_known.value),
        ["Threshold", *(name for name, _ in studies)],
        [[f"{100 * CURVE[j]:.0f} %", *(per_cent(float(study.curve[j])) for _, study in studies)] for j in steps],
    )


def _breakdowns(audit: Audit, study: Study) -> list[Breakdown]:
    found = [
        Breakdown(title, [Headline(g.name, g.gt_known, "", control=g.whole) for g in groups])
        for title, groups in study.groups.items()
    ]
    labels, where = audit.labels[study.images], audit.localization
    assert where is not None
    fits, whole = where.known[study.images], study.controls["whole_image"].fits
    rows = []
    for k in np.unique(labels):
        of_class = labels == k
        rate, control = Rate.of(~fits[of_class]), Rate.of(~whole[of_class])
        rows.append(Headline(audit.classes[int(k)], rate, class_page(audit, int(k)), control=control))
    rows.sort(key=lambda row: (-row.rate.count, -row.rate.value) if row.rate else (0, 0.0))
    title = f"Class, the {WORST} with the most missed" if len(rows) > WORST else "Class"
    return [*found, Breakdown(title, rows[:WORST])]
