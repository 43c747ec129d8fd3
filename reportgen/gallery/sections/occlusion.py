"""Occlusion sensitivity: scores while a square occludes one part after the other (Zeiler & Fergus 2014, Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.config import GREY
from reportgen.draw.raster import CATEGORY_COLOURS, OTHER_COLOUR, draw_categories, draw_signed
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.grid_values import categories, cells, numbers
from reportgen.gallery.components.image_figures import image_size, photograph
from reportgen.gallery.components.occlusion_maps import occlusion_centres, occlusion_of_image, occlusion_place
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section
from reportgen.metrics.class_evidence import occlusion_drop
from reportgen.metrics.formatting import minus_signs

Draw = tuple[Any, ...]
"""A function of `draw/raster.py` with its arguments but for the placement."""
ARITHMETIC = {
    "bfloat16": "everything was computed in bfloat16",
    "8 bits": "what the square changes was rounded to 8 bits before the large convolutions",
}
"""Arithmetic of an approximation → how the page describes it; nothing for float32."""
LEAST_DROP = 0.005
"""A change of the probability that two decimals show: where no position reaches it, there is no picture."""
ORDINALS = ("", "", "second", "third", "fourth")


@section(
    "image",
    order=30,
    requires=("occlusion/probability", "occlusion/class", "occlusion/total"),
    layer="Occlusion sensitivity",
    about="Drop of the class's probability, predicted class and strongest unit by the position of an occluding square.",
    multilabel=True,
)
def occlusion(audit: Audit, media: Media, i: int) -> Section | None:
    """By the square's position: drop of the class's probability, predicted class, drop of the strongest unit's sum.

    A map without a visible change is a sentence instead.
    """
    arrays = occlusion_of_image(audit, i)
    if arrays is None or not all(np.isfinite(arrays[name]).all() for name in ("probability", "score", "total")):
        return None
    maps, constant = _maps(audit, arrays), _constant_texts(audit, arrays)
    figures = [_figure(audit, media, i, *map_) for map_ in maps]
    settings = audit.main.selected["occlusion"].table.settings
    side = settings["side"]
    caption = (
        f"{' '.join(constant)} A square of {side} × {side} pixels in {fill_text(settings)} occludes a part of the "
        "network's input. Each point of a map shows the result with the square centred there. "
        f"{_computation_text(settings, arrays)}"
    )
    limit = float(np.abs(_probability_drop(arrays)).max())
    return Section(
        "Occlusion sensitivity",
        caption.strip(),
        figures,
        "three",
        (f"rises by {limit:.2f}", f"falls by {limit:.2f}") if limit >= LEAST_DROP else None,
        _data(audit, i, arrays, [cells for *_, cells in maps]),
        _legend(audit, arrays),
        colours="diverging",
    )


def _probability_drop(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    return occlusion_drop(float(arrays["clean"][0]), arrays["probability"])


def _changes_class(arrays: Mapping[str, np.ndarray]) -> bool:
    return len(np.unique(arrays["class"][..., 0])) > 1


def _maps(audit: Audit, arrays: Mapping[str, np.ndarray]) -> list[tuple[Draw, str, str, str, dict[str, Any]]]:
    """How to draw each map that has a change, its title, value and caption, and its numbers for the browser."""
    name, (clean, clean_total) = audit.classes[int(arrays["subject"])], (float(v) for v in arrays["clean"])
    drop, total_drop = _probability_drop(arrays), occlusion_drop(clean_total, arrays["total"])
    limit, total_limit = (float(np.abs(grid).max()) for grid in (drop, total_drop))
    maps: list[tuple[Draw, str, str, str, dict[str, Any]]] = []
    if limit >= LEAST_DROP:
        text = (
            f"Orange: occluding this position lowers the probability; blue: raises it. Whole image: {clean:.2f}, with "
            f"the square: {arrays['probability'].min():.2f} to {arrays['probability'].max():.2f}."
        )
        maps.append(
            ((draw_signed, drop, limit), f"Drop of the probability of {name}", _span(drop, ".2f"), text, numbers(drop))
        )
    if _changes_class(arrays):
        ranks, order = rank_by_area(arrays["class"][..., 0])
        names = [audit.classes[k] for k in order]
        text = "Where the colour changes, the prediction depends on the occluded part."
        maps.append(((draw_categories, ranks), "Predicted class", "", text, categories(ranks, names)))
    if total_limit > 0:
        unit = f"Drop of unit {int(arrays['unit'])} of {audit.main.info.feature_layer}"
        text = f"Sum over the feature map of the strongest unit. Whole image: {clean_total:.3g}."
        maps.append(((draw_signed, total_drop, total_limit), unit, _span(total_drop, ".3g"), text, numbers(total_drop)))
    return maps


def _constant_texts(audit: Audit, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """A sentence for each map that would have one colour."""
    texts, positions = [], arrays["probability"].size
    if float(np.abs(_probability_drop(arrays)).max()) < LEAST_DROP:
        texts.append(
            f"At none of the {positions} positions does the square change the probability of "
            f"{audit.classes[int(arrays['subject'])]} by {LEAST_DROP} or more; it is {float(arrays['clean'][0]):.2f}."
        )
    if not _changes_class(arrays):
        predicted = audit.classes[int(arrays["class"].flat[0])]
        texts.append(f"The predicted class is {predicted} at all {positions} positions of the square.")
    return texts


def _span(drop: np.ndarray, digits: str) -> str:
    return minus_signs(f"{drop.min():{digits}} to {drop.max():{digits}}")


def _figure(audit: Audit, media: Media, i: int, draw: Draw, title: str, value: str, caption: str, _: object) -> Figure:
    return Figure(
        picture=photograph(audit.main, media, i),
        alt=f"{audit.samples[i].name}: {title.lower()}",
        size=image_size(audit.main, i),
        overlay=media.draw(*draw, occlusion_place(audit, i)),
        title=title,
        value=value,
        caption=caption,
    )


def fill_text(settings: Mapping[str, Any]) -> str:
    """The colour of the square."""
    return "grey" if tuple(settings["fill"]) == GREY else "the data set's mean colour (rounded)"


def _legend(audit: Audit, arrays: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """(colour, class) of the map of the predicted class; classes without a colour of their own share one."""
    if not _changes_class(arrays):
        return []
    _, order = rank_by_area(arrays["class"][..., 0])
    colours = [*CATEGORY_COLOURS, OTHER_COLOUR]
    legend = [(colour, audit.classes[k]) for colour, k in zip(colours, order, strict=False)]
    if len(order) > len(colours):
        legend[-1] = (OTHER_COLOUR, f"{len(order) - len(CATEGORY_COLOURS)} other classes")
    return legend


def _computation_text(settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """How the maps were computed."""
    if not arrays["approximate"]:
        if settings["note"]:
            return f"Computed in full for every position: {settings['note']}."
        return "Computed exactly, only where the square changes something."
    step, share, cap = int(arrays["step"]), float(arrays["share"]), float(arrays["cap"])
    steps = [f"the square was at every {ORDINALS[step]} position"] if step > 1 else []
    if share:
        steps.append(f"then at {100 * share:.0f} % of the other positions, where neighbouring results differ most")
    if cap < 1:
        steps.append(f"its effect was followed over at most {100 * cap:.0f} % of a feature map's side")
    arithmetic = arrays["arithmetic"].item().decode()
    if arithmetic in ARITHMETIC:
        steps.append(ARITHMETIC[arithmetic])
    return (
        f"Computed approximately: {'; '.join(steps)}. On the calibration images, the map of the probability had a "
        f"structural similarity (SSIM) of at least {arrays['similarity']:.3f} with the exact one."
    )


def rank_by_area(classes: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The grid with each class replaced by its rank by area, and the classes in that order; ties: the lower class."""
    unique, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    order = np.lexsort((unique, -counts))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse.reshape(classes.shape)], [int(k) for k in unique[order]]


def _data(audit: Audit, i: int, arrays: Mapping[str, np.ndarray], layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the browser needs to show the square, the scores at its position, and the values of the maps."""
    settings = audit.main.selected["occlusion"].table.settings
    classes, top = np.unique(arrays["class"]), arrays["class"].shape[-1]
    percent = np.round(100 * arrays["score"].astype(np.float64)).astype(int)
    return {
        "size": audit.main.sizes[i].tolist(),
        "window": [round(float(v), 2) for v in audit.main.windows[i]],
        "input": audit.main.info.input_size[::-1],
        "side": settings["side"],
        "rows": settings["rows"],
        "columns": settings["columns"],
        "names": [audit.classes[int(k)] for k in classes],
        "classes": np.searchsorted(classes, arrays["class"]).reshape(-1, top).tolist(),
        "scores": percent.reshape(-1, top).tolist(),
        "cells": cells(*occlusion_centres(audit), audit.main.info.input_size, layers),
    }
