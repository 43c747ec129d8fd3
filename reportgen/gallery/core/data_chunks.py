"""Data for the browser: classic scripts of base64 typed columns, the one form that loads from file:// and loads fast.

A chunk is `reportgen.take(name, {n, columns: {key: [type, base64]}, texts: {key: "a\\nb"}, …})`; `data.js` decodes it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerCard
from reportgen.errors import OutputError
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.page_data import Link
from reportgen.gallery.core import labels as words
from reportgen.gallery.core.image_flags import MARKS, marks_of
from reportgen.gallery.core.urls import image_page, layer_page
from reportgen.store.files import write_atomic

TYPES = {"uint8": "u1", "int8": "i1", "uint16": "u2", "int16": "i2", "uint32": "u4", "int32": "i4", "float32": "f4"}
SHARE = 1000
"""Shares (probabilities, IoU) travel as whole thousandths; −1 says that there is none."""


def script(
    name: str, columns: Mapping[str, np.ndarray], texts: Mapping[str, Sequence[str]], more: Mapping[str, Any]
) -> bytes:
    """The bytes of one chunk. columns: arrays of one dtype of `TYPES`, sent little-endian; texts: one line a row."""
    packed = {
        key: [TYPES[array.dtype.name], base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()]
        for key, array in columns.items()
    }
    lines = {key: "\n".join(" ".join(text.splitlines()) for text in rows) for key, rows in texts.items()}
    body = {**more, "columns": packed, "texts": lines}
    return f"reportgen.take({json.dumps(name)}, {json.dumps(body, allow_nan=False, sort_keys=True)});\n".encode()


def write_chunk(site: Path, name: str, data: bytes) -> str:
    """Writes a chunk under `data/` with the digest of its bytes in its name; removes older ones; returns its URL."""
    url = _address(name, data)
    for old in (site / "data").glob(f"{name}.*.js"):
        if old.name != Path(url).name:
            old.unlink(missing_ok=True)
    _write_if_changed(site / url, data)
    return url


def kept_chunk(site: Path, name: str, made_of: str) -> str | None:
    """The URL of a chunk that a build before has written, if it is whole and says that it is `made_of` this."""
    for path in sorted((site / "data").glob(f"{name}.*.js")):
        data = path.read_bytes()
        if f"data/{path.name}" == _address(name, data) and f'"made_of": "{made_of}"'.encode() in data:
            return f"data/{path.name}"
    return None


def _address(name: str, data: bytes) -> str:
    return f"data/{name}.{hashlib.sha256(data).hexdigest()[:10]}.js"


def _write_if_changed(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)


def write_addresses(site: Path) -> None:
    """Writes `data/chunks.js`, which tells the addresses of all chunks and keeps its own: pages that find their data
    through it stay as they are when the data change."""
    urls = {path.name.split(".")[0]: f"data/{path.name}" for path in sorted((site / "data").glob("*.*.js"))}
    _write_if_changed(site / "data" / "chunks.js", script("chunks", {}, {}, {"urls": urls}))


def switch_chunk(pages: Iterable[Link], classes: Iterable[tuple[str, str]], layers: Iterable[LayerCard]) -> bytes:
    """What the quick switcher knows beside the images: pages and classes, and layers with their number of units."""
    more = {
        "pages": [[page.label, page.url] for page in pages],
        "classes": list(classes),
        "layers": [[layer.name, layer_page(layer).removesuffix("index.html"), layer.shape[0]] for layer in layers],
    }
    return script("switch", {}, {}, more)


def read_chunk(site: Path, name: str) -> dict[str, Any]:
    """A chunk as it was written, its columns still packed. Errors: OutputError where there is none."""
    found = sorted((site / "data").glob(f"{name}.*.js"))
    if len(found) != 1:
        raise OutputError(f"`{site}` has no data of its {name}", "build the report again")
    text = found[0].read_text("utf-8")
    body: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return body


def images_chunk(audit: Audit, cards: Sequence[Figure]) -> bytes:
    """What the table of images and the review know of every image. cards: one a sample, in order."""
    c, where = audit.classification, audit.localization
    shares = np.full(len(audit.samples), -1.0) if where is None else np.where(where.judged, where.best[:, 0], -1.0)
    kinds = list(words.KIND_WORDS)
    columns = {
        "label": audit.labels.astype(np.int16 if len(audit.classes) < 2**15 else np.int32),
        "predicted": c.top[:, 0].astype(np.int16 if len(audit.classes) < 2**15 else np.int32),
        "score": np.round(SHARE * np.nan_to_num(c.scores[:, 0])).astype(np.int16),
        "iou": np.where(shares < 0, -1, np.round(SHARE * shares)).astype(np.int16),
        "marked": marks_of(audit),
        "kind": np.array([kinds.index(kind) for kind in audit.kinds], np.uint8),
        "width": audit.sizes[:, 0].astype(np.int32),
        "height": audit.sizes[:, 1].astype(np.int32),
    }
    texts = {
        "id": [identity.decode()[:16] for identity in audit.store["samples/id"]],
        "name": [sample.name for sample in audit.samples],
        "page": [image_page(audit, i) for i in range(len(audit.samples))],
        "photo": [card.picture.url for card in cards],
        "layer": [card.overlay.url if card.overlay else "" for card in cards],
    }
    used = sorted({*audit.labels[audit.labels >= 0].tolist(), *c.top[:, 0].tolist()})
    more = {
        "n": len(audit.samples),
        "title": audit.title,
        "report": audit.card.weights_digest[:16],  # a review is of this network's maps: it outlives a mended label
        "kinds": [[kind, words.KIND_WORDS[kind]] for kind in kinds],
        "marks": list(MARKS.items()),
        "classes": {str(k): audit.classes[k] for k in used},
    }
    return script("images", columns, texts, more)


def maps_chunk(audit: Audit) -> bytes:
    """Every image's top-1 map in eight bits on its own scale, what the network saw, and the true boxes."""
    maps = np.where(np.isfinite(audit.cams[:, 0]), audit.cams[:, 0], 0).astype(np.float64)
    low, high = maps.min((1, 2)), maps.max((1, 2))
    span = np.where(high > low, high - low, 1)[:, None, None]
    columns = {
        "grid": np.round(255 * (maps - low[:, None, None]) / span).astype(np.uint8).ravel(),
        "low": low.astype(np.float32),
        "high": high.astype(np.float32),
        "window": audit.windows.astype(np.float32).ravel(),
    }
    boxes = [";".join(",".join(f"{v:.1f}" for v in box) for box in sample.boxes) for sample in audit.samples]
    return script("maps", columns, {"true": boxes}, {"shape": list(maps.shape[1:]), "input": audit.card.input_size})
