"""t-SNE of 20,000 features of 2,048 numbers, compared with openTSNE with its defaults.

Both begin with the features: neighbours, initial positions and optimization are all in the time. openTSNE gets the same
number of threads (its own default is one). Gate: our trustworthiness is at least the peer's, less 0.01.
"""

from __future__ import annotations

import numpy as np
import openTSNE
import torch

from benchmarks.made_up_features import made_up_features
from benchmarks.timing import OURS, Result, measure, table
from reportgen.embedding.map_quality import measure_qualities
from reportgen.embedding.projections import principal_components, tsne
from reportgen.embedding.space import Space


def run(quick: bool) -> Result:
    """20,000 features, 1 round; `quick`: 1,500 features."""
    features, labels = made_up_features(1_500 if quick else 20_000)
    maps: dict[str, np.ndarray] = {}

    def ours() -> None:
        maps[OURS] = tsne(Space.of(features), principal_components(features))

    def peer() -> None:
        maps["opentsne"] = np.asarray(openTSNE.TSNE(n_jobs=torch.get_num_threads(), random_state=0).fit(features))

    timings = measure({OURS: ours, "opentsne": peer}, 1)
    space = Space.of(features)
    quality = dict(zip(maps, measure_qualities(space, list(maps.values()), labels), strict=True))
    lines = [f"{len(features):,} features of {features.shape[1]:,}", *table(timings)]
    lines += [
        f"{name}: trustworthiness {q.trustworthiness:.4f}, neighbours preserved {q.preservation:.3f}, "
        f"kNN accuracy {q.accuracy.value:.3f}"
        for name, q in quality.items()
        if q and q.accuracy
    ]
    found = [quality[name] for name in (OURS, "opentsne")]
    gate = found[0] is not None and found[1] is not None and found[0].trustworthiness >= found[1].trustworthiness - 0.01
    return Result({"opentsne": timings.ratio("opentsne")}, gate, lines)
