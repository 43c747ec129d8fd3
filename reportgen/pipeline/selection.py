"""Which images get the costly looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.errors import ConfigError

EACH = 3
"""Images a class where not all are looked at."""
FAILURES = 60
"""Failures that are looked at, at most, evenly over the data set."""
SECONDS = 600
"""All images are looked at while this is estimated to last less long."""
WORDS = ("auto", "all", "failures", "none")


def choose(select: str, names: Sequence[str], labels: np.ndarray, failed: np.ndarray, seconds: float) -> list[int]:
    """The rows of the images that `select` means, rising.

    select: `all`; a number: so many of each class; `failures`; `none`; names with commas between them; or `auto`: all
        while that takes less than ten minutes by the estimate, else three of each class and the failures.
    labels: `(N,)` int64, −1 for none; failed: `(N,)` bool; seconds: estimated for one image.
    Errors: ConfigError for a name that no image has.
    """
    everything = list(range(len(names)))
    if select == "all" or (select == "auto" and seconds * len(names) < SECONDS):
        return everything
    failures = spread(np.flatnonzero(failed).tolist(), FAILURES)
    if select == "auto":
        return sorted({*of_each_class(labels, EACH), *failures})
    if select == "failures":
        return failures
    if select == "none":
        return []
    if select.isdecimal():
        return of_each_class(labels, int(select))
    wanted = [select] if select in names else [name.strip() for name in select.split(",")]
    for name in wanted:
        if name not in names:
            raise ConfigError(f"`select` names `{name}`, and no image is called that", "names are those of the report")
    return sorted({names.index(name) for name in wanted})


def of_each_class(labels: np.ndarray, k: int) -> list[int]:
    """`k` images of each label, evenly over the data set; without any label `k` images of all."""
    classes = np.unique(labels[labels >= 0])
    groups = [np.flatnonzero(labels == c) for c in classes] or [np.arange(len(labels))]
    return sorted(row for group in groups for row in spread(group.tolist(), k))


def spread(rows: Sequence[int], most: int) -> list[int]:
    """`most` of the rows, evenly over them; all where there are no more."""
    return list(rows) if len(rows) <= most else [rows[(2 * j + 1) * len(rows) // (2 * most)] for j in range(most)]
