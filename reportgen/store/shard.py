"""A shard: an uncompressed npz file with aligned members, which can be read with `np.load` or as a memory map.

The manual describes the layout (`shard-format.md`). A shard is written once and never changed. The archive's comment is
the SHA-256 of every byte before it, so a shard can be verified without another file.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import mmap
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.errors import CorruptError, StoreError
from reportgen.json_text import load_json
from reportgen.store.files import write_atomic

FORMAT = 2
ALIGNMENT = 64
"""Array data start at multiples of this many bytes: a cache line, and what NumPy pads its .npy headers to."""
ATTRIBUTES = ".attributes.json"
DIGEST = 64
"""Bytes of the digest at the end of the file: a SHA-256 in hex."""
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
LOCAL_HEADER = 30
"""Bytes of a zip member's local header without its name and padding (the "extra" field), which follow."""
TYPE = rb"[|<>][a-zA-Z]\d+"
FIELD = re.compile(rb"\('(?P<name>\w+)', '(?P<type>" + TYPE + rb")'(?:, \((?P<shape>[\d, ]*)\))?\)")
"""A field of a structured array: name, type, and its shape if it is an array itself."""
ARRAY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?P<length>..)\{'descr': (?:'(?P<type>" + TYPE + rb")'|\[(?P<fields>[^\]]+)\]), "
    rb"'fortran_order': False, 'shape': \((?P<shape>[\d, ]*)\), \} *\n",
    re.DOTALL,
)
"""The start of an .npy member as `encode` writes it.

NumPy reads it by `ast.literal_eval`, which in Python 3.11 raises a SystemError if the garbage collector lets another
thread call it in the middle of a call.
"""
DAMAGE_ERRORS = (
    ValueError, KeyError, TypeError, struct.error, zlib.error, zipfile.BadZipFile, NotImplementedError,
    RuntimeError, EOFError, RecursionError, SyntaxError, OverflowError,
)  # fmt: skip
"""Exceptions that zipfile, json and NumPy raise on a damaged file."""
PADDING_ID = 0xFFFF
"""Id of the zip "extra" field that holds the padding, as in Android's zipalign."""


def encode(arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> bytes:
    """Return the bytes of a shard. The same input gives the same bytes: members are sorted and have no time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            _add(archive, buffer, f"{name}.npy", _npy(arrays[name]))
        head = json.dumps({"format": FORMAT, **attributes}, sort_keys=True, allow_nan=False)
        _add(archive, buffer, ATTRIBUTES, head.encode())
        archive.comment = bytes(DIGEST)  # its length is part of the hashed bytes
    with buffer.getbuffer() as data:
        data[-DIGEST:] = hashlib.sha256(data[:-DIGEST]).hexdigest().encode()
    return buffer.getvalue()  # the buffer's own bytes: no copy


def _add(archive: zipfile.ZipFile, buffer: io.BytesIO, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, ZIP_EPOCH)
    info.external_attr = 0o644 << 16
    start = buffer.tell() + LOCAL_HEADER + len(name.encode())
    pad = -start % ALIGNMENT
    if pad:
        pad += ALIGNMENT if pad < 4 else 0  # the field's id and length take four bytes
        info.extra = struct.pack("<HH", PADDING_ID, pad - 4) + bytes(pad - 4)
    archive.writestr(info, data)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), (1, 0), allow_pickle=False)
    return buffer.getvalue()


def _shape(text: bytes | None) -> tuple[int, ...]:
    return tuple(int(side) for side in (text or b"").split(b",") if side.strip())


def _dtype(header: re.Match[bytes]) -> np.dtype[Any]:
    """Return the type that an `ARRAY_HEADER` states."""
    if header["type"]:
        return np.dtype(header["type"].decode())
    fields = list(FIELD.finditer(header["fields"]))
    if b", ".join(field[0] for field in fields) != header["fields"]:
        raise ValueError("a structured array has fields that are not plain")
    return np.dtype([(field["name"].decode(), field["type"].decode(), _shape(field["shape"])) for field in fields])


def write_shard(path: Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
    """Write a shard under its final name. Errors: OutputError."""
    write_atomic(path, encode(arrays, attributes))


class Shard:
    """A shard opened for reading: `shard["features/gap"]` is a read-only memory map of the array in the file.

    Opening reads the directory and the attributes; `verify` reads every byte. No memory is allocated on the strength of
    sizes that the file states, and nothing is unpickled. `digest`: the SHA-256 that the file states, in hex.
    Errors: CorruptError for anything that `encode` does not write; StoreError if the system cannot read the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._map = np.frombuffer(self._pages, np.uint8)
            with zipfile.ZipFile(path) as archive:
                infos = {info.filename: info for info in archive.infolist()}
                if len(archive.comment) != DIGEST:
                    raise ValueError("its end is missing")
                self.digest = archive.comment
                if len(infos) != len(archive.infolist()):
                    raise ValueError("two members have one name")
                head = self._bytes(infos.pop(ATTRIBUTES))
            self.attributes: dict[str, Any] = load_json(head.tobytes())
            if self.attributes["format"] != FORMAT:
                raise ValueError(f"format {self.attributes['format']!r} instead of {FORMAT}")
            self._members = {name: self._array(info) for name, info in infos.items()}
        except DAMAGE_ERRORS as error:
            raise self.corrupt(" ".join(str(error).split()) or type(error).__name__) from None
        except (OSError, MemoryError) as error:
            raise self._read_error(error) from None

    def corrupt(self, reason: str) -> CorruptError:
        """Return the error for a shard that is not what it should be."""
        return CorruptError(
            f"shard `{self.path.name}` is corrupt ({reason})", "run the same command again to recompute its images"
        )

    def _read_error(self, error: OSError | MemoryError) -> StoreError:
        reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        too_many_files = isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
        return StoreError(
            f"shard `{self.path}` cannot be read ({reason})",
            "each shard is an open file: raise the limit (`ulimit -Hn`)" if too_many_files else None,
        )

    def _bytes(self, info: zipfile.ZipInfo) -> np.ndarray:
        """Return a memory map of a member's bytes."""
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"member {info.filename!r} is compressed")
        name_length, extra_length = struct.unpack_from("<HH", self._map.data, info.header_offset + 26)
        start = info.header_offset + LOCAL_HEADER + name_length + extra_length
        if start + info.file_size > len(self._map):
            raise ValueError(f"member {info.filename!r} extends beyond the file")
        return self._map[start : start + info.file_size]

    def _array(self, info: zipfile.ZipInfo) -> np.ndarray:
        if not info.filename.endswith(".npy"):
            raise ValueError(f"member {info.filename!r} is not an array")
        member = self._bytes(info)
        header = ARRAY_HEADER.match(member[:65536].tobytes())
        if not header or header.end() != header.end("length") + int.from_bytes(header["length"], "little"):
            raise ValueError(f"member {info.filename!r} is not a plain array")
        shape, dtype = _shape(header["shape"]), _dtype(header)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or header.end() + size != len(member):
            raise ValueError(f"member {info.filename!r} is not a plain array of the stated size")
        return np.ndarray(shape, dtype, member[header.end() :]) if size else np.empty(shape, dtype)

    def verify(self) -> None:
        """Compare the digest with every byte of the file. Errors: CorruptError; StoreError if it cannot be read."""
        sha = hashlib.sha256()
        left = len(self._map) - DIGEST
        try:
            with open(self.path, "rb") as file:  # not the memory map, whose pages would count as this process's memory
                while left > 0 and (block := file.read(min(left, 1 << 20))):
                    sha.update(block)
                    left -= len(block)
                end = file.read()
        except (OSError, MemoryError) as error:
            raise self._read_error(error) from None
        if end != sha.hexdigest().encode():
            raise self.corrupt("its digest does not match")

    def release_pages(self) -> None:
        """Release the memory of mapped pages. Reading maps them again.

        The system maps a neighbourhood of every byte that is read, so a small shard is soon in memory as a whole.
        """
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self._pages.madvise(mmap.MADV_DONTNEED)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._members[f"{name}.npy"]

    def __contains__(self, name: str) -> bool:
        return f"{name}.npy" in self._members

    def names(self) -> list[str]:
        """Return the sorted slash paths of the arrays."""
        return sorted(member.removesuffix(".npy") for member in self._members)
