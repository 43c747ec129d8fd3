"""Provenance: data, network and protocol of the report, and what was left out.

The page does not name the machine or the date, so that the same inputs give the same page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen import __version__
from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import ModelAudit
from reportgen.gallery.components.chart import Chart
from reportgen.gallery.components.learning_curves import learning_curves
from reportgen.gallery.core.labels import (
    TOKENS_NOTE,
    feature_maps_label,
    head_label,
    method_label,
    precision_label,
    preprocessing,
    reads_tokens,
    runtime_label,
)
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact
from reportgen.gallery.core.registry import needing_one_label, page
from reportgen.metrics.formatting import NONE
from reportgen.metrics.localization.ilsvrc import IOU, RECIPE, THRESHOLD
from reportgen.metrics.multilabel import THRESHOLD as LABEL_THRESHOLD
from reportgen.results.tables import independence_text

MAX_LISTED = 100
"""Files and rows of each kind that are listed; `left_out.csv` lists all."""


@dataclass(frozen=True)
class LeftOut:
    """What the audit could not use, by name with the reason: the first of `total`."""

    heading: str
    rows: Sequence[Fact]
    total: int


@dataclass(frozen=True)
class ProvenancePage:
    """groups: facts by heading; left_out: files and rows that were not used; not_shown: a sentence on pages that a
    multi-label data set does not have, or ""; curves: learning curves."""

    lead: str
    groups: Sequence[tuple[str, Sequence[Fact]]]
    left_out: Sequence[LeftOut]
    curves: Sequence[Chart]
    not_shown: str = ""


@page(
    "provenance.html",
    nav=("Method", "Provenance"),
    order=100,
    about="Data, network and protocol of the report, learning curves, and the files that were left out.",
    multilabel=True,
)
def provenance(audit: Audit, media: Media) -> ProvenancePage:
    """The page."""
    return ProvenancePage(
        "The data, the network and the protocol of this report. The same inputs give the same pages, byte for byte. "
        "Times and machine are in report.json, next to the folder of the site.",
        [("Data", _data(audit)), ("Network", _network(audit)), ("Protocol", _protocol(audit))],
        [
            LeftOut(heading, [Fact(*row) for row in rows[:MAX_LISTED]], len(rows))
            for heading, rows in (
                ("Rejected inputs", [(one.where, one.reason) for one in audit.dataset.refused]),
                ("Unreadable files", audit.unreadable),
            )
            if rows
        ],
        learning_curves(audit),
        _not_shown(audit),
    )


def _not_shown(audit: Audit) -> str:
    names = needing_one_label(audit)
    return (
        "These pages expect one label an image, so they are not shown for a data set whose images have any number "
        f"of labels: {', '.join(names)}."
        if names
        else ""
    )


def _data(audit: Audit) -> list[Fact]:
    return [
        Fact("Data set", audit.dataset.name),
        Fact("Images", f"{len(audit.samples):,} read, {len(audit.unreadable):,} unreadable"),
        *(_annotated_images(audit) if audit.is_multilabel else _labelled_images(audit)),
        Fact("Annotations, SHA-256", audit.dataset.annotation_digest[:16]),
    ]


def _labelled_images(audit: Audit) -> list[Fact]:
    localization = audit.main.localization
    return [
        Fact("Images with a label", f"{int((audit.labels >= 0).sum()):,}"),
        Fact(
            "Images with a label and ground-truth boxes", f"{int(localization.judged.sum()) if localization else 0:,}"
        ),
    ]


def _annotated_images(audit: Audit) -> list[Fact]:
    known = [sample.labels for sample in audit.samples if sample.labels is not None]
    return [
        Fact("Images with annotated labels", f"{len(known):,}, {known.count(()):,} of them without any label"),
        Fact("Labels of an image, mean", f"{sum(map(len, known)) / len(known):.2f}" if known else NONE),
        Fact("Images with ground-truth boxes", f"{sum(len(sample.boxes) > 0 for sample in audit.samples):,}"),
    ]


def _network(audit: Audit) -> list[Fact]:
    info = audit.main.info
    return [
        Fact("Model", f"{info.name} ({info.source})"),
        Fact("Parameters", f"{info.parameters:,}"),
        Fact("Feature maps", feature_maps_label(info)),
        Fact("Activation maps", method_label(info)),
        *([Fact("How to read the maps", TOKENS_NOTE)] if reads_tokens(info) else []),
        Fact("CAM identity: largest |mean(CAM) + bias − logit|", _cam_identity(audit.main)),
        Fact("Preprocessing", preprocessing(info)),
        *([Fact("Preprocessing taken from", info.preprocessing_source)] if info.preprocessing_source else []),
        *([Fact("Head", head_label(info))] if info.head_fit else []),
        Fact("Precision", precision_label(info)),
        Fact("Runtime", runtime_label(info)),
        Fact("Weights, SHA-256", info.weights_digest[:16]),
    ]


def _cam_identity(model: ModelAudit) -> str:
    if model.cam_identity is None:
        return "not applicable: the maps are not exact CAMs"
    if model.cam_identity_relative is None:
        return f"{model.cam_identity:.1e}; all logits are equal"
    return f"{model.cam_identity_relative:.1e} standard deviations of the logits ({model.cam_identity:.1e})"


def _protocol(audit: Audit) -> list[Fact]:
    errors = [
        Fact("Classification errors", "share of the labelled images; ties go to the lower class index"),
        Fact("Box recipe", f"“{RECIPE}”: around the largest region above {100 * THRESHOLD:.0f} % of the map's maximum"),
        Fact("Right box", f"IoU ≥ {IOU:.2f} with any ground-truth box"),
        Fact("Intervals", f"95 %, Wilson; {independence_text(audit.main)}"),
    ]
    multilabel = [
        Fact("Predicted labels", f"probability, the sigmoid of the logit, of at least {LABEL_THRESHOLD}"),
        Fact("Average precision", "Σ (R − R before) · P over the distinct probabilities, not interpolated"),
        Fact("Intervals", f"95 %, bootstrap of images, and Wilson for shares; {independence_text(audit.main)}"),
    ]
    return [
        *(multilabel if audit.is_multilabel else errors),
        Fact("reportgen", __version__),
        Fact("Store", audit.main.table.fingerprint[:16]),
    ]
