"""Files to batches of network input, in threads: Pillow and hashing let go of the interpreter lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
from PIL import Image

from reportgen.data.decoding import decode_scaled, digest, read_bytes, thumbnail_jpeg
from reportgen.data.samples import Sample
from reportgen.errors import ImageError
from reportgen.models.classifier import Preprocessing

PICTURE_SIDE = 512
"""Longer side of the picture that the gallery shows, in pixels."""
PIXEL_SIDE = 32
"""Side of the RGB thumbnail that pixel space is measured in (PROTOCOLS: neighbours)."""
LONGEST = 8192
"""A scaled image longer than this is never made: its central square is scaled alone (a panorama of 1×20,000 pixels)."""
T = TypeVar("T")
R = TypeVar("R")
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Framed:
    """One image, ready for the network. id: the digest of its bytes; pixels: `(3, S, S)` uint8."""

    id: str
    label: int | None
    pixels: np.ndarray


@dataclass(frozen=True)
class Decoded(Framed):
    """One image, ready for the network and for the gallery.

    size: width, height of the upright original; window: x0, y0, x1, y1 of what the network sees, in its pixels;
    picture: JPEG bytes; tiny: `(32, 32, 3)` uint8.
    """

    size: tuple[int, int]
    window: tuple[float, float, float, float]
    picture: bytes
    tiny: np.ndarray


@dataclass(frozen=True)
class Looked:
    """What became of one sample: already in the store (`decoded` None), decoded, or unreadable (`error`)."""

    id: str | None = None
    decoded: Decoded | None = None
    error: str | None = None


def network_input(image: Image.Image, preprocessing: Preprocessing, resize: str) -> Image.Image:
    """The square RGB picture that the network sees.

    `warp`: the whole image squashed to S×S (wsolevaluation). `crop`: shorter side to `resize_size`, then the central
    S×S, rounded as torchvision's Resize and CenterCrop round.
    """
    size, filter_ = preprocessing.size, FILTERS[preprocessing.interpolation]
    if resize == "warp":
        return image.resize((size, size), filter_)
    scaled, corner = _scaled(image.size, preprocessing)
    if max(scaled) > LONGEST:
        return image.resize((size, size), filter_, box=crop_window(image.size, preprocessing, resize))
    left, top = corner
    return image.resize(scaled, filter_).crop((left, top, left + size, top + size))


def _scaled(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[tuple[int, int], tuple[int, int]]:
    """Size of the scaled image, and the left upper corner of its central square (torchvision's rounding)."""
    width, height = size
    short = preprocessing.resize_size
    scaled = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    left, top = (round((side - preprocessing.size) / 2) for side in scaled)
    return scaled, (left, top)


def crop_window(size: tuple[int, int], preprocessing: Preprocessing, resize: str) -> tuple[float, float, float, float]:
    """Where the network's square lies in the upright image: x0, y0, x1, y1 in its pixels (may be fractions)."""
    width, height = size
    if resize == "warp":
        return (0.0, 0.0, float(width), float(height))
    scaled, (left, top) = _scaled(size, preprocessing)
    sx, sy = width / scaled[0], height / scaled[1]
    return (left * sx, top * sy, (left + preprocessing.size) * sx, (top + preprocessing.size) * sy)


Known = Callable[[str, int | None], bool]
"""Whether the store has the image of this digest with this label."""


def look(sample: Sample, known: Known, preprocessing: Preprocessing, resize: str, decode: str = "exact") -> Looked:
    """Reads one file once: hash and pixels come from the same bytes. What the store has is not decoded again.

    decode: `exact`, or `fast`: large JPEGs are decoded at a fraction of their size, so that pixels differ a little.
    """
    return _developed(sample, _identified(sample, known), preprocessing, resize, decode)


def _identified(sample: Sample, known: Known) -> Looked | tuple[str, bytes]:
    """The digest and the bytes of a file that has to be decoded; else what there is to say of it."""
    try:
        data = read_bytes(sample.path)
    except ImageError as error:
        return Looked(error=str(error))
    identity = digest(data)
    return Looked(identity) if known(identity, sample.label) else (identity, data)


def _developed(
    sample: Sample, found: Looked | tuple[str, bytes], preprocessing: Preprocessing, resize: str, decode: str
) -> Looked:
    if isinstance(found, Looked):
        return found
    identity, data = found
    try:
        image, size = _decoded(data, sample.name, preprocessing, decode)
        pixels = np.asarray(network_input(image, preprocessing, resize)).transpose(2, 0, 1)
        tiny = np.asarray(image.resize((PIXEL_SIDE, PIXEL_SIDE), Image.Resampling.BILINEAR))
        picture = thumbnail_jpeg(image, PICTURE_SIDE)
    except ImageError as error:
        return Looked(error=str(error))
    window = crop_window(size, preprocessing, resize)
    return Looked(identity, Decoded(identity, sample.label, pixels, size, window, picture, tiny))


def look_again(
    sample: Sample, identity: str, preprocessing: Preprocessing, resize: str, decode: str = "exact"
) -> Framed | None:
    """The pixels that the pass saw, and nothing else; None where the file is gone, or no longer that of this digest."""
    try:
        data = read_bytes(sample.path)
        if digest(data) != identity:
            return None
        image, _ = _decoded(data, sample.name, preprocessing, decode)
    except ImageError:
        return None
    pixels = np.asarray(network_input(image, preprocessing, resize)).transpose(2, 0, 1)
    return Framed(identity, sample.label, pixels)


def _decoded(data: bytes, name: str, preprocessing: Preprocessing, decode: str) -> tuple[Image.Image, tuple[int, int]]:
    """The upright image, and the size of its original. Errors: ImageError."""
    enough = max(PICTURE_SIDE, preprocessing.resize_size, preprocessing.size)
    return decode_scaled(data, name, enough if decode == "fast" else None)


def look_at_all(
    samples: Iterable[Sample],
    known: Known,
    preprocessing: Preprocessing,
    resize: str,
    decode: str,
    threads: int,
    ahead: int,
) -> Iterator[Looked]:
    """`look` at every sample, in order, with at most `ahead` of them decoded before they are asked for.

    While the store has most of the last files, they are read and hashed here, which takes less than to wake a thread
    for each; else by the threads that decode, so that the waits for a slow disk overlap.
    """
    developed = partial(_developed, preprocessing=preprocessing, resize=resize, decode=decode)
    stored: deque[bool] = deque(maxlen=ahead)

    def start(pool: Executor, sample: Sample) -> Future[Looked]:
        if 2 * sum(stored) < len(stored):
            return pool.submit(lambda: developed(sample, _identified(sample, known)))
        found = _identified(sample, known)
        if not isinstance(found, Looked):
            return pool.submit(developed, sample, found)
        done: Future[Looked] = Future()
        done.set_result(found)
        return done

    for looked in _in_order(start, samples, threads, ahead):
        stored.append(looked.decoded is None)
        yield looked


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int, ahead: int) -> Iterator[R]:
    """What the function makes of the items, in order, at most `ahead` of them made before they are asked for."""
    return _in_order(lambda pool, item: pool.submit(function, item), items, threads, ahead)


def _in_order(start: Callable[[Executor, T], Future[R]], items: Iterable[T], threads: int, ahead: int) -> Iterator[R]:
    with ThreadPoolExecutor(threads, "decode") as pool:
        coming = iter(items)
        waiting = deque(start(pool, item) for item in islice(coming, ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(start(pool, item) for item in islice(coming, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


def chunks(items: Iterable[Decoded], size: int) -> Iterator[list[Decoded]]:
    """The items in lists of `size`; the last may be shorter."""
    batch: list[Decoded] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
