"""From files to network input: threads read and hash the files, and isolated processes decode them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reportgen.data.decoding import decode_scaled, decoding_error, digest, thumbnail_jpeg
from reportgen.data.image_properties import image_properties
from reportgen.data.isolated import Answer, Isolated, result_of
from reportgen.data.remote import READS_AT_ONCE
from reportgen.data.samples import Sample
from reportgen.errors import ImageError
from reportgen.models.classifier import Preprocessing
from reportgen.pipeline.ahead import in_order

THUMBNAIL_SIDE = 512
"""Longer side of the JPEG that the gallery shows, in pixels."""
PIXEL_SPACE_SIDE = 32
"""Side of the RGB thumbnail that nearest neighbours in pixel space compare."""
MAX_SCALED_SIDE = 8192
"""Of a longer scaled image, such as a panorama of 1 × 20,000 pixels, only the central part is computed."""


@dataclass(frozen=True)
class NetworkInput:
    """One image, ready for the network. id: the digest of its bytes; pixels: `(C, H, W)` uint8, C is 3 or 1."""

    id: str
    label: int | None
    pixels: np.ndarray


@dataclass(frozen=True)
class DecodedImage(NetworkInput):
    """One image, ready for the network and for the gallery.

    size: width, height of the upright original; window: x0, y0, x1, y1 of what the network sees, in its pixels;
    picture: JPEG bytes; tiny: `(32, 32, 3)` uint8; properties: see `image_properties`;
    score_map: `(h, w)` float32 of a file, or None; unit: the number of the unit of files that it is computed with, see
    `reportgen.pipeline.forward.extract`.
    """

    size: tuple[int, int]
    window: tuple[float, float, float, float]
    picture: bytes
    tiny: np.ndarray
    properties: np.ndarray
    score_map: np.ndarray | None = None
    unit: int = 0


@dataclass(frozen=True)
class LoadedImage:
    """The result of loading one sample: in the store already (`decoded` is None), decoded, or unreadable (`error`).

    id: the digest of the file's bytes, also of bytes that cannot be decoded; None if the file cannot be read.
    said: what the decoder said of a decoded image, in one line.
    """

    id: str | None = None
    decoded: DecodedImage | None = None
    error: str | None = None
    said: str = ""


def network_input(image: Image.Image, preprocessing: Preprocessing, resize: str) -> Image.Image:
    """The picture that the network sees.

    `warp`: the whole image squashed to the input's size (wsolevaluation). `crop`: scaled to cover `resize_size`, then
    the central part, with the rounding of the library that the preprocessing comes from.
    """
    width, height = preprocessing.width, preprocessing.height
    filter_ = Image.Resampling[preprocessing.interpolation.upper()]
    if resize == "warp":
        return image.resize((width, height), filter_)
    scaled, (left, top) = _scaled(image.size, preprocessing)
    if max(scaled) > MAX_SCALED_SIDE:
        return image.resize((width, height), filter_, box=crop_window(image.size, preprocessing, resize))
    return image.resize(scaled, filter_).crop((left, top, left + width, top + height))


def _scaled(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[tuple[int, int], tuple[int, int]]:
    """Width and height of the scaled image, and the left upper corner of its central part."""
    width, height = size
    high, wide = preprocessing.resized
    if preprocessing.squash:
        scaled = (wide, high)
    elif high == wide:  # torchvision's rounding
        scaled = (wide, int(wide * height / width)) if width <= height else (int(high * width / height), high)
    else:  # timm's rounding
        ratio = min(width / wide, height / high)
        scaled = (round(width / ratio), round(height / ratio))
    rounded = math.floor if preprocessing.crop_offset == "floor" else round
    left, top = rounded((scaled[0] - preprocessing.width) / 2), rounded((scaled[1] - preprocessing.height) / 2)
    return scaled, (left, top)


def crop_window(size: tuple[int, int], preprocessing: Preprocessing, resize: str) -> tuple[float, float, float, float]:
    """Where the network's input lies in the upright image: x0, y0, x1, y1 in its pixels (may be fractions)."""
    width, height = size
    if resize == "warp":
        return (0.0, 0.0, float(width), float(height))
    scaled, (left, top) = _scaled(size, preprocessing)
    sx, sy = width / scaled[0], height / scaled[1]
    return (left * sx, top * sy, (left + preprocessing.width) * sx, (top + preprocessing.height) * sy)


Known = Callable[[str, int | None], bool]
"""Whether the store has the image of this digest with this label."""
Failed = Callable[[str, str], str | None]
"""Why a file of this digest and name could not be decoded in an earlier run; None if it was not tried."""


def load_image(
    sample: Sample, known: Known, preprocessing: Preprocessing, resize: str, decode: str = "exact"
) -> LoadedImage:
    """Read one file once, so that hash and pixels come from the same bytes. What the store has is not decoded.

    decode: `exact`, or `fast`: large JPEGs are decoded at a fraction of their size, so pixels differ slightly.
    """
    found = _read_file(sample, known)
    return found if isinstance(found, LoadedImage) else _loaded(sample, *found, preprocessing, resize, decode)


def _read_file(sample: Sample, known: Known) -> LoadedImage | tuple[str, bytes]:
    """Digest and bytes of a file that has to be decoded; else the final result."""
    stated = sample.known_digest()
    if stated is not None and known(stated, sample.label):
        return LoadedImage(stated)
    try:
        data = sample.read()
    except ImageError as error:
        return LoadedImage(error=str(error))
    identity = digest(data)
    return LoadedImage(identity) if known(identity, sample.label) else (identity, data)


_fatal: dict[str, Answer] = {}
"""Digest of the files whose decoder crashed or hung: a run does not try them again with each of its trials."""


def forget_fatal_files() -> None:
    """Let files whose decoder crashed or hung be tried again."""
    _fatal.clear()


def _loaded(
    sample: Sample,
    identity: str,
    data: bytes,
    preprocessing: Preprocessing,
    resize: str,
    decode: str,
    processes: Isolated | None = None,
) -> LoadedImage:
    """Decode a file, in one of these processes if there are some."""
    if (answer := _fatal.get(identity)) is None:
        arguments = (data, sample.name, preprocessing, resize, decode)
        answer = processes.call(_prepare, *arguments) if processes else result_of(_prepare, *arguments)
    if answer.error:
        if not isinstance(answer.error, ImageError):
            _fatal[identity] = answer
        return LoadedImage(identity, error=decoding_error(sample.name, answer))
    pixels, size, picture, tiny, properties = answer.value
    window = crop_window(size, preprocessing, resize)
    planes = pixels.transpose(2, 0, 1)
    decoded = DecodedImage(identity, sample.label, planes, size, window, picture, tiny, properties)
    return LoadedImage(identity, decoded, said=answer.said)


Prepared = tuple[np.ndarray, tuple[int, int], bytes, np.ndarray, np.ndarray]
"""Of one image: what the network sees, `(H, W, C)` uint8; width and height of the upright original; `picture`,
`tiny` and `properties` of a `DecodedImage`."""


def _prepare(data: bytes, name: str, preprocessing: Preprocessing, resize: str, decode: str) -> Prepared:
    """Decode one image for the network and for the gallery. Errors: ImageError."""
    image, size = _decoded(data, name, preprocessing, decode)
    pixels = np.atleast_3d(np.asarray(network_input(image, preprocessing, resize)))
    tiny = image.resize((PIXEL_SPACE_SIDE, PIXEL_SPACE_SIDE), Image.Resampling.BILINEAR).convert("RGB")
    properties = image_properties(pixels.transpose(2, 0, 1), image, data)
    return pixels, size, thumbnail_jpeg(image, THUMBNAIL_SIDE), np.asarray(tiny), properties


def reload_image(
    sample: Sample, identity: str, preprocessing: Preprocessing, resize: str, decode: str = "exact"
) -> NetworkInput | None:
    """The pixels that the forward pass saw; None where the file is gone, or no longer that of this digest."""
    try:
        data = sample.read()
        if digest(data) != identity:
            return None
        image, _ = _decoded(data, sample.name, preprocessing, decode)
    except ImageError:
        return None
    return NetworkInput(identity, sample.label, _planes(network_input(image, preprocessing, resize)))


def _planes(picture: Image.Image) -> np.ndarray:
    """`(C, H, W)` uint8."""
    return np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)


def _decoded(data: bytes, name: str, preprocessing: Preprocessing, decode: str) -> tuple[Image.Image, tuple[int, int]]:
    """The upright image, RGB or grey as the network reads it, and the size of its original. Errors: ImageError."""
    enough = max(THUMBNAIL_SIDE, *preprocessing.resized, preprocessing.height, preprocessing.width)
    image, size = decode_scaled(data, name, enough if decode == "fast" else None)
    return (image.convert("L") if preprocessing.channels == 1 else image), size


class Decoders:
    """Threads that read files and processes that decode them, for one call of `load_images` or several."""

    def __init__(self, at_once: int, readers: int = 0) -> None:
        """at_once: number of processes; readers: of threads, at least as many."""
        self.threads = ThreadPoolExecutor(max(at_once, readers), "decode")
        self.processes = Isolated(at_once)

    def close(self) -> None:
        """End the processes, and then the threads, which may wait for them."""
        self.processes.close()
        self.threads.shutdown(cancel_futures=True)


def load_images(
    samples: Iterable[Sample],
    known: Known,
    preprocessing: Preprocessing,
    resize: str,
    decode: str,
    threads: int,
    ahead: int,
    failed: Failed = lambda identity, name: None,
    decoders: Decoders | None = None,
) -> Iterator[LoadedImage]:
    """`load_image` of every sample, in order, with at most `ahead` of them decoded before they are needed: the first
    from now on. Files that failed in an earlier run are not decoded.

    While the store has most of the recent files, they are read and hashed in this thread, which takes less time than
    to wake a thread for each; else by the decoding threads, so that waits for a slow disk overlap. Remote files are
    read by more threads. decoders: of the caller; None: `threads` of its own, which end with the iterator.
    """
    samples = list(samples)
    is_remote = any(sample.is_remote for sample in samples)
    stored: deque[bool] = deque(maxlen=ahead)

    def finish(sample: Sample, found: LoadedImage | tuple[str, bytes]) -> LoadedImage:
        if isinstance(found, LoadedImage):
            return found
        if reason := failed(found[0], sample.name):
            return LoadedImage(found[0], error=reason)
        return _loaded(sample, *found, preprocessing, resize, decode, used.processes)

    def start(sample: Sample) -> Future[LoadedImage]:
        if is_remote or 2 * sum(stored) <= len(stored):
            return used.threads.submit(lambda: finish(sample, _read_file(sample, known)))
        found = _read_file(sample, known)
        if not isinstance(found, LoadedImage):
            return used.threads.submit(finish, sample, found)
        done: Future[LoadedImage] = Future()
        done.set_result(found)
        return done

    def noted(image: LoadedImage) -> LoadedImage:
        stored.append(image.decoded is None)
        return image

    used = decoders or Decoders(threads, READS_AT_ONCE if is_remote else 0)
    return map(noted, in_order(start, samples, ahead, (lambda: None) if decoders else used.close))


def chunks(items: Iterable[DecodedImage], size: int) -> Iterator[list[DecodedImage]]:
    """The items in lists of `size`; the last may be shorter."""
    batch: list[DecodedImage] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
