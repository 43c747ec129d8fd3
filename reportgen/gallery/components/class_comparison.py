"""How the page of a wrongly classified image begins: the predicted class and the label compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL, ModelAudit
from reportgen.draw.overlay import draw_difference
from reportgen.gallery.components.class_rows import (
    ClassRow,
    class_layers,
    label_column,
    probabilities,
    shared_maximum,
)
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import figure_boxes, image_size, photograph
from reportgen.gallery.components.photo_cards import photo_card
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.labels import cam_unit
from reportgen.gallery.core.media import Media
from reportgen.metrics.class_evidence import EvidenceDifference, evidence_difference
from reportgen.metrics.formatting import minus_signs


@dataclass(frozen=True)
class ClassComparison:
    """Predicted class and label of one image.

    maps: their two maps on one scale; difference: the first without the second; bars: the probabilities of the two and
    of all other classes together; nearest: the nearest image with each of the two labels; missing: a sentence
    for each label without another image; lead: how the logits differ and why, or "".
    """

    maps: Section
    difference: Section
    bars: Sequence[ClassRow]
    nearest: Sequence[Figure]
    missing: Sequence[str]
    lead: str


def class_comparison(audit: Audit, media: Media, i: int) -> ClassComparison | None:
    """None unless the predicted class is wrong, and both maps have finite values and are of one class each."""
    model = audit.main
    column = label_column(model, i)
    maps = model.cams[i, [0, column]]
    if model.outcomes[i] != "class" or model.info.method == "files" or not np.isfinite(maps).all():
        return None
    names = [model.classes[int(model.cam_classes[i, k])] for k in (0, LABEL)]
    logits = np.asarray(model.table["logits"][i], np.float64)[model.cam_classes[i, [0, LABEL]]]
    difference = evidence_difference(*maps, *logits)
    nearest, missing = _nearest(audit, media, i)
    return ClassComparison(
        maps=_maps(model, media, i, column, names),
        difference=_difference(model, media, i, names, difference),
        bars=_bars(model, i, names),
        nearest=nearest,
        missing=missing,
        lead=_lead(model, names, difference),
    )


def _maps(model: ModelAudit, media: Media, i: int, column: int, names: Sequence[str]) -> Section:
    layers, unit = class_layers(model, media, i), cam_unit(model.info)
    figures = [
        Figure(
            picture=photograph(model, media, i),
            alt=f"activation map of {name}, the {role}",
            size=image_size(model, i),
            boxes=[box for box in figure_boxes(model, i, 0) if box.kind == "ground-truth"],
            title=name,
            value=role,
            **layers[k],
        )
        for name, k, role in zip(names, (0, column), ("predicted class", "label"), strict=True)
    ]
    scale = ("0", f"{shared_maximum(model, i):.1f}{unit}")
    return Section("Predicted class and label", "", figures, "pair", scale, id="comparison")


def _difference(
    model: ModelAudit, media: Media, i: int, names: Sequence[str], difference: EvidenceDifference
) -> Section:
    limit, size = difference.limit, image_size(model, i)
    figure = Figure(
        picture=photograph(model, media, i),
        alt=f"activation map of {names[0]} without that of {names[1]}",
        size=size,
        overlay=media.draw(draw_difference, difference.map, limit, size, model.windows[i].tolist()) if limit else None,
        title="Difference",
    )
    caption = f"Orange: more evidence for {names[0]} than for {names[1]}; blue: less."
    scale = (f"−{limit:.1f}", f"{limit:.1f}{cam_unit(model.info)}")
    return Section("", caption, [figure], "large", scale, colours="diverging", id="difference")


def _bars(model: ModelAudit, i: int, names: Sequence[str]) -> list[ClassRow]:
    scores = probabilities(model, i)[model.cam_classes[i, [0, LABEL]]]
    rows = [
        ClassRow(name, float(score), role)
        for name, score, role in zip(names, scores, ("predicted", "label"), strict=True)
    ]
    others = len(model.classes) - 2
    if others:
        name = "the other class" if others == 1 else f"all {others:,} others"
        rows.append(ClassRow(name, max(0.0, 1 - float(scores.sum())), ""))
    return rows


def _nearest(audit: Audit, media: Media, i: int) -> tuple[list[Figure], list[str]]:
    """The nearest image by features with each of the two labels, and a sentence for each label without one."""
    cards, missing = [], []
    for column, nearest in zip((0, LABEL), audit.nearest_of_classes, strict=True):
        j, distance = int(nearest.index[i, 0]), float(nearest.distance[i, 0])
        if j < 0:
            missing.append(f"No other image has the label {audit.classes[int(audit.main.cam_classes[i, column])]}.")
            continue
        cards.append(photo_card(audit, media, j, audit.samples[j].name, f"distance {distance:.3g}"))
    return cards, missing


def _lead(model: ModelAudit, names: Sequence[str], difference: EvidenceDifference) -> str:
    """Where the difference of the logits comes from; only where a logit is the mean of its map plus a bias."""
    if model.cam_identity is None:
        return ""
    if abs(difference.from_bias) < 0.005:
        return (
            f"The logit of {names[0]} is {difference.lead:.2f} higher, which is the mean of the difference of the "
            "maps; the biases are equal."
        )
    parts = [minus_signs(f"{value:+.2f}") for value in (difference.from_map, difference.from_bias)]
    return (
        f"The logit of {names[0]} is {difference.lead:.2f} higher: {parts[0]} from the maps (the mean of the "
        f"difference), {parts[1]} from the biases."
    )
