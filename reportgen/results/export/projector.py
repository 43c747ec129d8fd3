"""The features for TensorBoard's Embedding Projector, with labels and thumbnails, written without TensorBoard."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from reportgen.errors import OutputError
from reportgen.results.export.image_table import model_table
from reportgen.results.report import Model, Report

FEATURES = "features/code"
METADATA = ("name", "label", "kind", "class1", "score1", "findings")
"""Columns of the table of images that the projector shows, searches and colours by."""
MAX_SPRITE = 8192
"""Width and height in pixels that the projector accepts: browsers limit the size of a texture."""


def projector_files(report: Report) -> dict[str, bytes]:
    """Return `projector_config.pbtxt`, and for each network the features, metadata and thumbnails of the images.

    Those of the second network are `tensors-2.tsv`, `metadata-2.tsv` and `sprite-2.png`.
    Images with features that are not finite are left out. Errors: StoreError if the cache is missing or damaged;
    OutputError if no image has finite features.
    """
    files: dict[str, bytes] = {}
    entries = []
    for m, model in enumerate(report.models, 1):
        features = np.asarray(model[FEATURES])
        rows = np.flatnonzero(np.isfinite(features).all(1))
        if not len(rows):
            raise OutputError(f"`{model.name}` has no image with finite features", "export the report --to csv")
        sprite, side = _sprite(np.asarray(model["image/tiny"])[rows])
        suffix = f"-{m}" if m > 1 else ""
        names = (f"tensors{suffix}.tsv", f"metadata{suffix}.tsv", f"sprite{suffix}.png")
        contents = (_tensors(features[rows]), _metadata(report, model, rows), sprite)
        files |= zip(names, contents, strict=True)
        entries.append(_config(model.name, names, side))
    return {**files, "projector_config.pbtxt": "".join(entries).encode()}


def _tensors(features: np.ndarray) -> bytes:
    """The rows `(N, D)`, separated by tabs."""
    file = io.BytesIO()
    np.savetxt(file, features, "%.6g", "\t")
    return file.getvalue()


def _metadata(report: Report, model: Model, rows: np.ndarray) -> bytes:
    table = model_table(report, model)
    cells = zip(*(table[name][rows].tolist() for name in METADATA), strict=True)
    return "".join(_lines(cells)).encode()


def _lines(rows: Iterator[tuple[object, ...]]) -> Iterator[str]:
    """Names are printable, so that a cell has neither tabs nor newlines."""
    yield "\t".join(METADATA) + "\n"
    for row in rows:
        yield "\t".join("" if cell is None else str(cell) for cell in row) + "\n"


def _sprite(thumbnails: np.ndarray) -> tuple[bytes, int]:
    """Return a PNG of all thumbnails `(N, S, S, 3)`, row by row, and the side of each in it, which shrinks for many."""
    per_row = math.isqrt(len(thumbnails) - 1) + 1
    side = max(1, min(thumbnails.shape[1], MAX_SPRITE // per_row))
    sheet = Image.new("RGB", (per_row * side, math.ceil(len(thumbnails) / per_row) * side))
    for i, pixels in enumerate(thumbnails):
        row, column = divmod(i, per_row)
        sheet.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX), (column * side, row * side))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue(), side


def _config(model: str, names: tuple[str, str, str], side: int) -> str:
    """One entry of the protocol buffer `ProjectorConfig`, as text."""
    tensors, metadata, sprite = names
    return (
        "embeddings {\n"
        f"  tensor_name: {json.dumps(model, ensure_ascii=False)}\n"
        f'  tensor_path: "{tensors}"\n'
        f'  metadata_path: "{metadata}"\n'
        f'  sprite {{ image_path: "{sprite}" single_image_dim: {side} single_image_dim: {side} }}\n'
        "}\n"
    )
