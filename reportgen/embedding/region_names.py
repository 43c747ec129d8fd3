"""Names of map regions: the label, predicted class or group that is most over-represented in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
MIN_JOINT_SHARE, MAX_VALUES = 0.5, 3
"""Several values are a name if this share of the region's images has all of them; and the most values of a name."""


@dataclass(frozen=True, eq=False)
class Attribute:
    """What images may have in common.

    kind: `label`, `prediction`, `group`; values: `(N,)` int64, −1 for none, or `(N, K)` bool where an image may have
    several of K values; names: of the K values.
    """

    kind: str
    values: np.ndarray
    names: Sequence[str]

    def counts(self, images: np.ndarray) -> np.ndarray:
        """Return how many of the images, indices or `(N,)` bool, have each value, `(K,)`."""
        values = self.values[images]
        if values.ndim == 2:
            return np.asarray(values.sum(0))
        return np.bincount(values[values >= 0], minlength=len(self.names))

    def having(self, value: int) -> np.ndarray:
        """Return which images have a value, `(N,)` bool."""
        return np.asarray(self.values[:, value] if self.values.ndim == 2 else self.values == value)


@dataclass(frozen=True)
class RegionName:
    """The value that is most over-represented in a region, or several values that many of its images have together.

    values: their names; inside: how many images of the region have all of them; outside: how many of the images
    outside do.
    """

    kind: str
    values: Sequence[str]
    inside: Rate
    outside: Rate

    @property
    def text(self) -> str:
        """All values in one text."""
        return ", ".join(self.values)


@dataclass(frozen=True)
class RegionSummary:
    """A region, its name, and how well its images are classified.

    name: None if no value is over-represented; members: its images; errors: wrong ones among the images whose labels
    are known, None without any; prediction: what is most often predicted, and for how many images.
    """

    name: RegionName | None
    members: np.ndarray
    errors: Rate | None
    prediction: tuple[str, Rate]


class _Candidate(NamedTuple):
    """An over-represented value. excess: by how much its share inside of the region exceeds that outside."""

    value: int
    excess: float


def name_regions(regions: MapRegions, attributes: Sequence[Attribute], placed: np.ndarray) -> list[RegionName | None]:
    """Return the name of each region, None where no value is over-represented.

    A value is over-represented if at least a quarter of the region's images have it, twice the share of the other
    images, and Fisher's exact test (hypergeometric, one-sided) gives p ≤ 0.05 / tests, where every region is tested for
    every value. Of the over-represented values of an attribute, the one with the largest difference of the shares
    inside and outside is considered; a later attribute beats an earlier one by a difference that is larger by 0.1.
    Where images have several values, up to two more join it: see `_joined`.

    attributes: in order of preference; placed: `(N,)` bool, the images on the map.
    """
    totals = [attribute.counts(placed) for attribute in attributes]
    tests = len(regions) * sum(int((total > 0).sum()) for total in totals)
    names = []
    for region in range(len(regions)):
        members = regions.members(region)
        best: tuple[Attribute, list[_Candidate]] | None = None
        for attribute, total in zip(attributes, totals, strict=True):
            found = _over_represented(attribute.counts(members), total, len(members), int(placed.sum()), tests)
            if found and (best is None or found[0].excess > best[1][0].excess + MARGIN):
                best = attribute, found
        names.append(best and _joined(best[0], [one.value for one in best[1]], members, placed))
    return names


def _over_represented(counts: np.ndarray, totals: np.ndarray, n_inside: int, n: int, tests: int) -> list[_Candidate]:
    """Return the over-represented values of an attribute, the largest excess first; of equal ones, the lower value.

    counts, totals: `(K,)` images of the region and of the map with each value; n_inside, n: all images of both.
    """
    from scipy.stats import hypergeom  # heavy, and not needed to list the pages

    found = []
    for value in np.flatnonzero(counts).tolist() if n_inside < n else []:
        count, total = int(counts[value]), int(totals[value])
        if count < MIN_SHARE * n_inside:
            continue
        inside, outside = count / n_inside, (total - count) / (n - n_inside)
        if inside >= MIN_RATIO * outside and hypergeom.sf(count - 1, n, total, n_inside) * tests <= ALPHA:
            found.append(_Candidate(value, inside - outside))
    return sorted(found, key=lambda one: -one.excess)


def _joined(attribute: Attribute, values: Sequence[int], members: np.ndarray, placed: np.ndarray) -> RegionName:
    """Return the name of a region by its first over-represented value, and by those of the next that join it.

    One joins if at least half of the region's images have all values of the name then, and twice the share outside.
    """
    chosen, having = [values[0]], attribute.having(values[0])
    inside, outside = _rates(having, members, placed)
    for value in values[1:] if attribute.values.ndim == 2 else []:
        all_of_them = having & attribute.having(value)
        here, elsewhere = _rates(all_of_them, members, placed)
        if here.value >= max(MIN_JOINT_SHARE, MIN_RATIO * elsewhere.value) and len(chosen) < MAX_VALUES:
            chosen, having, inside, outside = [*chosen, value], all_of_them, here, elsewhere
    return RegionName(attribute.kind, [attribute.names[value] for value in chosen], inside, outside)


def _rates(having: np.ndarray, members: np.ndarray, placed: np.ndarray) -> tuple[Rate, Rate]:
    """Return how many of the images of a region, and of the others on the map, are among `having` `(N,)` bool."""
    count, total = int(having[members].sum()), int(having[placed].sum())
    return Rate(count, len(members)), Rate(total - count, int(placed.sum()) - len(members))


def summarize_regions(
    regions: MapRegions,
    attributes: Sequence[Attribute],
    predictions: Attribute,
    wrong: np.ndarray,
    judged: np.ndarray,
    placed: np.ndarray,
    groups: np.ndarray | None = None,
) -> list[RegionSummary]:
    """Return what is known of each region.

    attributes: that may name it; wrong, judged: `(N,)` bool, images whose prediction is wrong, and those whose labels
    are known; placed: `(N,)` bool, the images on the map; groups: `(N,)` of images that are not independent, for the
    intervals of the errors.
    """
    summaries = []
    for region, name in enumerate(name_regions(regions, attributes, placed)):
        members = regions.members(region)
        of_errors = members[judged[members]]
        counts = predictions.counts(members)
        most = int(counts.argmax())
        summaries.append(
            RegionSummary(
                name=name,
                members=members,
                errors=Rate.of(wrong[of_errors], None if groups is None else groups[of_errors]),
                prediction=(predictions.names[most], Rate(int(counts[most]), len(members))),
            )
        )
    return summaries
