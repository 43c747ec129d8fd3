"""Access to Parquet and Arrow files. pyarrow is optional, and imported only when such a file is read."""

from __future__ import annotations

import importlib
import json
import os
import stat
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from reportgen.data.decoding import read_bytes
from reportgen.data.files import cause, one_line
from reportgen.errors import DataError, ImageError

PARQUET_ENDINGS = (".parquet", ".pq")
ENDINGS = (*PARQUET_ENDINGS, ".arrow")
IMAGE_COLUMNS = ("image", "img")
"""Names of a column of images, if it has bytes."""
_LOCK = threading.Lock()
"""Held while a file is read: pyarrow's readers are not for several threads."""


def is_columnar(path: Path) -> bool:
    """Whether a file name ends like a Parquet or Arrow file."""
    return path.suffix.lower() in ENDINGS


@dataclass(frozen=True)
class ImageCell:
    """An image in a cell of a Parquet or Arrow file: its bytes, or a struct of bytes and path as `datasets` writes.

    row: from 0, within the file.
    """

    column: str
    row: int

    def read(self, path: Path) -> bytes:
        """Return the image's bytes; without bytes in the cell, those of the file that it names. Errors: ImageError.

        Of a Parquet file, the whole group of rows is decompressed; the last two are kept.
        """
        try:
            version = os.stat(path).st_mtime_ns
            with _LOCK:
                file = _opened(path, version)
                values, at = file.images(self.column, self.row)
            value = values[at].as_py()
        except (OSError, ValueError, LookupError, DataError) as error:  # pyarrow's exceptions are OSError or ValueError
            raise ImageError(f"`{one_line(path.name)}` row {self.row + 1} cannot be read: {cause(error)}") from None
        found, name = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if found is None and name:
            return read_bytes(path.parent / name)
        if found is None:
            raise ImageError(f"`{one_line(path.name)}` row {self.row + 1} has no image")
        return bytes(found)


class ColumnFile:
    """A Parquet file, or an Arrow file or stream, which is mapped to memory. Errors: DataError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parquet: Any = None
        self._table: Any = None
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise OSError("not a regular file")
            if path.suffix.lower() in PARQUET_ENDINGS:
                self._parquet = _module("parquet").ParquetFile(path, memory_map=True)
                metadata = self._parquet.metadata
                sizes = (metadata.row_group(k).num_rows for k in range(metadata.num_row_groups))
                self._starts = list(accumulate(sizes, initial=0))
                self.schema, self.rows = self._parquet.schema_arrow, metadata.num_rows
            else:
                self._table = _read_arrow(path)
                self.schema, self.rows = self._table.schema, self._table.num_rows
        except (OSError, ValueError) as error:  # pyarrow's exceptions are OSError or ValueError
            raise self._unreadable(error) from None

    @property
    def plain_columns(self) -> list[str]:
        """Names of the columns of text, numbers and the like."""
        return [f.name for f in self.schema if not (f.type.num_fields or "binary" in str(f.type))]

    def list_columns(self, names: Sequence[str]) -> list[str]:
        """Those of these columns that are lists of text, numbers and the like."""
        fields = (self.schema.field(name) for name in names if name in self.schema.names)
        return [f.name for f in fields if "list" in str(f.type).split("<")[0] and not f.type.value_type.num_fields]

    @property
    def image_column(self) -> str | None:
        """Name of the column of images, or None: that of `datasets`, else one of structs with bytes, or of bytes."""
        described = [name for name, feature in self.features.items() if feature.get("_type") == "Image"]
        structs = [f.name for f in self.schema if "bytes" in _children(f.type)]
        plain = [f.name for f in self.schema if f.name in IMAGE_COLUMNS and "binary" in str(f.type)]
        return next((name for name in (*described, *structs, *plain) if name in self.schema.names), None)

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """The description of each column by `datasets`; none if another program wrote the file."""
        try:
            features = json.loads((self.schema.metadata or {})[b"huggingface"])["info"]["features"]
            return {name: value for name, value in features.items() if isinstance(value, dict)}
        except (KeyError, ValueError, TypeError, AttributeError):
            return {}

    def label_names(self, column: str) -> tuple[str, ...] | None:
        """Return the class names of a column of `datasets`' class numbers, or of lists of them; None for others."""
        feature = self.features.get(column, {})
        feature = feature["feature"] if isinstance(feature.get("feature"), dict) else feature
        names = feature.get("names")
        return tuple(map(str, names)) if feature.get("_type") == "ClassLabel" and isinstance(names, list) else None

    def cells(self, columns: Sequence[str], image: str | None = None) -> Iterator[tuple[dict[str, Any], str]]:
        """Yield the values of each row in some plain columns, and the path in its image's cell ("" for none).

        The images' bytes are not read. Errors: DataError.
        """
        named = image is not None and "path" in _children(self.schema.field(image).type)
        try:
            for batch in self._batches([*columns, *([f"{image}.path"] if named else [])], image if named else None):
                paths = batch.column(image).field("path").to_pylist() if named else [""] * batch.num_rows
                for row, path in zip(batch.select(list(columns)).to_pylist(), paths, strict=True):
                    yield row, path or ""
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None

    def images(self, column: str, row: int) -> tuple[Any, int]:
        """Return an array of cells of a column, and the position of a row in it. Errors: LookupError, OSError, …"""
        if not 0 <= row < self.rows:
            raise IndexError(f"the file has {self.rows} rows")
        if self._table is not None:
            return self._table.column(column), row
        group = bisect_right(self._starts, row) - 1
        return self._group(group, column), row - self._starts[group]

    @lru_cache(maxsize=2)  # noqa: B019 (`_opened` keeps few files)
    def _group(self, group: int, column: str) -> Any:
        return self._parquet.read_row_group(group, [column], use_threads=False).column(column)

    def _batches(self, columns: list[str], image: str | None) -> Iterator[Any]:
        if self._parquet is not None:
            yield from self._parquet.iter_batches(columns=columns, use_threads=False)
        else:
            whole = [name for name in columns if name in self.schema.names]
            yield from self._table.select([*whole, *([image] if image else [])]).to_batches(max_chunksize=10_000)

    def _unreadable(self, error: BaseException) -> DataError:
        return DataError(f"table `{one_line(str(self._path))}` cannot be read: {cause(error)}")


@lru_cache(maxsize=4)
def _opened(path: Path, version: int) -> ColumnFile:
    """The open file. version: its time of change, so that a replaced file is opened again."""
    return ColumnFile(path)


def _read_arrow(path: Path) -> Any:
    """Return the table of an Arrow stream, which `datasets` writes, or of an Arrow file."""
    ipc, memory_map = _module("ipc"), importlib.import_module("pyarrow").memory_map(str(path))
    try:
        return ipc.open_stream(memory_map).read_all()
    except ValueError:
        memory_map.seek(0)
        return ipc.open_file(memory_map).read_all()


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"pyarrow.{name}")
    except ImportError:
        raise DataError("Parquet and Arrow files need an extra", "pip install 'reportgen[parquet]'") from None


def _children(type_: Any) -> list[str]:
    """Return the names of a struct's fields."""
    return [type_.field(k).name for k in range(type_.num_fields)] if str(type_).startswith("struct") else []
