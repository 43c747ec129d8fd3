"""Which images are selected: those that get the expensive methods (the setting `select`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.data.sampling import evenly_spaced, evenly_spaced_per_class
from reportgen.errors import ConfigError
from reportgen.metrics.failures import NO_FAILURE, failures_worst_first

MAX_FAILURES = 60
"""Failures that are selected at most, evenly over the data set."""


def select_images(select: str, names: Sequence[str], labels: np.ndarray, failed: np.ndarray) -> list[int]:
    """Return the rows of the selected images, ascending.

    select: `all`, or `auto`, which is all as far as the budget goes; a number: so many of each class; `failures`;
        `none`; names separated by commas.
    labels: `(N,)` int64, −1 for none; failed: `(N,)` bool.
    Errors: ConfigError for a name that no image has.
    """
    if select in ("all", "auto"):
        return list(range(len(names)))
    if select == "failures":
        return evenly_spaced(np.flatnonzero(failed).tolist(), MAX_FAILURES)
    if select == "none":
        return []
    if select.isdecimal():
        return evenly_spaced_per_class(labels, int(select))
    wanted = [select] if select in names else [name.strip() for name in select.split(",")]
    for name in wanted:
        if name not in names:
            raise ConfigError(f"`select` names `{name}`, and no image has that name", "names are those of the report")
    return sorted({names.index(name) for name in wanted})


def worst_first(rows: Sequence[int], labels: np.ndarray, outcomes: Sequence[str], confidence: np.ndarray) -> list[int]:
    """Return the rows in the order in which a reader wants to see them.

    First the wrong classes, then the right classes with a wrong box, each with the most confident first. Then the
    others, one of each class, a second of each class and so on, each class with the least confident first.
    labels: `(N,)` int64, −1 for none; outcomes: of each image; confidence: `(N,)` of the predicted class.
    """
    asked = set(rows)
    rest = [row for row in rows if outcomes[row] in NO_FAILURE]
    by_class: dict[int, list[int]] = {}
    for row in sorted(rest, key=lambda row: (confidence[row], row)):
        by_class.setdefault(int(labels[row]), []).append(row)
    turns = [(turn, label, row) for label, group in by_class.items() for turn, row in enumerate(group)]
    return [
        *(row for row in failures_worst_first(outcomes, confidence).tolist() if row in asked),
        *(row for _, _, row in sorted(turns)),
    ]
