"""The image with the map that the verdict rests on, and its boxes."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import LABEL, Audit
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.components.image_figures import highest, marks, photograph, top_layers
from reportgen.gallery.core.media import Album
from reportgen.metrics.localization.ilsvrc import THRESHOLD


def draw(audit: Audit, album: Album, i: int | None) -> Section:
    """The top-1 class's map, its box, and the true boxes; all stored maps go along for the browser."""
    assert i is not None
    top = highest(audit.cams[i])
    name = audit.classes[int(audit.cam_classes[i, 0])]
    boxes = marks(audit, i, 0)
    figure = Figure(
        picture=photograph(audit, album, i),
        alt=f"{audit.samples[i].name} with the activation map of {name}",
        size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
        marks=boxes,
        kind=audit.kinds[i],
        **top_layers(audit, album, i, top)[0],
    )
    return Section(
        "localization",
        "",
        _caption(audit, i, name),
        [figure],
        "hero",
        ("0", f"{top:.1f}{audit.card.unit}"),
        data(audit, i),
    )


def _caption(audit: Audit, i: int, name: str) -> str:
    units = ", in logit units" if audit.card.unit else ""
    text = f"{audit.card.map_name} of {name}{units}; zero and below are clear."
    if audit.localization is None or np.isnan(audit.localization.boxes[i, 0]).any():
        return text
    text += f" The dashed box goes round its largest region above {THRESHOLD:.0%} of its maximum"
    if not audit.localization.judged[i]:
        return text + "."
    return text + f"; the solid one is true. They share {audit.localization.best[i, 0]:.2f} of their union."


def data(audit: Audit, i: int) -> dict:
    """The raw grids of image i: the top classes, and the label where it is not among them."""
    classes = audit.cam_classes[i]
    columns = list(range(len(classes) - 1))
    if classes[LABEL] >= 0 and classes[LABEL] not in classes[:-1]:
        columns.append(len(classes) - 1)
    maps = np.where(np.isfinite(audit.cams[i]), audit.cams[i], 0).astype(np.float64).round(3)
    return {
        "size": audit.sizes[i].tolist(),
        "window": [round(float(v), 2) for v in audit.windows[i]],
        "input": audit.card.input_size,
        "threshold": THRESHOLD,
        "unit": audit.card.unit,
        "true": [[round(float(v), 1) for v in box] for box in audit.samples[i].boxes],
        "maps": [
            {
                "name": audit.classes[int(classes[j])],
                "grid": maps[j].tolist(),
            }
            for j in columns
        ],
    }


VIEW = View(
    name="localization",
    label="Localization",
    scope="image",
    order=10,
    about="The image with its top class's activation map, the box of that map, and the true boxes.",
    needs=("cam/map", "cam/class"),
    draw=draw,
)
