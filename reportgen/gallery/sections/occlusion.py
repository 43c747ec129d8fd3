"""A square hides one part after the other: what the network then answers (Zeiler & Fergus 2014, Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.config import GREY
from reportgen.draw.raster import KINDS, REST, Place, draw_kinds, draw_values
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.components.grid_values import cells, kinds, numbers
from reportgen.gallery.components.image_figures import photograph, the_image
from reportgen.gallery.core.media import Album, Media

ARITHMETIC = {
    "bfloat16": "all was computed in bfloat16",
    "8 bits": "what the square changes was rounded to 8 bits before the large convolutions",
}
"""What a page says of the arithmetic of the fast way; nothing of float32."""


def draw(audit: Audit, album: Album, i: int | None) -> Section | None:
    """The probability of the class, the most probable class, and the strongest unit's total, by the square's place."""
    assert i is not None
    row = row_of(audit, i)
    if row is None or not all(np.isfinite(row[name]).all() for name in ("probability", "score", "total")):
        return None
    settings = audit.looks["occlusion"].store.settings
    name = audit.classes[int(row["subject"])]
    clean, clean_total = (float(v) for v in row["clean"])
    first = row["class"][..., 0]
    ranks, order = kinds_of(first)
    high, most = float(max(row["probability"].max(), clean)), float(max(row["total"].max(), clean_total))
    place = place_of(audit, i)
    layer, unit = audit.card.maps_layer, int(row["unit"])
    figures = [
        the_image(audit, album, i),
        _figure(
            audit, album, i, album.draw(draw_values, row["probability"], 0, high, place), f"Probability of {name}",
            f"{row['probability'].min():.2f} to {row['probability'].max():.2f}", f"Whole image: {clean:.2f}.",
        ),
        _figure(
            audit, album, i, album.draw(draw_kinds, ranks, place), "Most probable class", "",
            "Where it changes, the square hides what the answer rests on.",
        ),
        _figure(
            audit, album, i, album.draw(draw_values, row["total"], 0, most, place), f"Unit {unit} of {layer}",
            f"{row['total'].min():.3g} to {row['total'].max():.3g}",
            f"Total of the last convolution's strongest unit. Whole image: {clean_total:.3g}.",
        ),
    ]  # fmt: skip
    colours = [*KINDS, REST]
    legend = [(colours[min(n, len(KINDS))], audit.classes[k]) for n, k in enumerate(order[: len(KINDS) + 1])]
    if len(order) > len(KINDS) + 1:
        legend[-1] = (REST, f"{len(order) - len(KINDS)} others")
    side = settings["side"]
    caption = (
        f"A square of {side} × {side} pixels in {fill_in_words(settings)} hides a part of the network's input; each "
        "point of a map is the answer with the square centred there. Dark in the second map: hiding this place takes "
        "the probability away. "
    )
    caption += _how(settings)
    return Section(
        "occlusion", "With a part hidden", caption, figures, "four", ("0", f"{high:.2f}"), _data(audit, i, row), legend
    )


def fill_in_words(settings: Mapping[str, Any]) -> str:
    return "grey" if tuple(settings["fill"]) == GREY else "the data set's mean colour"


def _how(settings: Mapping[str, Any]) -> str:
    """How it was computed, in words."""
    said = (
        f"Computed in full for every place: {settings['note']}."
        if settings["note"]
        else "Computed exactly, only where the square changes something."
    )
    if "shortcut" not in settings:
        return said
    step, share, cap = (settings["shortcut"][name] for name in ("step", "share", "cap"))
    done = [f"the square stood at every {('', 'second', 'third', 'fourth')[step - 1]} place"] if step > 1 else []
    done += [f"then at {share:.0%} of the others, where its neighbours differ most"] if share else []
    done += [f"its effect was followed over at most {cap:.0%} of a map's side"] if cap < 1 else []
    done += [ARITHMETIC[settings["arithmetic"]]] if settings["arithmetic"] in ARITHMETIC else []
    how = "; ".join(done)
    return (
        f"Computed approximately: {how}. On {settings['trials']} images the map of the probability had a structural "
        f"similarity of at least {settings['similarity']:.3f} with the exact one."
    )


def row_of(audit: Audit, i: int) -> Mapping[str, np.ndarray] | None:
    """What is kept of image i's occlusion, by the last part of the arrays' names; None for an image not looked at."""
    look = audit.looks.get("occlusion")
    if look is None or i not in look.rows:
        return None
    names = ("subject", "clean", "probability", "class", "score", "unit", "total")
    return {name: np.asarray(look.store[f"occlusion/{name}"][look.rows[i]]) for name in names}


def place_of(audit: Audit, i: int) -> Place:
    """Where the square's places lie on image i."""
    settings = audit.looks["occlusion"].store.settings
    rows, columns = (np.array(settings[axis]) + settings["side"] / 2 for axis in ("rows", "columns"))
    return Place(rows, columns, audit.card.input_size, audit.windows[i], audit.sizes[i])


def kinds_of(classes: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The grid with each class replaced by its rank by area, and the classes in that order; ties: the lower class."""
    found, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    order = np.lexsort((found, -counts))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse.reshape(classes.shape)], [int(k) for k in found[order]]


def _figure(audit: Audit, album: Album, i: int, layer: Media, title: str, value: str, caption: str) -> Figure:
    return Figure(
        picture=photograph(audit, album, i),
        alt=f"{audit.samples[i].name}: {title.lower()}",
        size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
        overlay=layer,
        title=title,
        value=value,
        caption=caption,
    )


def _data(audit: Audit, i: int, row: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the browser needs to show the square where it stood, the classes there, and the maps' values."""
    settings = audit.looks["occlusion"].store.settings
    classes = np.unique(row["class"])
    ranks, order = kinds_of(row["class"][..., 0])
    rows, columns = (np.array(settings[axis]) + settings["side"] / 2 for axis in ("rows", "columns"))
    layers = [numbers(row["probability"]), kinds(ranks, [audit.classes[k] for k in order]), numbers(row["total"])]
    return {
        "size": audit.sizes[i].tolist(),
        "window": [round(float(v), 2) for v in audit.windows[i]],
        "input": audit.card.input_size,
        "side": settings["side"],
        "rows": settings["rows"],
        "columns": settings["columns"],
        "names": [audit.classes[int(k)] for k in classes],
        "classes": np.searchsorted(classes, row["class"]).reshape(-1, row["class"].shape[-1]).tolist(),
        "scores": np.round(100 * row["score"].astype(np.float64))
        .astype(int)
        .reshape(-1, row["score"].shape[-1])
        .tolist(),
        "cells": cells(rows, columns, audit.card.input_size, layers),
    }


VIEW = View(
    name="occlusion",
    label="Occlusion",
    scope="image",
    order=30,
    about="The class's probability, the most probable class and the strongest unit while a square hides a part.",
    needs=("occlusion/probability", "occlusion/class", "occlusion/total"),
    draw=draw,
)
