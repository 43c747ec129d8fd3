"""Findings: what a reader should know first, each a sentence with a link to the images or figures behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import ModelAudit
from reportgen.embedding.space import N_SHOWN, near_duplicates
from reportgen.gallery.components.headline import difference_text
from reportgen.gallery.core.image_flags import MIN_CONFIDENCE, suspect_labels
from reportgen.metrics.failures import peak_concentration
from reportgen.metrics.formatting import counted, percent
from reportgen.metrics.localization.controls import CONTROL_LABELS

MIN_ECE, MIN_IMAGES = 0.1, 50
"""Expected calibration error that is reported, and the number of images that it needs."""


@dataclass(frozen=True)
class Finding:
    """A sentence or two, and where to look: label and URL."""

    text: str
    label: str
    url: str


def findings(audit: Audit) -> list[Finding]:
    """All findings, the most serious first."""
    return [
        *_about_maps(audit),
        *_about_labels(audit),
        *_about_duplicates(audit),
        *_about_confidence(audit),
        *_about_units(audit),
        *_about_files(audit),
    ]


def _about_maps(audit: Audit) -> Iterator[Finding]:
    for text in control_findings(audit):
        yield Finding(text, "Localization", "localization/index.html")
    if text := peak_finding(audit.main):
        yield Finding(text, "These images", "images/index.html#flag=peak")
    if silent := int(audit.main.without_evidence.sum()):
        yield Finding(
            f"{counted(silent, 'top-1 map has', 'top-1 maps have')} no positive or no finite value. They are not drawn "
            "and have no box.",
            "These images",
            "images/index.html#flag=silent",
        )


def control_findings(audit: Audit) -> list[str]:
    """A sentence for every network whose maps do not clearly beat the strongest control, image by image."""
    texts = []
    for model in audit.models:
        comparison = model.control_comparisons.get("gt_known")
        if comparison is None:
            continue
        change = comparison.change
        if not change.is_clear or change.difference > 0:
            texts.append(
                f"The maps of {model.info.name} do not clearly beat the strongest control: the GT-known localization "
                f"error is {percent(change.b)}, and {percent(change.a)} for the {CONTROL_LABELS[comparison.name]} "
                f"({difference_text(change)})."
            )
    return texts


def peak_finding(model: ModelAudit) -> str:
    """A sentence where most maps have their maximum in one cell, whatever the image; else ""."""
    where = peak_concentration(model.cams[:, 0])
    if where is None or not where.is_concentrated:
        return ""
    rows, columns = model.cams.shape[2:]
    return (
        f"{100 * where.share:.0f} % of the {where.n:,} top-1 maps have their maximum in the same cell (row "
        f"{where.row + 1}, column {where.column + 1} of {rows} × {columns}). Check whether the maps follow the objects."
    )


def _about_labels(audit: Audit) -> Iterator[Finding]:
    suspect = suspect_labels(audit)
    if len(suspect):
        yield Finding(
            f"{counted(len(suspect), 'image has', 'images have')} a suspect label: the network predicts another class "
            f"with a probability of at least {MIN_CONFIDENCE}, and all {N_SHOWN} nearest neighbours have other labels.",
            "These images",
            "images/index.html#flag=label",
        )


def _about_duplicates(audit: Audit) -> Iterator[Finding]:
    if audit.reference is not None and audit.reference_matches is not None:
        leaked = {i for i, _, _ in audit.reference_matches[1].close}
        if leaked:
            images = counted(len(leaked), "image is a near-duplicate", "images are near-duplicates")
            yield Finding(
                f"{images} (by pixels) of an image of {audit.reference.name}. If the network was trained on that set, "
                "the errors here are too low.",
                "Neighbours",
                "neighbours/index.html",
            )
    pairs = near_duplicates(audit.pixel_space)
    labels = audit.labels
    across = sum(bool(labels[i] >= 0 and labels[j] >= 0 and labels[i] != labels[j]) for i, j, _ in pairs)
    if pairs:
        text = counted(len(pairs), "pair of images is nearly identical", "pairs of images are nearly identical")
        text += f" by pixels, {across:,} of them with different labels" if across else " by pixels"
        yield Finding(
            f"{text}. Images that are also in the training data make errors too low.",
            "Neighbours",
            "neighbours/index.html",
        )


def _about_confidence(audit: Audit) -> Iterator[Finding]:
    calibration = audit.main.calibration
    n = 0 if calibration is None else int(calibration.counts.sum())
    if calibration is not None and n >= MIN_IMAGES and calibration.ece >= MIN_ECE and calibration.is_clear:
        (low, high), limit = calibration.gap_interval, calibration.chance_ece[1]
        direction = "overconfident" if low > 0 else "underconfident" if high < 0 else "miscalibrated in both directions"
        yield Finding(
            f"The network is {direction}: its mean confidence is {100 * calibration.mean_confidence:.0f} %, its "
            f"accuracy {100 * calibration.accuracy:.0f} % (expected calibration error {calibration.ece:.2f} on {n:,} "
            f"images; of simulated calibrated networks, 95 % have at most {limit:.2f}).",
            "Calibration",
            "confusions/index.html",
        )


def _about_units(audit: Audit) -> Iterator[Finding]:
    dead = {layer.name: sum(unit.is_dead for unit in audit.main.units[layer.name]) for layer in audit.main.info.layers}
    listed = [f"{count:,} in {name}" for name, count in dead.items() if count]
    if listed:
        units = counted(sum(dead.values()), "unit is dead", "units are dead")
        yield Finding(
            f"{units}, with the same maximum in every image: {', '.join(listed)}.", "Units", "units/index.html"
        )


def _about_files(audit: Audit) -> Iterator[Finding]:
    total = len(audit.samples) + len(audit.unreadable)
    if audit.unreadable:
        yield Finding(
            f"{len(audit.unreadable):,} of {total:,} files are unreadable and left out of every figure.",
            "List of files",
            "provenance.html",
        )
    if audit.dataset.refused:
        notes = counted(len(audit.dataset.refused), "row or file", "rows and files")
        yield Finding(f"{notes} of the data set could not be used as given.", "List with reasons", "provenance.html")
