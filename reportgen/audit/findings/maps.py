"""Activation maps that hardly depend on the image, or show nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding, Maps, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.audit.model_audit import ModelAudit
from reportgen.data.sampling import evenly_spaced
from reportgen.metrics.failures import PeakConcentration, peak_concentration
from reportgen.metrics.formatting import counted
from reportgen.metrics.intervals import Rate

MAX_MAPS = 12


@finding_kind(
    "Maps with one maximum",
    topic="location",
    criterion=(
        "At least half of ten or more top-1 maps have their maximum in the same cell of the grid, whatever the image. "
        "The interval is that of their share."
    ),
    multilabel=True,
)
def one_place(audit: Audit) -> Iterator[Finding]:
    """At most one finding, of the first network."""
    where = peak_concentration(audit.main.cams[:, 0])
    if where is None or not where.is_concentrated:
        return
    use = np.flatnonzero(~audit.main.without_evidence)
    rate = Rate.of(np.isin(use, where.rows), audit.main.groups[use])
    assert rate is not None
    size = Size.sampled(rate, "top-1 maps")
    cell = _cell(audit.main, where)
    inference, figures = _maximum_on_object(audit.main, where)
    yield Finding(
        slug="maps with one maximum",
        headline=f"{100 * where.share:.0f} % of the maps have their maximum in the same cell ({cell})",
        size=size,
        evidence=[Maps(evenly_spaced(where.rows.tolist(), MAX_MAPS), (0,))],
        inference=inference,
        next_step="Shift or crop some of these images, and check whether the maximum moves with the object.",
        images=where.rows.tolist(),
        figures=[("share of the maps", where.share), *figures],
        see=("Failures", "failures/index.html") if audit.main.localization else None,
        at_least=size.at_least,
        model=audit.main.info.name,
    )


def peak_sentence(model: ModelAudit) -> str:
    """A sentence where most maps have their maximum in one cell, whatever the image; else ""."""
    where = peak_concentration(model.cams[:, 0])
    if where is None or not where.is_concentrated:
        return ""
    return (
        f"{100 * where.share:.0f} % of the {where.n:,} top-1 maps have their maximum in the same cell "
        f"({_cell(model, where)}). Check whether the maps follow the objects."
    )


def _cell(model: ModelAudit, where: PeakConcentration) -> str:
    rows, columns = model.cams.shape[2:]
    return f"row {where.row + 1}, column {where.column + 1} of {rows} × {columns}"


def _maximum_on_object(model: ModelAudit, where: PeakConcentration) -> tuple[str, list[tuple[str, float]]]:
    """In how many of these images the centre of the cell lies in a ground-truth box."""
    rows, columns = model.cams.shape[2:]
    relative = np.array([(where.column + 0.5) / columns, (where.row + 0.5) / rows])
    inside, images = [], []
    for i in where.rows.tolist():
        boxes, window = model.samples[i].boxes, model.windows[i]
        if len(boxes):
            point = window[:2] + relative * (window[2:] - window[:2])
            images.append(i)
            inside.append(bool(((boxes[:, :2] <= point) & (point < boxes[:, 2:])).all(1).any()))
    if not inside:
        return "Either the objects are in the same place in most images, or the maps do not follow them.", []
    hits, rate = sum(inside), Rate.of(np.array(inside), model.groups[images])
    assert rate is not None
    figures = [("images with boxes", float(len(inside))), ("of them, the cell is on an object", float(hits))]
    text = f"In {hits:,} of the {len(inside):,} images with boxes, this cell is on an object"
    if rate.interval[0] > 0.5:
        return f"{text}, so objects in the same place may explain it.", figures
    return f"{text}, so objects in the same place do not clearly explain it.", figures


@finding_kind(
    "Maps without evidence",
    topic="location",
    criterion="A top-1 map has no positive value, or one that is not finite. The number of images is exact.",
)
def no_evidence(audit: Audit) -> Iterator[Finding]:
    """At most one finding, of the first network."""
    images = np.flatnonzero(audit.main.without_evidence).tolist()
    if not images:
        return
    finite = np.isfinite(audit.main.cams[images, 0]).all((1, 2))
    yield Finding(
        slug="maps without evidence",
        headline=f"{counted(len(images), 'top-1 map has', 'top-1 maps have')} no positive or no finite value",
        size=Size(len(images), len(audit.samples), "top-1 maps"),
        evidence=[Maps(evenly_spaced(images, MAX_MAPS))],
        inference=(
            f"{int((~finite).sum()):,} of them have a value that is not finite. These maps are not drawn and have no "
            "box, so their images count as not localized."
        ),
        next_step="Check precision and preprocessing first, then whether the class's logit is its bias alone.",
        images=images,
        figures=[("maps that are not finite", float((~finite).sum()))],
        at_least=float(len(images)),
        model=audit.main.info.name,
    )
