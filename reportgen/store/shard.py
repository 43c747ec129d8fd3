"""A shard: one uncompressed npz whose members are aligned, so that `np.load` reads it and a memory map can, too.

The layout, key by key, is in the manual (`shard-format.md`). A shard is written once and never changed; its member
`.attributes.json` holds the SHA-256 of every array, so that a shard proves itself without a file beside it.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import StoreError
from reportgen.store.files import write_atomic

FORMAT = 1
ALIGN = 64
"""Array data start at multiples of this many bytes (a cache line; what NumPy's own .npy header pads to)."""
ATTRIBUTES = ".attributes.json"
EPOCH = (1980, 1, 1, 0, 0, 0)
LOCAL_HEADER = 30
"""Bytes of a zip member's fixed local header; name and padding ("extra") follow."""
DAMAGE = (
    OSError, ValueError, KeyError, TypeError, struct.error, zlib.error, zipfile.BadZipFile, NotImplementedError,
    RuntimeError, EOFError, RecursionError,
)  # fmt: skip
"""What zipfile, json and NumPy raise on a damaged file."""
PADDING_ID = 0xFFFF
"""Id of the zip "extra" field that holds the padding, as the zipalign tool of Android pads."""


def encode(arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> bytes:
    """The bytes of a shard: members in sorted order, stored, no time of day; the same input gives the same bytes."""
    members = {f"{name}.npy": _npy(arrays[name]) for name in sorted(arrays)}
    proof = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    head = {"format": FORMAT, "sha256": proof, **attributes}
    members[ATTRIBUTES] = json.dumps(head, sort_keys=True, allow_nan=False).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            start = buffer.tell() + LOCAL_HEADER + len(name.encode())
            pad = -start % ALIGN
            if pad:
                pad += ALIGN if pad < 4 else 0  # the field's own id and length take four bytes
                info.extra = struct.pack("<HH", PADDING_ID, pad - 4) + bytes(pad - 4)
            archive.writestr(info, data)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def write_shard(path: Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
    """Commits a shard under its final name. Errors: OutputError."""
    write_atomic(path, encode(arrays, attributes))


class Shard:
    """A shard open for reading: `shard["features/gap"]` is a read-only memory map of the array in the file.

    Opening reads the directory and the attributes; `verify` reads every byte. Errors: StoreError, for anything that is
    not exactly what `encode` writes; nothing is allocated by what a file claims, and nothing is unpickled.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._map: np.ndarray = np.memmap(path, np.uint8, "r")
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
                self.attributes: dict[str, Any] = json.loads(archive.read(ATTRIBUTES))
            self._members = {info.filename: self._array(info) for info in infos if info.filename != ATTRIBUTES}
            proof = self.attributes["sha256"]
            if self.attributes["format"] != FORMAT:
                raise ValueError(f"format {self.attributes['format']}, not {FORMAT}")
            if len(infos) != len(proof) + 1 or set(self._members) != set(proof):
                raise ValueError("its members are not those it lists")
        except DAMAGE as error:
            raise StoreError(
                f"shard `{path.name}` is corrupt ({' '.join(str(error).split()) or type(error).__name__})",
                "run the same command again to recompute its images",
            ) from None

    def _array(self, info: zipfile.ZipInfo) -> np.ndarray:
        if info.compress_type != zipfile.ZIP_STORED or not info.filename.endswith(".npy"):
            raise ValueError(f"member {info.filename!r} is not a stored array")
        name_length, extra_length = struct.unpack_from("<HH", self._map.data, info.header_offset + 26)
        start = info.header_offset + LOCAL_HEADER + name_length + extra_length
        stop = start + info.file_size
        if stop > len(self._map):
            raise ValueError(f"member {info.filename!r} ends behind the file")
        header = io.BytesIO(self._map[start : min(stop, start + 4096)].tobytes())
        version = np.lib.format.read_magic(header)
        if version != (1, 0):
            raise ValueError(f"member {info.filename!r} has npy version {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(header)
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or fortran or start + header.tell() + size != stop:
            raise ValueError(f"member {info.filename!r} is not a plain array of its size")
        data = self._map[start + header.tell() : stop]
        return np.ndarray(shape, dtype, data) if size else np.empty(shape, dtype)

    def verify(self) -> None:
        """Reads every byte and compares the digests. Errors: StoreError."""
        for name, array in self._members.items():
            if hashlib.sha256(_npy(array)).hexdigest() != self.attributes["sha256"][name]:
                raise StoreError(
                    f"shard `{self.path.name}` is corrupt (bad digest in `{name}`)",
                    "run the same command again to recompute its images",
                )

    def __getitem__(self, name: str) -> np.ndarray:
        return self._members[f"{name}.npy"]

    def __contains__(self, name: str) -> bool:
        return f"{name}.npy" in self._members

    def names(self) -> list[str]:
        """The slash paths of its arrays."""
        return sorted(member.removesuffix(".npy") for member in self._members)
