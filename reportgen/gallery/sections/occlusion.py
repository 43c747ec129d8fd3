"""Occlusion sensitivity: scores while a square occludes one part after the other (Zeiler & Fergus 2014, Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.config import GREY
from reportgen.draw.raster import CATEGORY_COLOURS, OTHER_COLOUR, draw_categories, draw_values
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.grid_values import categories, cells, numbers
from reportgen.gallery.components.image_figures import image_figure, image_size, photograph
from reportgen.gallery.components.occlusion_maps import occlusion_centres, occlusion_of_image, occlusion_place
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media, MediaFile
from reportgen.gallery.core.registry import section

ARITHMETIC = {
    "bfloat16": "everything was computed in bfloat16",
    "8 bits": "what the square changes was rounded to 8 bits before the large convolutions",
}
"""Arithmetic of an approximation → how the page describes it; nothing for float32."""
ORDINALS = ("", "", "second", "third", "fourth")


@section(
    "image",
    order=30,
    requires=("occlusion/probability", "occlusion/class", "occlusion/total"),
    layer="Occlusion sensitivity",
    about="The class's probability, the predicted class and the strongest unit by the position of an occluding square.",
)
def occlusion(audit: Audit, media: Media, i: int) -> Section | None:
    """Three maps by the square's position: probability of the class, predicted class, total of the strongest unit."""
    arrays = occlusion_of_image(audit, i)
    if arrays is None or not all(np.isfinite(arrays[name]).all() for name in ("probability", "score", "total")):
        return None
    name = audit.classes[int(arrays["subject"])]
    probability, total = arrays["probability"], arrays["total"]
    clean, clean_total = (float(v) for v in arrays["clean"])
    ranks, order = rank_by_area(arrays["class"][..., 0])
    high, high_total = float(max(probability.max(), clean)), float(max(total.max(), clean_total))
    place = occlusion_place(audit, i)
    unit = f"Unit {int(arrays['unit'])} of {audit.main.info.feature_layer}"

    def figure(picture: MediaFile, title: str, value: str, caption: str) -> Figure:
        return Figure(
            picture=photograph(audit.main, media, i),
            alt=f"{audit.samples[i].name}: {title.lower()}",
            size=image_size(audit.main, i),
            overlay=picture,
            title=title,
            value=value,
            caption=caption,
        )

    figures = [
        image_figure(audit.main, media, i),
        figure(
            media.draw(draw_values, probability, 0, high, place),
            f"Probability of {name}",
            f"{probability.min():.2f} to {probability.max():.2f}",
            f"Dark: occluding this position lowers the probability. Without the square: {clean:.2f}.",
        ),
        figure(
            media.draw(draw_categories, ranks, place),
            "Predicted class",
            "",
            "Where the colour changes, the prediction depends on the occluded part.",
        ),
        figure(
            media.draw(draw_values, total, 0, high_total, place),
            unit,
            f"{total.min():.3g} to {total.max():.3g}",
            f"Sum over the feature map of the strongest unit. Without the square: {clean_total:.3g}.",
        ),
    ]
    settings = audit.main.selected["occlusion"].table.settings
    side = settings["side"]
    caption = (
        f"A square of {side} × {side} pixels in {fill_text(settings)} occludes a part of the network's input. Each "
        f"point of a map shows the result with the square centred there. {_computation_text(settings, arrays)}"
    )
    return Section(
        "Occlusion sensitivity",
        caption,
        figures,
        "four",
        ("0", f"{high:.2f}"),
        _data(audit, i, arrays),
        _legend(audit, order),
    )


def fill_text(settings: Mapping[str, Any]) -> str:
    """The colour of the square."""
    return "grey" if tuple(settings["fill"]) == GREY else "the data set's mean colour (rounded)"


def _legend(audit: Audit, order: Sequence[int]) -> list[tuple[str, str]]:
    """(colour, class) of the map of the predicted class; classes without a colour of their own share one."""
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


def _data(audit: Audit, i: int, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the browser needs to show the square, the scores at its position, and the values of the maps."""
    settings = audit.main.selected["occlusion"].table.settings
    classes, top = np.unique(arrays["class"]), arrays["class"].shape[-1]
    ranks, order = rank_by_area(arrays["class"][..., 0])
    percent = np.round(100 * arrays["score"].astype(np.float64)).astype(int)
    layers = [
        numbers(arrays["probability"]),
        categories(ranks, [audit.classes[k] for k in order]),
        numbers(arrays["total"]),
    ]
    return {
        "size": audit.main.sizes[i].tolist(),
        "window": [round(float(v), 2) for v in audit.main.windows[i]],
        "input": audit.main.info.input_size,
        "side": settings["side"],
        "rows": settings["rows"],
        "columns": settings["columns"],
        "names": [audit.classes[int(k)] for k in classes],
        "classes": np.searchsorted(classes, arrays["class"]).reshape(-1, top).tolist(),
        "scores": percent.reshape(-1, top).tolist(),
        "cells": cells(*occlusion_centres(audit), audit.main.info.input_size, layers),
    }
