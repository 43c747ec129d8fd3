"""Nearest neighbours: kNN accuracy, near-duplicates, labels that disagree with the neighbours, and hubs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.reference import Reference
from reportgen.embedding.chance import agreement_range, alone_in_class, outliers_by_chance
from reportgen.embedding.space import (
    N_SHOWN,
    Space,
    count_same_label,
    count_shared,
    hub_counts,
    label_outliers,
    near_duplicates,
    skewness,
)
from reportgen.gallery.components.chart import Chart
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.knn_accuracy import SPACES, Accuracy, accuracies, accuracy_charts
from reportgen.gallery.components.label_neighbours import (
    LabelNeighbours,
    images_without_common_label,
    label_lead,
    label_neighbours,
)
from reportgen.gallery.components.photo_cards import photo_card, reference_photo_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.page import Fact
from reportgen.gallery.core.registry import page

MAX_PAIRS, MAX_DISAGREEING, MAX_HUBS = 24, 24, 12
"""Pairs and images of each kind on the page."""


@dataclass(frozen=True)
class Pair:
    """Two near-duplicates. has_different_labels: both have a label, and the labels differ."""

    first: Figure
    second: Figure
    distance: str
    has_different_labels: bool


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of images that are closer than `limit`. count, different_labels: numbers of pairs; pairs: some of them.

    images: number of audited images that are in a pair.
    """

    title: str
    limit: str
    count: int
    different_labels: int
    images: int
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class ReferenceOverlap:
    """Images that are also in the reference. images, unreadable: of the reference; same_bytes: identical files."""

    name: str
    images: int
    unreadable: int
    same_bytes: int
    near_duplicates: Sequence[NearDuplicates]


@dataclass(frozen=True)
class NeighboursPage:
    """k: neighbours of an image; accuracy, charts: kNN accuracy; labels: of a multi-label data set; disagreeing: images
    whose neighbours differ in label.

    Lists are empty where there is nothing to show.
    """

    lead: str
    features: str
    reference: ReferenceOverlap | None
    k: int
    accuracy: Sequence[Accuracy]
    charts: Sequence[Chart]
    labels: Sequence[LabelNeighbours]
    facts: Sequence[Fact]
    near_duplicates: Sequence[NearDuplicates]
    disagreeing: Sequence[Figure]
    disagreeing_total: int
    disagreeing_note: str
    hubs: Sequence[Figure]
    without_features: Sequence[str]


@page(
    "neighbours/index.html",
    nav=("Map", "Neighbours"),
    order=52,
    about="kNN accuracy, near-duplicates, images whose label disagrees with their neighbours, and hubs.",
    multilabel=True,
)
def neighbours(audit: Audit, media: Media) -> NeighboursPage:
    """The page, for the first network."""
    features, pixels, labels = audit.feature_space, audit.pixel_space, audit.labels
    near = features.neighbours.index[:, :N_SHOWN]
    accuracy = accuracies(audit)
    disagreeing = images_without_common_label(audit) if audit.is_multilabel else label_outliers(near, labels)
    return NeighboursPage(
        lead=_lead(audit),
        features=audit.feature_source.description,
        reference=_reference_overlap(audit, media),
        k=near.shape[1],
        accuracy=accuracy,
        charts=accuracy_charts(audit, accuracy),
        labels=label_neighbours(audit) if audit.is_multilabel else [],
        facts=_facts(audit),
        near_duplicates=[
            _near_duplicates(audit, media, space, f"Near-duplicates by {name}", near_duplicates(space))
            for name, space in zip(SPACES, (features, pixels), strict=True)
        ],
        disagreeing=[_disagreeing_card(audit, media, int(i), near) for i in disagreeing[:MAX_DISAGREEING]],
        disagreeing_total=len(disagreeing),
        disagreeing_note="" if audit.is_multilabel else _disagreeing_note(labels, near, disagreeing),
        hubs=_hubs(audit, media, near),
        without_features=[audit.samples[i].name for i in features.neighbours.left_out],
    )


def _lead(audit: Audit) -> str:
    if len(audit.samples) < 2:
        return "There is only one image, so it has no neighbours."
    near = [space.neighbours.index[:, :N_SHOWN] for space in (audit.feature_space, audit.pixel_space)]
    k, shared = near[0].shape[1], float(count_shared(*near).mean())
    text = f"On average, {shared:.1f} of an image's {k} nearest neighbours by features are also among those by pixels."
    if audit.is_multilabel:
        return label_lead(audit) + text
    if not (audit.labels >= 0).any():
        return text
    same = [count_same_label(index, audit.labels) for index in near]
    share = [100 * float(s[s >= 0].mean()) / k for s in same]
    limits = agreement_range(audit.labels, k)
    few = "" if limits.ceiling == 1 else ", because some classes have few images"
    return (
        f"Of the {k} nearest neighbours of an image by features, {share[0]:.0f} % have its label; by pixels, "
        f"{share[1]:.0f} %. Random neighbours would give {100 * limits.chance:.0f} %, and at most "
        f"{100 * limits.ceiling:.0f} % are possible{few}. {text}"
    )


def _disagreeing_note(labels: np.ndarray, near: np.ndarray, disagreeing: np.ndarray) -> str:
    """How many of the images cannot have a neighbour of their class, and how many permuted labels would give."""
    alone, chance = int(alone_in_class(labels)[disagreeing].sum()), outliers_by_chance(near, labels)
    note = f"With permuted labels, {chance:.1f} images would be listed on average."
    if alone:
        note += (
            f" {alone:,} of the {len(disagreeing):,} listed have no other image of their class, so no neighbour can "
            "share it."
        )
    return note


def _facts(audit: Audit) -> list[Fact]:
    facts = []
    for name, space in zip(SPACES, (audit.feature_space, audit.pixel_space), strict=True):
        counts = hub_counts(space.neighbours.index[:, :N_SHOWN])
        facts += [
            Fact(f"Hubness by {name}", f"skewness {skewness(counts):.2f}"),
            Fact(f"Largest hub by {name}", f"neighbour of {counts.max():,} images"),
            Fact(f"Neighbour of no image, by {name}", f"{int((counts == 0).sum()):,} of {len(counts):,} images"),
        ]
    return facts


def _near_duplicates(
    audit: Audit,
    media: Media,
    space: Space,
    title: str,
    pairs: Sequence[tuple[int, int, float]],
    reference: Reference | None = None,
) -> NearDuplicates:
    """Pairs (i, j, distance), those with different labels first; j is an image of the reference, if there is one."""
    others = (reference or audit).samples
    second_card = reference_photo_card if reference else photo_card
    differs = [audit.samples[i].differs_in_label(others[j]) for i, j, _ in pairs]
    order = sorted(zip(differs, pairs, strict=True), key=lambda entry: not entry[0])
    images = {i for i, _, _ in pairs} if reference else {i for pair in pairs for i in pair[:2]}
    return NearDuplicates(
        title=title,
        limit=f"{space.duplicate_distance:.3g}",
        count=len(pairs),
        different_labels=sum(differs),
        images=len(images),
        pairs=[
            Pair(photo_card(audit, media, i), second_card(audit, media, j), f"{distance:.3g}", differ)
            for differ, (i, j, distance) in order[:MAX_PAIRS]
        ],
    )


def _reference_overlap(audit: Audit, media: Media) -> ReferenceOverlap | None:
    if audit.reference is None or audit.reference_matches is None:
        return None
    reference = audit.reference
    spaces = zip(SPACES, (audit.feature_space, audit.pixel_space), audit.reference_matches, strict=True)
    duplicates = [
        _near_duplicates(audit, media, space, f"In both sets, by {name}", matches.close, reference)
        for name, space, matches in spaces
    ]
    same = np.isin(np.asarray(audit.main.table["samples/id"]), np.asarray(reference.table["samples/id"]))
    return ReferenceOverlap(
        reference.name, len(reference.samples), len(reference.unreadable), int(same.sum()), duplicates
    )


def _disagreeing_card(audit: Audit, media: Media, i: int, near: np.ndarray) -> Figure:
    samples = [audit.samples[j] for j in near[i].tolist()]
    labels = [k for s in samples for k in (s.labels or ([] if s.label is None else [s.label]))]
    names, counts = np.unique(labels, return_counts=True)
    if not len(names):
        return photo_card(audit, media, i, "the neighbours have no label")
    caption = f"{counts.max()} of {near.shape[1]} neighbours: {audit.classes[int(names[counts.argmax()])]}"
    return photo_card(audit, media, i, caption)


def _hubs(audit: Audit, media: Media, near: np.ndarray) -> list[Figure]:
    """Images that are neighbours of at least twice as many images as the average, the largest hubs first."""
    counts = hub_counts(near)
    order = np.argsort(-counts, kind="stable")[:MAX_HUBS]
    return [
        photo_card(audit, media, int(i), f"neighbour of {counts[i]:,} images")
        for i in order
        if counts[i] >= 2 * near.shape[1]
    ]
