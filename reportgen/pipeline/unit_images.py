"""What is computed from the top-activating images of units: a check of every top patch, and effective fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from reportgen.audit.model_info import LayerInfo
from reportgen.data.sampling import evenly_spaced
from reportgen.methods.effective_field import GradientMass, UnitPosition, central_interval
from reportgen.metrics.top_patches import Unit, differs_when_recomputed
from reportgen.pipeline.forward import ForwardPass
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress
from reportgen.store.table import Key

UNITS_PER_LAYER = 24
"""Units of a layer whose gradients give its effective receptive field, evenly over the layer."""
Units = Mapping[str, Sequence[Unit]]
"""The units of each layer, by the layer's name."""


def unconfirmed_patches(
    job: PerImageJob, layers: Sequence[LayerInfo], units: Units, progress: Progress
) -> frozenset[tuple[str, int, int]]:
    """(layer, unit, image) of the top patches whose value differs when their image is run alone, in a batch of one."""
    forward = ForwardPass(job.run.classifier, job.run.settings.layers, job.run.settings.precision)

    def compute(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        maxima = forward.maxima(torch.tensor(image.pixels)[None].to(job.device))
        return {f"units/{layer.name}/max": maxima[layer.name][0].cpu().numpy() for layer in layers}

    images = [unit.images for of_layer in units.values() for unit in of_layer]
    rows = np.unique(np.concatenate(images)).tolist() if images else []
    with progress("Checking top patches", len(rows), "images") as tick:
        results = job.compute("alone", {}, rows, compute, tick)
    found = set()
    for layer in layers:
        alone = np.asarray(results.table[f"units/{layer.name}/max"])
        for u, unit in enumerate(units[layer.name]):
            places = [j for j, image in enumerate(unit.images) if int(image) in results]
            again = np.array([alone[results.rows[int(unit.images[j])], u] for j in places])
            for j in np.flatnonzero(differs_when_recomputed(unit.values[places], again)):
                found.add((layer.name, u, int(unit.images[places[j]])))
    return frozenset(found)


def with_effective_fields(
    job: PerImageJob, layers: Sequence[LayerInfo], units: Units, progress: Progress
) -> Sequence[LayerInfo]:
    """The layers with their effective receptive fields, from the gradients of some units in their top images."""
    keys = job.table.keys
    asked: dict[Key, list[UnitPosition]] = {}
    row_of: dict[Key, int] = {}
    for number, layer in enumerate(layers):
        alive = [u for u, unit in enumerate(units[layer.name]) if len(unit.images) and not unit.is_dead]
        for u in evenly_spaced(alive, UNITS_PER_LAYER):
            row, where = int(units[layer.name][u].images[0]), int(units[layer.name][u].where[0])
            asked.setdefault(keys[row], []).append((number, u, where, layer.origin(where)))
            row_of.setdefault(keys[row], row)
    if not asked:
        return layers
    mass = GradientMass(job.run.classifier, [layer.name for layer in layers])

    def compute(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
        return {"field/mass": mass(x, asked[keys[row]])}

    rows = sorted(row_of.values())
    with progress("Measuring effective receptive fields", len(rows), "images") as tick:
        settings = {"units": [[list(key), units_asked] for key, units_asked in sorted(asked.items())]}
        results = job.compute("effective field", settings, rows, compute, tick)
    if not len(results.table):  # every file has changed: the analytic fields stay
        return layers
    total = np.asarray(results.table["field/mass"]).sum(0)
    fields = [(central_interval(down), central_interval(across)) for down, across in total]
    return [replace(layer, effective_field=field) for layer, field in zip(layers, fields, strict=True)]
