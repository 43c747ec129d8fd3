"""How well scores of a network separate images of its classes from images that show none of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.metrics.classification import softmax
from reportgen.metrics.confidence.ranking import auroc, auroc_interval, false_positive_rate
from reportgen.metrics.intervals import Interval
from reportgen.store.column import Column

BLOCK = 1024
"""Images whose logits are read at a time."""


@dataclass(frozen=True)
class Separation:
    """A score that is to be higher for images of the classes.

    score: what it is; audited, other: numbers of images with finite logits.
    auroc: probability that an audited image has the higher score, with its 95 % bootstrap interval.
    fpr95: share of the other images that a threshold accepts which accepts 95 % of the audited ones.
    """

    score: str
    audited: int
    other: int
    auroc: float
    interval: Interval
    fpr95: float


def separate(audited: Column, other: Column) -> list[Separation]:
    """Return the separation by each score; empty if one of the data sets has no finite logits.

    audited, other: `(N, K)` and `(M, K)` logits. Scores: the largest softmax probability (Hendrycks and Gimpel, ICLR
    2017), the largest logit (Hendrycks et al., ICML 2022), and the energy, log Σ exp(logit) (Liu et al., NeurIPS 2020).
    """
    own, others = _scores(audited), _scores(other)
    if not len(own["energy"]) or not len(others["energy"]):
        return []
    found = []
    for name in own:
        values = np.concatenate((own[name], others[name]))
        positive = np.arange(len(values)) < len(own[name])
        area, bounds = auroc(values, positive), auroc_interval(values, positive, np.arange(len(values)))
        assert area is not None, "there are images of both kinds"
        assert bounds is not None
        rate = false_positive_rate(values, positive)
        found.append(Separation(name, len(own[name]), len(others[name]), area, bounds, rate))
    return found


def _scores(logits: Column) -> dict[str, np.ndarray]:
    """Each score `(n,)` of the images whose logits are finite."""
    from scipy.special import logsumexp

    found: dict[str, list[np.ndarray]] = {"highest probability": [], "highest logit": [], "energy": []}
    for block in logits.blocks(BLOCK):
        z = np.asarray(block, np.float64)
        z = z[np.isfinite(z).all(1)]
        found["highest probability"].append(softmax(z).max(1, initial=0))
        found["highest logit"].append(z.max(1, initial=-np.inf))
        found["energy"].append(np.asarray(logsumexp(z, axis=1)))
    return {name: np.concatenate([np.zeros(0), *parts]) for name, parts in found.items()}
