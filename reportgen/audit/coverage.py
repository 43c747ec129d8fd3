"""How many images have the results of the expensive methods: pages state what is still to come or was not asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """One kind of expensive results. methods: what the reader calls it, as `occlusion` and `saliency`.

    images: number of images that could have it; wanted: number of those that the settings ask for; done: number of
    those that have it. waiting: rows that the run goes on with; empty at its end.
    over_budget: number of those that the budget did not allow.
    is_of_images: each image's own page has a section for it.
    """

    methods: Sequence[str]
    images: int
    wanted: int
    done: int
    waiting: frozenset[int] = frozenset()
    is_of_images: bool = False
    over_budget: int = 0
