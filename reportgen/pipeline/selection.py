"""Which images are selected: those that get the expensive methods (the setting `select`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.data.sampling import evenly_spaced, evenly_spaced_per_class
from reportgen.errors import ConfigError

IMAGES_PER_CLASS = 3
"""Images of each class that `auto` selects where it does not select all."""
MAX_FAILURES = 60
"""Failures that are selected at most, evenly over the data set."""
MAX_SECONDS_FOR_ALL = 600
"""`auto` selects all images if the estimate is below this."""


def select_images(
    select: str, names: Sequence[str], labels: np.ndarray, failed: np.ndarray, seconds: float
) -> list[int]:
    """Return the rows of the selected images, ascending.

    select: `all`; a number: so many of each class; `failures`; `none`; names separated by commas; or `auto`: all if the
        estimate is below ten minutes, else three of each class and the failures.
    labels: `(N,)` int64, −1 for none; failed: `(N,)` bool; seconds: estimated for one image.
    Errors: ConfigError for a name that no image has.
    """
    everything = list(range(len(names)))
    if select == "all" or (select == "auto" and seconds * len(names) < MAX_SECONDS_FOR_ALL):
        return everything
    failures = evenly_spaced(np.flatnonzero(failed).tolist(), MAX_FAILURES)
    if select == "auto":
        return sorted({*evenly_spaced_per_class(labels, IMAGES_PER_CLASS), *failures})
    if select == "failures":
        return failures
    if select == "none":
        return []
    if select.isdecimal():
        return evenly_spaced_per_class(labels, int(select))
    wanted = [select] if select in names else [name.strip() for name in select.split(",")]
    for name in wanted:
        if name not in names:
            raise ConfigError(f"`select` names `{name}`, and no image has that name", "names are those of the report")
    return sorted({names.index(name) for name in wanted})
