"""Score maps made elsewhere: a folder with one `.npy` file for each image."""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from reportgen.data.files import cause, one_line, read_regular
from reportgen.data.samples import RejectedInput, Sample
from reportgen.errors import DataError


@dataclass(frozen=True)
class ScoreMaps:
    """The score maps of a data set, all of one shape.

    files:  name of the image → its file, and the SHA-256 of the file's bytes.
    digest: SHA-256 of all names and files, part of the key of stored results.
    """

    files: Mapping[str, tuple[Path, str]]
    digest: str

    def read(self, name: str) -> np.ndarray:
        """Return the map `(h, w)` float32 of an image; zeros, which give no box, if it is constant or not finite.

        Errors: DataError if the file has changed since it was listed.
        """
        path, expected = self.files[name]
        try:
            data = read_regular(path)
        except OSError as error:
            raise DataError(f"score map `{one_line(str(path))}` cannot be read: {cause(error)}") from None
        if hashlib.sha256(data).hexdigest() != expected:
            raise DataError(f"score map `{one_line(str(path))}` changed during the run", "run the same command again")
        map_ = _parse(data)
        return np.zeros_like(map_) if _why_without_box(map_) else map_


def list_score_maps(folder: Path, samples: Sequence[Sample]) -> tuple[ScoreMaps, list[RejectedInput]]:
    """Return the score maps of the images that have one, and what is wrong with the files.

    The map of `a/b.jpg` is `a/b.jpg.npy` or `a/b.npy` in the folder. A map that is missing, cannot be read or has
    another shape than most is left out; one that is constant or not finite is kept, and has no box.
    Errors: DataError if the folder is missing, or no image has a map.
    """
    shown = f"`{one_line(str(folder))}`"
    if not folder.is_dir():
        raise DataError(f"`maps` is {shown}, which is not a folder", "a function is named with `map_function`")
    files: dict[str, tuple[Path, str]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    rejected: list[RejectedInput] = []
    for sample in samples:
        try:
            path = _find(folder, sample.name)
            data = read_regular(path)
            map_ = _parse(data)
        except (OSError, ValueError) as error:
            rejected.append(RejectedInput(sample.name, f"left out with its score map: {cause(error)}"))
            continue
        files[sample.name], shapes[sample.name] = (path, hashlib.sha256(data).hexdigest()), map_.shape
        if reason := _why_without_box(map_):
            rejected.append(RejectedInput(sample.name, f"its score map {reason}: it has no box, and counts as wrong"))
    if not files:
        first = f"; the first: {rejected[0].where}: {rejected[0].reason}" if rejected else ""
        raise DataError(f"none of the {len(samples)} images has a score map in {shown}{first}")
    usual = Counter(shapes.values()).most_common(1)[0][0]
    for name in [name for name, shape in shapes.items() if shape != usual]:
        sides = (" × ".join(map(str, shape)) for shape in (shapes[name], usual))
        rejected.append(RejectedInput(name, "left out with its score map: it is {}, but most are {}".format(*sides)))
        del files[name]
    about = "\n".join(f"{name!r} {digest}" for name, (_, digest) in sorted(files.items()))
    return ScoreMaps(files, hashlib.sha256(about.encode()).hexdigest()), rejected


def _find(folder: Path, name: str) -> Path:
    """Return the file of an image's map. Errors: ValueError if there is none, or the name leads out of the folder."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ValueError(f"`{name}` is not a path within a folder")
    names = (f"{name}.npy", str(PurePosixPath(name).with_suffix(".npy")))
    path = next((path for one in names if os.path.lexists(path := folder / one)), None)
    if path is None:
        raise ValueError(f"neither `{names[0]}` nor `{names[1]}` exists")
    return path


def _parse(data: bytes) -> np.ndarray:
    """Return the map `(h, w)` float32 of a `.npy` file. Errors: ValueError with the reason."""
    try:
        map_ = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise ValueError(f"it is not a .npy file of numbers ({cause(error)})") from None
    if map_.dtype.kind not in "fiu":
        raise ValueError("it is not a .npy file of numbers")
    if map_.ndim != 2 or 0 in map_.shape:
        raise ValueError(f"its shape is {map_.shape}, not (height, width)")
    with np.errstate(over="ignore"):  # becomes infinite, which is reported
        return map_.astype(np.float32)


def _why_without_box(map_: np.ndarray) -> str:
    """Return what is wrong with a map, or "" if nothing is."""
    if not np.isfinite(map_).all():
        return "has values that are not finite"
    return "is constant" if map_.min() == map_.max() else ""
