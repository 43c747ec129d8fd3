"""The units that were asked for: what each prefers, found by optimisation, and why its top patches excite it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reportgen.audit.audit import Audit, Preferred
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.methods.feature_visualization import RECIPE, Probe
from reportgen.models.classifier import Classifier
from reportgen.models.layers import Layer, choose_layers
from reportgen.pipeline.extraction import Progress
from reportgen.pipeline.forward import evaluating
from reportgen.pipeline.image_loader import look_again
from reportgen.store.table import Key, Store

Arrays = dict[str, np.ndarray]


def asked_units(network: AuditConfig, classifier: Classifier) -> list[tuple[Layer, int]]:
    """The layers and units that `synthesize` names. Errors: ConfigError for one that is not there, or has no page."""
    asked = []
    for text in dict.fromkeys(network.synthesize):
        name, _, number = text.rpartition(":")
        if not name or not number.isdecimal():
            raise ConfigError(f"`synthesize` says `{text}`", "name a unit as `layer4:12`: a layer, a colon, a number")
        (layer,) = choose_layers(classifier.trunk, classifier.head, [name])
        looked_at = choose_layers(classifier.trunk, classifier.head, network.layers)
        if layer not in looked_at and layer.name != classifier.maps_layer:
            raise ConfigError(f"`synthesize` names layer `{name}`, whose units have no pages", "add it to `layers`")
        if int(number) >= layer.shape[0]:
            raise ConfigError(f"`{name}` has no unit {number}", f"its units are 0 to {layer.shape[0] - 1}")
        asked.append((layer, int(number)))
    return asked


def synthesized(
    audit: Audit, classifier: Classifier, network: AuditConfig, out: Path, progress: Progress
) -> dict[tuple[str, int], Preferred]:
    """Of each unit that was asked for what it prefers and the guided gradients of its top patches, computed or found in
    their stores."""
    asked = asked_units(network, classifier)
    if not asked:
        return {}
    base = {**audit.store.settings, "aliases": {}}
    optimised = Store(out / "cache", {**base, "look": "preferred", **RECIPE})
    explained = Store(out / "cache", {**base, "look": "guided patches", "top": network.top_patches})
    ids = [identity.decode() for identity in np.asarray(audit.store["samples/id"]).tolist()]
    found = {}
    about = f"Synthesizing, {RECIPE['steps']} steps a unit"
    with evaluating(classifier), progress(about, len(asked), "units") as tick:
        for layer, u in asked:
            probe, unit = Probe(classifier, layer), audit.units[layer.name][u]
            tops = list(zip(unit.images.tolist(), unit.where.tolist(), strict=True))
            of = [layer.name, u, [(ids[i], where) for i, where in tops]]
            row = _kept(optimised, of[:2], partial(probe.preferred, u))
            gradients = _kept(explained, of, partial(_gradients, audit, classifier, network, probe, u, tops, ids))
            found[layer.name, u] = Preferred(
                row["preferred/picture"],
                float(row["preferred/reached"]),
                int(row["preferred/where"]),
                gradients["guided/picture"][: len(tops)],
            )
            tick()
    return found


def _gradients(
    audit: Audit,
    classifier: Classifier,
    network: AuditConfig,
    probe: Probe,
    u: int,
    tops: Sequence[tuple[int, int]],
    ids: Sequence[str],
) -> Arrays:
    """`guided/picture` `(k, S, S, 3)` uint8 of a unit's k top patches (image, where); grey where there are fewer.

    ids: of all images the digests of their bytes.
    """
    side = classifier.preprocessing.size
    pictures = np.full((network.top_patches, side, side, 3), 128, np.uint8)
    for j, (i, where) in enumerate(tops):
        image = look_again(audit.samples[i], ids[i], classifier.preprocessing, network.resize, network.decode)
        if image is not None:
            pictures[j] = probe.guided_gradient(torch.tensor(image.pixels)[None], u, where)
    return {"guided/picture": pictures}


def _kept(store: Store, of: Any, compute: Callable[[], Arrays]) -> Arrays:
    """The store's row for what this is of, computed if it is not there."""
    key: Key = (hashlib.sha256(json.dumps(of).encode()).hexdigest(), -1)
    if key not in store:
        arrays = {name: np.asarray(array)[None] for name, array in compute().items()}
        store.commit(arrays | {"samples/id": np.array([key[0]], "S64"), "samples/label": np.array([key[1]], np.int32)})
    store.select([key])
    return {name: store[name][0] for name in store.names()}
