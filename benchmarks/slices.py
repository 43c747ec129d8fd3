"""Planted slices that are found, compared with sliceline and with a Gaussian mixture (the idea of Domino).

2,000 images have twelve attributes; one of five images is wrong, and more of the planted slice: a camera (one value), a
dark class (two values) or a sticker (two values, one image of 50). All get the same attributes and errors. Recall: how
often one of the first ten slices is the planted one (Jaccard index of the images of at least 0.5). Only reportgen
states which slices are confirmed, and how often there is one in data without a planted slice. Gate: mean recall is at
least that of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from sklearn.mixture import GaussianMixture
from sliceline.slicefinder import Slicefinder

from benchmarks.timing import OURS, Result, measure, table
from reportgen.metrics.slice_search import members
from reportgen.metrics.slices import confirmed, find_slices, without_repetitions

IMAGES, TOP = 2_000, 10
SIZES = (3, 10, 5, 5, 5, 4, 4, 3, 2, 5, 5, 8)
"""Number of values of each attribute: a camera, a class, and others."""
NAMES = [str(a) for a in range(len(SIZES))]
PLANTS: Mapping[str, tuple[tuple[tuple[int, int], ...], float]] = {
    "none": ((), 0.2),
    "camera": (((0, 1),), 0.3),
    "dark class": (((1, 3), (2, 0)), 0.6),
    "sticker": (((9, 0), (10, 1)), 0.5),
}
"""Values of the planted slice, and its share of wrong images."""
Find = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]


def run(quick: bool) -> Result:
    """50 data sets of each kind; `quick`: 10."""
    seeds = 10 if quick else 50
    finders: dict[str, Find] = {OURS: ours, "sliceline": sliceline, "mixture": mixture}
    recall: dict[str, list[float]] = {name: [] for name in finders}
    lines = [f"{IMAGES:,} images, {len(SIZES)} attributes, {seeds} data sets of each kind"]
    for plant, (conditions, _) in PLANTS.items():
        if not conditions:
            alarms = sum(bool(listed(*planted(plant, seed))) for seed in range(seeds))
            lines.append(f"no slice: {OURS} confirms one in {alarms} of {seeds}")
            continue
        for name, find in finders.items():
            hits = sum(is_found(find, plant, seed) for seed in range(seeds))
            recall[name].append(hits / seeds)
            lines.append(f"{plant}: {name} finds it in {hits} of {seeds}")
        hits = sum(is_found(listed, plant, seed) for seed in range(seeds))
        lines.append(f"{plant}: {OURS} confirms it in {hits} of {seeds}")
    attributes, wrong = planted("dark class", 0)
    timings = measure({name: lambda find=find: find(attributes, wrong) for name, find in finders.items()}, 3)
    gate = all(np.mean(recall[OURS]) >= np.mean(recall[name]) for name in finders)
    return Result({name: timings.ratio(name) for name in finders if name != OURS}, gate, [*lines, *table(timings)])


def planted(plant: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of the attributes `(A, N)`, and which images are wrong `(N,)`."""
    random = np.random.default_rng(seed)
    attributes = np.stack([random.integers(0, size, IMAGES) for size in SIZES])
    conditions, share = PLANTS[plant]
    chosen = members(attributes, conditions) if conditions else np.zeros(IMAGES, bool)
    return attributes, random.random(IMAGES) < np.where(chosen, share, 0.2)


def is_found(find: Find, plant: str, seed: int) -> bool:
    attributes, wrong = planted(plant, seed)
    chosen = members(attributes, PLANTS[plant][0])
    return any((one & chosen).sum() >= 0.5 * (one | chosen).sum() for one in find(attributes, wrong)[:TOP])


def ours(attributes: np.ndarray, wrong: np.ndarray) -> list[np.ndarray]:
    tests = find_slices(attributes, NAMES, wrong, np.arange(len(wrong)))
    ranked = sorted([*tests.values, *tests.pairs[0], *tests.pairs[1]], key=lambda one: -one.interval[0])
    return [members(attributes, one.conditions) for one in ranked]


def listed(attributes: np.ndarray, wrong: np.ndarray) -> list[np.ndarray]:
    groups = np.arange(len(wrong))
    (found,) = confirmed([find_slices(attributes, NAMES, wrong, groups)])
    slices = without_repetitions(attributes, list(found), wrong, groups)
    return [members(attributes, one.conditions) for one in slices]


def sliceline(attributes: np.ndarray, wrong: np.ndarray) -> list[np.ndarray]:
    finder = Slicefinder(alpha=0.95, k=TOP, max_l=2, min_sup=20, verbose=False)
    finder.fit(attributes.T + 1, wrong.astype(float))
    return [
        members(attributes, [(a, int(value) - 1) for a, value in enumerate(one) if value is not None])
        for one in finder.top_slices_
    ]


def mixture(attributes: np.ndarray, wrong: np.ndarray) -> list[np.ndarray]:
    """Components of a mixture over the values and the error, those with the most errors first."""
    one_hot = np.concatenate([np.eye(size)[column] for size, column in zip(SIZES, attributes, strict=True)], 1)
    both = np.column_stack((one_hot, 3.0 * wrong))
    fitted = GaussianMixture(25, covariance_type="diag", random_state=0, reg_covar=1e-3).fit_predict(both)
    parts = [fitted == k for k in range(25) if (fitted == k).any()]
    return sorted(parts, key=lambda part: -wrong[part].mean())
