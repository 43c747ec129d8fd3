"""Photographs as the test of background reliance shows them to the network."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from reportgen.draw.tiles import CARD_SIZE
from reportgen.metrics.background import BLURRED, alter, without_object


def altered_photograph(photograph: bytes, boxes: Sequence[Sequence[float]], size: tuple[int, int], shown: int) -> bytes:
    """Return a JPEG file of a photograph without its objects, or, for `BLURRED`, with its background blurred.

    boxes: x0, y0, x1, y1 of the objects in pixels of the image of this width and height.
    """
    with Image.open(io.BytesIO(photograph)) as picture:
        scale = min(1.0, max(side / length for side, length in zip(CARD_SIZE, picture.size, strict=True)))
        width, height = (max(1, round(length * scale)) for length in picture.size)
        pixels = np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    on_object = np.zeros((height, width), bool)
    for box in boxes:
        x0, y0, x1, y1 = (np.array(box) * np.tile((width / size[0], height / size[1]), 2)).round().astype(int).clip(0)
        on_object[y0:y1, x0:x1] = True
    whole = on_object.all()
    changed = pixels if whole else without_object(pixels, on_object)
    if shown == BLURRED:
        changed = alter(pixels, on_object, np.zeros(3, np.uint8))[BLURRED]
    buffer = io.BytesIO()
    Image.fromarray(changed.transpose(1, 2, 0)).save(buffer, "JPEG", quality=75)
    return buffer.getvalue()
