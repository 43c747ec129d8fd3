"""The backprop baseline's box as published: GraphCut on colours, seeded by saliency (Simonyan et al. 2014, 3.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import breadth_first_order, maximum_flow
from sklearn.mixture import GaussianMixture

from reportgen.metrics.localization.boxes import EIGHT_NEIGHBOURS, NO_BOX

FOREGROUND, BACKGROUND = 0.95, 0.30
"""Quantiles of the saliency above and below which pixels teach the two colour models."""
COMPONENTS = 5
"""Gaussians a colour model, and the weight of edges: those of GrabCut (Rother et al. 2004), as the paper gives none."""
EDGE = 50.0
SCALE = 100
"""Capacities are whole numbers: hundredths."""


def graphcut_box(saliency: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The box of the largest connected component of the foreground.

    saliency: `(H, W)`, not negative; picture: `(H, W, 3)` uint8, what the network saw. Returns `(4,)` float64 x0 y0 x1
    y1, half-open, in their pixels; NaN where the saliency is constant or not finite.
    """
    if not np.isfinite(saliency).all() or saliency.min() == saliency.max():
        return NO_BOX
    foreground = segment(saliency, picture)
    components, count = ndimage.label(foreground, EIGHT_NEIGHBOURS)
    if not count:
        return NO_BOX
    largest = 1 + int(np.argmax(np.bincount(components.ravel())[1:]))
    ys, xs = ndimage.find_objects(components)[largest - 1]
    return np.array([xs.start, ys.start, xs.stop, ys.stop], np.float64)


def segment(saliency: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """`(H, W)` bool: the pixels that the minimum cut leaves with the foreground (Boykov & Jolly 2001).

    Costs of a pixel: minus the log likelihood of its colour in either model; of neighbours that are cut apart: EDGE ×
    exp(−|difference|² / 2 mean |difference|²). Pixels that taught a model may still change sides, as in the paper.
    """
    colours = picture.astype(np.float64) / 255
    sure = saliency >= np.quantile(saliency, FOREGROUND)
    low = saliency <= np.quantile(saliency, BACKGROUND)
    costs = np.stack([-_likelihood(colours, mask) for mask in (sure, low)])
    costs -= costs.min(0)  # only their difference matters, and capacities are not negative
    return _minimum_cut(costs, colours)


def _likelihood(colours: np.ndarray, mask: np.ndarray) -> np.ndarray:
    taught = colours[mask]
    colours_taught = len(np.unique(taught, axis=0))
    mixture = GaussianMixture(min(COMPONENTS, colours_taught), reg_covar=1e-4, random_state=0).fit(taught)
    return mixture.score_samples(colours.reshape(-1, 3)).reshape(mask.shape)


def _minimum_cut(costs: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """costs: `(2, H, W)` of a pixel in the foreground and in the background."""
    height, width = costs.shape[1:]
    n = height * width
    index = np.arange(n).reshape(height, width)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    a, b = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    flat = colours.reshape(n, 3)
    difference = ((flat[a] - flat[b]) ** 2).sum(1)
    edge = EDGE * np.exp(-difference / (2 * max(difference.mean(), 1e-12)))
    source, sink = n, n + 1
    everyone = index.ravel()
    rows = np.concatenate([a, b, np.full(n, source), everyone])
    columns = np.concatenate([b, a, everyone, np.full(n, sink)])
    weights = np.concatenate([edge, edge, costs[1].ravel(), costs[0].ravel()])
    capacity = sparse.csr_matrix((np.round(SCALE * weights).astype(np.int32), (rows, columns)), (n + 2, n + 2))
    left = capacity - maximum_flow(capacity, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = np.zeros(n + 2, bool)
    reached[breadth_first_order(left, source, return_predecessors=False)] = True
    return reached[:n].reshape(height, width)
