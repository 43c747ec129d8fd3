"""Boxes from saliency maps by GraphCut colour segmentation (Simonyan et al. 2014, section 3.2)."""

from __future__ import annotations

import numpy as np

from reportgen.metrics.localization.boxes import EIGHT_NEIGHBOURS, NO_BOX

FOREGROUND_QUANTILE, BACKGROUND_QUANTILE = 0.95, 0.30
"""Quantiles of saliency: pixels above the first and below the second train the two colour models."""
N_GAUSSIANS = 5
EDGE_WEIGHT = 50.0
"""Gaussians of a colour model, and weight of edges: those of GrabCut (Rother et al. 2004); the paper states none."""
CAPACITY_SCALE = 100
"""Capacities are integers: hundredths."""


def graphcut_box(saliency: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Return the box `(4,)` float64 of the largest connected component of the foreground, half-open.

    saliency: `(H, W)`, not negative; picture: `(H, W, 3)` uint8, the network's input. The box is NaN if the saliency is
    constant or not finite.
    """
    from scipy import ndimage

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
    """Return the foreground `(H, W)` bool by a minimum cut (Boykov & Jolly 2001).

    The cost of a pixel is the negative log likelihood of its colour in either model; that of separated neighbours is
    EDGE_WEIGHT × exp(−|difference|² / 2 mean |difference|²). As in the paper, training pixels may change sides.
    """
    colours = picture.astype(np.float64) / 255
    foreground = saliency >= np.quantile(saliency, FOREGROUND_QUANTILE)
    background = saliency <= np.quantile(saliency, BACKGROUND_QUANTILE)
    costs = np.stack([-_log_likelihood(colours, mask) for mask in (foreground, background)])
    costs -= costs.min(0)  # only the difference matters, and capacities must not be negative
    return _minimum_cut(costs, colours)


def _log_likelihood(colours: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the log likelihood `(H, W)` of each pixel's colour in a Gaussian mixture fitted on the mask."""
    from sklearn.mixture import GaussianMixture

    training = colours[mask]
    n_colours = len(np.unique(training, axis=0))
    mixture = GaussianMixture(min(N_GAUSSIANS, n_colours), reg_covar=1e-4, random_state=0).fit(training)
    log_likelihood: np.ndarray = mixture.score_samples(colours.reshape(-1, 3)).reshape(mask.shape)
    return log_likelihood


def _minimum_cut(costs: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return the foreground `(H, W)` bool. costs: `(2, H, W)` of each pixel in the foreground and in the background."""
    from scipy import sparse
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    height, width = costs.shape[1:]
    n = height * width
    index = np.arange(n).reshape(height, width)
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    a, b = (np.concatenate([pair[k].ravel() for pair in pairs]) for k in (0, 1))
    flat = colours.reshape(n, 3)
    difference = ((flat[a] - flat[b]) ** 2).sum(1)
    edge = EDGE_WEIGHT * np.exp(-difference / (2 * max(difference.mean(), 1e-12)))
    source, sink = n, n + 1
    pixels = index.ravel()
    rows = np.concatenate([a, b, np.full(n, source), pixels])
    columns = np.concatenate([b, a, pixels, np.full(n, sink)])
    weights = np.concatenate([edge, edge, costs[1].ravel(), costs[0].ravel()])
    capacity = sparse.csr_matrix((np.round(CAPACITY_SCALE * weights).astype(np.int32), (rows, columns)), (n + 2, n + 2))
    residual = capacity - maximum_flow(capacity, source, sink).flow
    residual.data[residual.data < 0] = 0
    residual.eliminate_zeros()
    reachable = np.zeros(n + 2, bool)
    reachable[breadth_first_order(residual, source, return_predecessors=False)] = True
    return reachable[:n].reshape(height, width)
