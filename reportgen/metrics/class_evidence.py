"""What speaks for one class and not for another: the difference of two activation maps; the effect of occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EvidenceDifference:
    """Evidence for class a without that for class b.

    map: `(h, w)` float64, the map of a minus that of b, in logit units; lead: the logit of a minus that of b.
    from_map: the part of the lead that the maps account for, the mean of `map`; the rest is from the biases, because
        a logit is the mean of its class activation map plus a bias (Zhou et al. 2016, section 2).
    """

    map: np.ndarray
    lead: float
    from_map: float

    @property
    def from_bias(self) -> float:
        """The part of the lead that the biases account for, if the maps are exact CAMs."""
        return self.lead - self.from_map

    @property
    def limit(self) -> float:
        """The largest magnitude of the map."""
        return float(np.abs(self.map).max())


def evidence_difference(map_a: np.ndarray, map_b: np.ndarray, logit_a: float, logit_b: float) -> EvidenceDifference:
    """Compare the maps `(h, w)` and the logits of two classes for one image."""
    difference = map_a.astype(np.float64) - map_b.astype(np.float64)
    return EvidenceDifference(difference, float(logit_a) - float(logit_b), float(difference.mean()))


def occlusion_drop(whole: float, occluded: np.ndarray) -> np.ndarray:
    """Return by how much a value of the whole image falls while a part is occluded; negative where it rises.

    whole: the value of the whole image; occluded: `(R, C)` the value for each position of the square. float64.
    """
    return np.float64(whole) - occluded.astype(np.float64)
