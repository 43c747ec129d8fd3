"""Results of occlusion of one image, for the sections that draw them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.draw.raster import GridPlacement


def occlusion_of_image(audit: Audit, i: int) -> Mapping[str, np.ndarray] | None:
    """The arrays of image i by the last part of their names; None for an image that was not selected."""
    if i not in audit.main.selected_images("occlusion"):
        return None
    return {
        path.removeprefix("occlusion/"): array
        for path, array in audit.main.selected["occlusion"].of_image(i).items()
        if path.startswith("occlusion/")
    }


def occlusion_centres(audit: Audit) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the square's centre, in pixels of the network's input."""
    settings = audit.main.selected["occlusion"].table.settings
    rows, columns = (np.array(settings[axis]) + settings["side"] / 2 for axis in ("rows", "columns"))
    return rows, columns


def occlusion_place(audit: Audit, i: int) -> GridPlacement:
    """Where the positions of the square are on image i."""
    rows, columns = occlusion_centres(audit)
    return GridPlacement(rows, columns, audit.main.info.input_size, audit.main.windows[i], audit.main.sizes[i])
