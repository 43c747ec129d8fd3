"""The figures that several views share: a photograph, a map over it, boxes on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from reportgen.audit.audit import LABEL, Audit
from reportgen.audit.reference import Reference
from reportgen.draw.overlay import draw_overlay, draw_strip, part_of_strip
from reportgen.gallery.components.figure import Figure, Mark
from reportgen.gallery.core.media import Album, Media
from reportgen.gallery.core.urls import image_page


def highest(maps: np.ndarray) -> float:
    """The largest finite value of some maps, for the end of their scale; 0 where none is positive."""
    return float(np.max(maps, initial=0, where=np.isfinite(maps)))


def photograph(of: Audit | Reference, album: Album, i: int) -> Media:
    """The picture of image i."""
    return album.once((of.store.fingerprint, of.store.keys[i]), lambda: of.picture(i))


def map_layer(audit: Audit, album: Album, i: int, column: int, top: float) -> Media | None:
    """The map in a column of `cam/map` over image i, `top` getting the last colour; None where there is no evidence:
    no positive value, or a value that is not a number."""
    if audit.cam_classes[i, column] < 0:
        return None
    size = (int(audit.sizes[i, 0]), int(audit.sizes[i, 1]))
    return layer_over(album, audit.cams[i, column], top, size, audit.windows[i].tolist())


def top_layers(audit: Audit, album: Album, i: int, top: float) -> list[dict[str, Any]]:
    """`overlay` and `part` of a figure for each of the most probable classes' maps over image i, all in one picture;
    nothing where there is no evidence."""
    maps = audit.cams[i, :-1]
    shown = [j for j, map_ in enumerate(maps) if _is_evidence(map_)]
    if not shown:
        return [{}] * len(maps)
    size = (int(audit.sizes[i, 0]), int(audit.sizes[i, 1]))
    strip = album.draw(draw_strip, maps[shown], top, size, audit.windows[i].tolist())
    return [
        {"overlay": strip, "part": part_of_strip(shown.index(j), size)} if j in shown else {} for j in range(len(maps))
    ]


def _is_evidence(map_: np.ndarray) -> bool:
    return bool(np.isfinite(map_).all() and map_.max() > 0)


def layer_over(
    album: Album, map_: np.ndarray, top: float, size: tuple[int, int], window: Sequence[float]
) -> Media | None:
    """A map `(h, w)` over an image of this size, of which the network saw the window."""
    if not _is_evidence(map_):
        return None
    return album.draw(draw_overlay, map_, top, size, window)


def mark(kind: Literal["true", "found"], box: np.ndarray) -> Mark:
    """A box x0 y0 x1 y1 to be drawn."""
    x0, y0, x1, y1 = (float(v) for v in box)
    return Mark(kind, round(x0, 1), round(y0, 1), round(x1 - x0, 1), round(y1 - y0, 1))


def marks(audit: Audit, i: int, column: int) -> list[Mark]:
    """The true boxes of image i, and the box of one of its maps."""
    boxes = [mark("true", box) for box in audit.samples[i].boxes]
    if audit.localization is not None and not np.isnan(audit.localization.boxes[i, column]).any():
        boxes.append(mark("found", audit.localization.boxes[i, column]))
    return boxes


def the_image(audit: Audit, album: Album, i: int) -> Figure:
    """Image i itself, to stand beside what is drawn of it."""
    size = (int(audit.sizes[i, 0]), int(audit.sizes[i, 1]))
    return Figure(photograph(audit, album, i), audit.samples[i].name, size, title="The image")


def card(audit: Audit, album: Album, i: int, top: float | None = None, column: int = 0) -> Figure:
    """A small figure of image i that leads to its page. Without `top` the map is on its own scale."""
    k = int(audit.cam_classes[i, column])
    if column == LABEL and k < 0:
        column, k = 0, int(audit.cam_classes[i, 0])
    top = highest(audit.cams[i, column]) if top is None else top
    label = audit.samples[i].label
    name = audit.classes[label] if label is not None else audit.classes[int(audit.classification.top[i, 0])]
    value = ""
    if audit.localization is not None and audit.localization.judged[i]:
        value = f"IoU {audit.localization.best[i, column]:.2f}"
    return Figure(
        picture=photograph(audit, album, i),
        alt=f"{audit.samples[i].name} with the activation map of {audit.classes[k]}",
        size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
        overlay=map_layer(audit, album, i, column, top),
        title=name,
        value=value,
        caption=f"read as {audit.classes[int(audit.classification.top[i, 0])]}" if audit.kinds[i] == "class" else "",
        href=image_page(audit, i),
        kind=audit.kinds[i],
    )
