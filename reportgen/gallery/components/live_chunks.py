"""What the live page loads: the runtime, the network and the network's inputs of some images, as chunks of data."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.audit.live_network import LiveNetwork
from reportgen.embedding.compressed_rows import compress_rows
from reportgen.gallery.components.live_layers import layers_chunk
from reportgen.gallery.core.assets import vendored
from reportgen.gallery.core.data_chunks import chunk_of_inputs, script, write_chunk
from reportgen.gallery.core.manifest import code_digest, digest_of

PART_BYTES = 12_000_000
"""Bytes of a chunk before base64, which makes them 16 MB: less than `MAX_CHUNK`."""
MAX_COMPARED = 50_000
"""Images that the page searches for the nearest ones."""
IMAGES_PER_CHUNK = 16
"""Inputs that are loaded together."""
NO_MAP = (
    "The head of this network is not pooling and one linear layer. Its activation maps need a gradient (Grad-CAM), "
    "which cannot be exported for the page."
)
Column = Callable[[], Mapping[str, np.ndarray]]


def write_live_chunks(site: Path, audit: Audit, live: LiveNetwork) -> int:
    """Write the chunks `live`, `live-runtime`, `live-features`, `live-layers`, `live-network-…` and `live-inputs-…`.

    Returns their total size in bytes. Errors: OutputError.
    """
    parts = _network_chunks(site, live)
    urls = [
        *_runtime_chunk(site),
        *parts,
        *_input_chunks(site, audit, live),
        *_features_chunk(site, audit, live),
        *write_chunk(site, "live-layers", layers_chunk(audit, live)),
        *write_chunk(site, "live", _description(audit, live, len(parts))),
    ]
    remove_live_chunks(site, urls)
    return sum((site / url).stat().st_size for url in urls)


def remove_live_chunks(site: Path, current: Collection[str] = ()) -> None:
    """Remove the chunks of the live page whose URLs are not among these."""
    for path in (site / "data").glob("live*.js"):
        if f"data/{path.name}" not in current:
            path.unlink(missing_ok=True)


def _description(audit: Audit, live: LiveNetwork, parts: int) -> bytes:
    """The chunk `live`, which `LiveChunk` in `site/reportgen.d.ts` describes."""
    info = audit.main.info
    columns = {
        "rows": np.array(sorted(live.inputs), np.int32),
        "windows": audit.main.windows.astype(np.float32).ravel(),
        "sizes": np.asarray(audit.main.table["samples/size"], np.int32).ravel(),
    }
    more = {
        "graph_size": live.graph_size,
        "weights": live.weights,
        "is_half": live.half is not None,
        "network_parts": parts,
        "per_chunk": IMAGES_PER_CHUNK,
        "feature_shape": list(info.feature_shape),
        "has_gradient": live.has_gradient,
        "layers": len(info.layers),
        "no_map": NO_MAP,
        "occlusion": asdict(live.occlusion),
        "preprocessing": asdict(live.preprocessing),
    }
    return script("live", columns, {"classes": list(audit.classes)}, more)


def _features_chunk(site: Path, audit: Audit, live: LiveNetwork) -> list[str]:
    """The features by which the report compares images, and the output of the network that they come from."""
    rows = compress_rows(audit.feature_space.rows, MAX_COMPARED, audit.cache)
    columns = {name: getattr(rows, name).ravel() for name in ("mean", "axes", "steps", "values", "index")}
    output, pooled = feature_output(audit, live)
    return write_chunk(
        site, "live-features", script("live-features", columns, {}, {"output": output, "pooled": pooled})
    )


def feature_output(audit: Audit, live: LiveNetwork) -> tuple[str, str]:
    """The output of the live network that has an audit's features, and how its maps become features: "", `mean` or
    `max`."""
    kind, _, name = audit.feature_source.array.partition("/")
    if kind == "units":
        return live.output_of(name.removesuffix("/max")), "max"
    return {"gap": ("maps", "mean"), "gmp": ("maps", "max")}.get(name, ("features", ""))


def _runtime_chunk(site: Path) -> list[str]:
    """ONNX Runtime Web and its licence."""
    wasm, glue = vendored("ort-wasm-simd-threaded.wasm.gz"), gzip.compress(vendored("ort.js"), 9, mtime=0)
    texts = {"licence": vendored("LICENSE.txt").decode().splitlines()}
    return _chunk(
        site, "live-runtime", digest_of(wasm, glue, texts), lambda: {"wasm": _bytes(wasm), "glue": _bytes(glue)}, texts
    )


def _network_chunks(site: Path, live: LiveNetwork) -> list[str]:
    """The network, compressed, in as many parts as it needs."""
    parts = [live.packed[start : start + PART_BYTES] for start in range(0, len(live.packed), PART_BYTES)]
    names = [f"live-network-{i}" for i in range(len(parts))]
    chunks = (script(name, {"bytes": _bytes(part)}, {}, {}) for name, part in zip(names, parts, strict=True))
    return [url for name, chunk in zip(names, chunks, strict=True) for url in write_chunk(site, name, chunk)]


def _input_chunks(site: Path, audit: Audit, live: LiveNetwork) -> list[str]:
    """The inputs as lossless WebP files, so that the page gives the network the very pixels that the job gave it."""
    rows, digests = sorted(live.inputs), np.asarray(audit.main.table["samples/id"])
    urls = []
    for number, start in enumerate(range(0, len(rows), IMAGES_PER_CHUNK)):
        own = rows[start : start + IMAGES_PER_CHUNK]
        inputs = digest_of(code_digest(), audit.main.table.fingerprint, digests[own])

        def files(own: list[int] = own) -> dict[str, np.ndarray]:
            pictures = [_lossless(live.inputs.of_image(row)["input/pixels"]) for row in own]
            return {
                "bytes": _bytes(b"".join(pictures)),
                "ends": np.cumsum([len(picture) for picture in pictures]).astype(np.uint32),
            }

        urls += _chunk(site, f"live-inputs-{number}", inputs, files)
    return urls


def _chunk(site: Path, name: str, inputs: str, columns: Column, texts: Mapping[str, Any] | None = None) -> list[str]:
    """Write a chunk unless an earlier build wrote it from the same inputs, and return its URLs."""
    if url := chunk_of_inputs(site, name, inputs):
        return [url]
    return write_chunk(site, name, script(name, columns(), texts or {}, {"inputs": inputs}))


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def _lossless(pixels: np.ndarray) -> bytes:
    """`(C, H, W)` uint8, C is 3 or 1, as a WebP file with these pixels in RGB."""
    image = Image.fromarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0).copy())
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, quality=50, method=2)
    return buffer.getvalue()
