"""What is computed from the top-activating images of units: a check of every top patch, and effective fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.audit.model_info import LayerInfo, ModelInfo
from reportgen.data.sampling import evenly_spaced
from reportgen.methods.effective_field import GradientMass, UnitPosition, central_interval
from reportgen.metrics.top_patches import Unit, differs_when_recomputed
from reportgen.pipeline.extraction import forward_pass
from reportgen.pipeline.image_loader import NetworkInput
from reportgen.pipeline.per_image import Compute, PerImageJob, PerImageMethod
from reportgen.pipeline.work import Work
from reportgen.store.per_image import PerImageResults
from reportgen.store.table import Key

MAX_CHECKED = 64
"""Images with top patches that are run again, evenly over the data set."""
UNITS_PER_LAYER = 24
"""Units of a layer whose gradients give its effective receptive field, evenly over the layer."""
BACKWARD_PASSES = 3
"""What a gradient costs, in forward passes."""
Units = Mapping[str, Sequence[Unit]]
"""The units of each layer, by the layer's name."""


def top_patches_work(job: PerImageJob, layers: Sequence[LayerInfo], units: Units) -> Work:
    """The values of some of the images with top patches, each run alone; its fields are `unconfirmed_patches`."""

    def prepare() -> Compute:
        forward = forward_pass(job.run.classifier, job.run.settings)

        def compute(row: int, image: NetworkInput, x: Tensor) -> Mapping[str, np.ndarray]:
            maxima = forward.maxima(torch.tensor(image.pixels)[None].to(job.device))
            return {f"units/{layer.name}/max": maxima[layer.name][0].cpu().numpy() for layer in layers}

        return compute

    def show(results: Sequence[PerImageResults]) -> Mapping[str, Any]:
        return {"unconfirmed_patches": _unconfirmed(results[0], layers, units)}

    images = [unit.images for of_layer in units.values() for unit in of_layer]
    rows = evenly_spaced(np.unique(np.concatenate(images)).tolist(), MAX_CHECKED) if images else []

    def open_methods() -> list[PerImageMethod]:
        return [job.method("alone", {}, prepare)]

    return Work(["the check of top patches"], rows, len(rows), open_methods, show, is_limited=False, passes=1)


def _unconfirmed(
    results: PerImageResults, layers: Sequence[LayerInfo], units: Units
) -> frozenset[tuple[str, int, int]]:
    """(layer, unit, image) of the top patches whose value differs when their image is run alone, in a batch of one."""
    if not len(results.table):
        return frozenset()
    found = set()
    for layer in layers:
        alone = np.asarray(results.table[f"units/{layer.name}/max"])
        for u, unit in enumerate(units[layer.name]):
            places = [j for j, image in enumerate(unit.images) if int(image) in results]
            again = np.array([alone[results.rows[int(unit.images[j])], u] for j in places])
            for j in np.flatnonzero(differs_when_recomputed(unit.values[places], again)):
                found.add((layer.name, u, int(unit.images[places[j]])))
    return frozenset(found)


def effective_fields_work(job: PerImageJob, info: ModelInfo, layers: Sequence[LayerInfo], units: Units) -> Work:
    """The effective receptive fields of some layers, from the gradients of some units in their top images.

    Its field is the network's description with them, as soon as all images are done.
    """
    keys = job.table.keys
    asked: dict[Key, list[UnitPosition]] = {}
    row_of: dict[Key, int] = {}
    for number, layer in enumerate(layers):
        alive = [u for u, unit in enumerate(units[layer.name]) if len(unit.images) and not unit.is_dead]
        for u in evenly_spaced(alive, UNITS_PER_LAYER):
            row, where = int(units[layer.name][u].images[0]), int(units[layer.name][u].where[0])
            asked.setdefault(keys[row], []).append((number, u, where, layer.origin(where)))
            row_of.setdefault(keys[row], row)
    settings = {"units": [[list(key), units_asked] for key, units_asked in sorted(asked.items())]}

    def prepare() -> Compute:
        mass = GradientMass(job.run.classifier, [layer.name for layer in layers])
        return lambda row, image, x: {"field/mass": mass(x, asked[keys[row]])}

    def show(results: Sequence[PerImageResults]) -> Mapping[str, Any]:
        (found,) = results
        if not len(found.table) or work.waiting:  # if every file has changed, the analytic fields stay
            return {}
        total = np.asarray(found.table["field/mass"]).sum(0)
        fields = [(central_interval(down), central_interval(across)) for down, across in total]
        field_of = {layer.name: field for layer, field in zip(layers, fields, strict=True)}
        measured = [replace(layer, effective_field=field_of.get(layer.name)) for layer in info.layers]
        return {"info": replace(info, layers=measured)}

    def open_methods() -> list[PerImageMethod]:
        return [job.method("effective field", settings, prepare)]

    rows = sorted(row_of.values())
    passes = BACKWARD_PASSES * len(layers)
    work = Work(["effective receptive fields"], rows, len(rows), open_methods, show, is_limited=False, passes=passes)
    return work
