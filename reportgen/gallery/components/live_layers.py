"""What the live page knows of the recorded layers: receptive fields, usual values and top patches of their units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.live_network import LiveNetwork
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.channel_maps import SIGNED_SHARE
from reportgen.gallery.components.image_figures import image_size
from reportgen.gallery.components.patch import crop_around, receptive_field_text, side_text
from reportgen.gallery.components.unit_figures import baseline_text
from reportgen.gallery.core.data_chunks import script
from reportgen.gallery.core.urls import layer_page
from reportgen.metrics.localization.boxes import to_image
from reportgen.metrics.top_patches import DEAD_RANGE

TOP_PATCHES = 4
"""Top patches of a unit: so many fit next to its map."""


def layers_chunk(audit: Audit, live: LiveNetwork) -> bytes:
    """The chunk `live-layers`, which `LiveLayersChunk` in `site/reportgen.d.ts` describes."""
    info = audit.main.info
    layers = info.layers
    baselines = [audit.main.unit_baselines[layer.name] for layer in layers]
    patches = [patch for layer in layers for patch in _top_patches(audit, layer)]
    columns = {
        "mean": _joined(mean for mean, _ in baselines),
        "deviation": _joined(deviation for _, deviation in baselines),
        "patch_image": np.array([images for images, _ in patches], np.int32).ravel(),
        "patch_crop": _joined(crops for _, crops in patches),
        "down": _joined(_intervals(layer)[0] for layer in layers),
        "across": _joined(_intervals(layer)[1] for layer in layers),
    }
    more: dict[str, Any] = {
        "layers": [_description(layer, live.output_of(layer.name)) for layer in layers],
        "patches": TOP_PATCHES,
        "baseline": baseline_text(audit),
        "dead_range": DEAD_RANGE,
        "signed_share": SIGNED_SHARE,
        "filters_of": "",
    }
    if info.filters is not None and info.filter_units and info.filters.shape[1] in (1, 3):
        columns["filters"] = info.filters.astype(np.float32).ravel()
        more |= {"filters_of": info.filter_units, "filter_shape": list(info.filters.shape[1:])}
    return script("live-layers", columns, {}, more)


def _description(layer: LayerInfo, output: str) -> dict[str, Any]:
    return {
        "name": layer.name,
        "output": output,
        "shape": list(layer.shape),
        "folder": layer_page(layer).removesuffix("index.html"),
        "field": receptive_field_text(layer),
        "is_effective": layer.effective_field is not None,
        "stride": side_text(layer.stride),
        "parameters": layer.parameters,
        "new_parameters": layer.new_parameters,
    }


def _intervals(layer: LayerInfo) -> tuple[np.ndarray, np.ndarray]:
    """The receptive fields of the rows `(h, 2)` and of the columns `(w, 2)` of a layer, in pixels of the input."""
    _, height, width = layer.shape
    down = np.array([layer.box(y * width)[[1, 3]] for y in range(height)])
    across = np.array([layer.box(x)[[0, 2]] for x in range(width)])
    return down, across


def _top_patches(audit: Audit, layer: LayerInfo) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Of each unit the images `(TOP_PATCHES,)` of its top patches, −1 for none, and the patches `(TOP_PATCHES, 3)`:
    left and upper edge and side in pixels of the image."""
    model = audit.main
    for unit in model.units[layer.name]:
        images, crops = np.full(TOP_PATCHES, -1), np.zeros((TOP_PATCHES, 3))
        for j, (i, where) in enumerate(zip(unit.images[:TOP_PATCHES].tolist(), unit.where.tolist(), strict=False)):
            box = to_image(layer.box(where), model.windows[i], model.info.input_size, model.sizes[i])
            images[j], crops[j] = i, crop_around(box, *image_size(model, i))[:3]
        yield images, crops


def _joined(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """All values of the arrays, one after the other, float32."""
    return np.concatenate([array.ravel() for array in arrays] or [np.zeros(0)]).astype(np.float32)
