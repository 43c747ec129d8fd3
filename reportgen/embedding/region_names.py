"""Names of map regions: the label, predicted class or group that is most over-represented in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.embedding.regions import MapRegions
from reportgen.metrics.intervals import Rate

MIN_SHARE = 0.25
"""Smallest share of a region's images that has the value which the region is named by."""
MIN_RATIO = 2.0
"""Smallest ratio of this share to the share outside of the region."""
ALPHA = 0.05
"""Largest probability that any region gets a name if images and values are independent."""
MARGIN = 0.1
"""A value of a later attribute is the name only if its share exceeds the outside by this much more."""


@dataclass(frozen=True, eq=False)
class Attribute:
    """What images may have in common.

    kind: `label`, `prediction`, `group`; values: `(N,)` int64, −1 for none; names: of the values.
    """

    kind: str
    values: np.ndarray
    names: Sequence[str]


@dataclass(frozen=True)
class RegionName:
    """The value that is most over-represented in a region.

    inside: how many images of the region have it; outside: how many of the images outside have it.
    """

    kind: str
    text: str
    inside: Rate
    outside: Rate

    @property
    def excess(self) -> float:
        """By how much the share inside exceeds that outside."""
        return self.inside.value - self.outside.value


@dataclass(frozen=True)
class RegionSummary:
    """A region, its name, and how well its images are classified.

    name: None if no value is over-represented; members: its images; errors: wrong classes among the images with a
    label, None without any; prediction: the most frequent predicted class and how many images have it.
    """

    name: RegionName | None
    members: np.ndarray
    errors: Rate | None
    prediction: tuple[int, Rate]


def name_regions(regions: MapRegions, attributes: Sequence[Attribute], placed: np.ndarray) -> list[RegionName | None]:
    """Return the name of each region, None where no value is over-represented.

    A value is over-represented if at least a quarter of the region's images have it, twice the share of the other
    images, and Fisher's exact test (hypergeometric, one-sided) gives p ≤ 0.05 / tests, where every region is tested for
    every value. Of the over-represented values of an attribute, the one with the largest difference of the shares
    inside and outside is considered; a later attribute beats an earlier one by a difference that is larger by 0.1.

    attributes: in order of preference; placed: `(N,)` bool, the images on the map.
    """
    tests = len(regions) * sum(len(np.unique(a.values[placed & (a.values >= 0)])) for a in attributes)
    names = []
    for region in range(len(regions)):
        inside = np.zeros(len(placed), bool)
        inside[regions.members(region)] = True
        best: RegionName | None = None
        for attribute in attributes:
            name = _most_over_represented(attribute, inside, placed, tests)
            if name and (best is None or name.excess > best.excess + MARGIN):
                best = name
        names.append(best)
    return names


def _most_over_represented(
    attribute: Attribute, inside: np.ndarray, placed: np.ndarray, tests: int
) -> RegionName | None:
    """Return the most over-represented value of an attribute, if there is one. inside, placed: `(N,)` bool."""
    from scipy.stats import hypergeom  # heavy, and not needed to list the pages

    n_inside, n = int(inside.sum()), int(placed.sum())
    values, counts = np.unique(attribute.values[inside & (attribute.values >= 0)], return_counts=True)
    found = []
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if count < MIN_SHARE * n_inside or n_inside == n:
            continue
        total = int((attribute.values[placed] == value).sum())
        name = RegionName(
            attribute.kind, attribute.names[value], Rate(count, n_inside), Rate(total - count, n - n_inside)
        )
        p = hypergeom.sf(count - 1, n, total, n_inside)
        if name.inside.value >= MIN_RATIO * name.outside.value and p * tests <= ALPHA:
            found.append(name)
    return max(found, key=lambda name: name.excess, default=None)


def summarize_regions(
    regions: MapRegions,
    attributes: Sequence[Attribute],
    labels: np.ndarray,
    predicted: np.ndarray,
    placed: np.ndarray,
    groups: np.ndarray | None = None,
) -> list[RegionSummary]:
    """Return what is known of each region.

    labels: `(N,)`, −1 for none; predicted: `(N,)` classes; placed: `(N,)` bool, the images on the map; groups: `(N,)`
    of images that are not independent, for the intervals of the errors.
    """
    summaries = []
    for region, name in enumerate(name_regions(regions, attributes, placed)):
        members = regions.members(region)
        judged = members[labels[members] >= 0]
        classes, counts = np.unique(predicted[members], return_counts=True)
        most = int(counts.argmax())
        summaries.append(
            RegionSummary(
                name=name,
                members=members,
                errors=Rate.of(labels[judged] != predicted[judged], None if groups is None else groups[judged]),
                prediction=(int(classes[most]), Rate(int(counts[most]), len(members))),
            )
        )
    return summaries
