"""Masks as files: a folder with PNG files for each image, in the layout of OpenImages30k.

Source: Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020, and the released code.
"""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from reportgen.data.decoding import SWAPS_SIDES, TRANSPOSE_TO_UPRIGHT, decode, decoding_error, read_bytes, stored_size
from reportgen.data.files import one_line
from reportgen.data.isolated import Isolated
from reportgen.data.masks import ObjectMask
from reportgen.data.samples import Dataset, RejectedInput, Sample
from reportgen.errors import DataError, ImageError

IGNORE = "_ignore"
"""End of the name, without `.png`, of the file with an image's ignored pixels."""
ASPECT_TOLERANCE = 0.01
"""Largest relative difference of the aspects of a mask and its image, beyond that of rounding to whole pixels."""


@dataclass
class MaskFiles:
    """The files of an image: one for each object, and the one of the ignored pixels, if there is one."""

    objects: list[Path] = field(default_factory=list)
    ignored: Path | None = None


def without_masks_as_images(dataset: Dataset, folder: Path) -> Dataset:
    """Return the data set without the images that are masks of others: `folder` may be that of the images, too.

    Errors: DataError if the folder does not exist, or is a folder within the data set.
    """
    shown = f"`{one_line(str(folder))}`"
    if not folder.is_dir():
        raise DataError(f"`masks` is {shown}, which is not a folder", "give the folder that has the masks' PNG files")
    root = Path(os.path.realpath(folder))
    inside = [sample for sample in dataset.samples if Path(os.path.realpath(sample.path)).is_relative_to(root)]
    if any(os.path.realpath(root / sample.name) != os.path.realpath(sample.path) for sample in inside):
        raise DataError(f"`masks` is {shown}, whose files are among the images", "move it out of the data set's folder")
    stems = {_stem(sample.name) for sample in dataset.samples}
    masks = {s.name for s in inside if any(shorter in stems for shorter in _prefixes(_stem(s.name)))}
    return replace(dataset, samples=[sample for sample in dataset.samples if sample.name not in masks])


def with_masks(dataset: Dataset, folder: Path) -> Dataset:
    """Return the data set with the masks that a folder has for its images, in place of others.

    The masks of `a/b.jpg` are `a/b.png`, or `a/b_*.png`, one for each object; pixels of `a/b_ignore.png` that are in
    none of them do not count. Of an image without boxes, the boxes are those around the masks. An image with a missing
    or unusable mask keeps none, and is added to the rejected inputs.
    Errors: DataError if no image has masks.
    """
    files = _find_masks(folder, dataset.samples)
    n = os.cpu_count() or 1
    with ThreadPoolExecutor(min(16, n)) as pool, Isolated(n) as processes:
        read = list(pool.map(lambda sample: _masked(sample, files.get(sample.name), processes), dataset.samples))
    rejected = [RejectedInput(one_line(sample.name), reason) for sample, reason in read if reason]
    if not any(sample.object_masks for sample, _ in read):
        raise DataError(
            f"none of the {len(read)} images has masks in `{one_line(str(folder))}`; "
            f"the first: `{rejected[0].where}`: {rejected[0].reason}",
            "the masks of `a/b.jpg` are `a/b.png`, or `a/b_*.png` and `a/b_ignore.png`",
        )
    return replace(dataset, samples=[sample for sample, _ in read], refused=[*dataset.refused, *rejected])


def _find_masks(folder: Path, samples: Sequence[Sample]) -> Mapping[str, MaskFiles]:
    """Return the files of each image that has some. A file belongs to the image with the longest matching name."""
    by_stem = {_stem(sample.name): sample.name for sample in samples}
    images = {os.path.realpath(sample.path) for sample in samples}
    found: dict[str, MaskFiles] = defaultdict(MaskFiles)
    for parent in sorted({str(PurePosixPath(sample.name).parent) for sample in samples}):
        if not (folder / parent).is_dir() or ".." in PurePosixPath(parent).parts or PurePosixPath(parent).is_absolute():
            continue
        for path in sorted((folder / parent).iterdir()):
            stem = _stem(str(PurePosixPath(parent) / path.name))
            owner = next((by_stem[part] for part in (stem, *_prefixes(stem)) if part in by_stem), None)
            if owner is None or path.suffix.lower() != ".png" or os.path.realpath(path) in images:
                continue
            if stem == _stem(owner) + IGNORE:
                found[owner].ignored = path
            else:
                found[owner].objects.append(path)
    return found


def _masked(sample: Sample, files: MaskFiles | None, processes: Isolated) -> tuple[Sample, str]:
    """Return an image with its masks, and "" or why it has none."""
    plain = replace(sample, object_masks=(), ignore_mask=None)
    stem = one_line(PurePosixPath(sample.name).stem)
    if files is None or not files.objects:
        return plain, f"has no mask: neither `{stem}.png` nor `{stem}_*.png` exists, and it does not count for PxAP"
    try:
        if sample.label is None:
            raise ValueError("the image has no label, which masks need")
        stored, orientation = stored_size(io.BytesIO(sample.read()), sample.name)
        transpose = TRANSPOSE_TO_UPRIGHT.get(orientation)

        def read(path: Path) -> np.ndarray:
            answer = processes.call(_read_mask, path, stored, transpose)
            if answer.error:
                raise (
                    answer.error
                    if isinstance(answer.error, ValueError)
                    else ImageError(decoding_error(path.name, answer))
                )
            return np.asarray(answer.value)

        masks = [read(path) for path in files.objects]
        masks = [mask for mask in masks if mask.any()]
        ignored = read(files.ignored) if files.ignored else None
        if not masks:
            raise ValueError("no pixel of its masks is set")
    except (ImageError, ValueError) as error:
        return plain, f"its masks are left out: {one_line(str(error))}"
    boxes = sample.boxes if len(sample.boxes) else np.array([_box_around(mask) for mask in masks], np.float32)
    objects = tuple(map(ObjectMask.of_array, masks))
    ignore_mask = None if ignored is None else ObjectMask.of_array(ignored)
    return replace(plain, boxes=boxes, object_masks=objects, ignore_mask=ignore_mask), ""


def _read_mask(path: Path, stored: tuple[int, int], to_upright: Image.Transpose | None) -> np.ndarray:
    """Return the pixels `(H, W)` bool of a mask that are not black, at the size of its upright image.

    stored: width and height of the image's file; to_upright: the operation that makes it upright. The mask is of the
    upright image, or else of the stored one. Errors: ImageError; ValueError for another aspect.
    """
    mask = decode(read_bytes(path), path.name).convert("L")
    upright = stored[::-1] if to_upright in SWAPS_SIDES else stored
    if not _has_aspect_of(mask.size, upright):
        if to_upright not in SWAPS_SIDES or not _has_aspect_of(mask.size, stored):
            sizes = (" × ".join(map(str, size)) for size in (mask.size, upright))
            raise ValueError(f"`{path.name}` is {{}}, but its image is {{}}".format(*sizes))
        assert to_upright is not None
        mask = mask.transpose(to_upright)
    return np.asarray(mask.resize(upright, Image.Resampling.NEAREST)) > 0


def _has_aspect_of(mask: tuple[int, int], image: tuple[int, int]) -> bool:
    """Whether a mask's width and height are those of the image, or those of a scaled copy."""
    (width, height), (w, h) = mask, image
    return abs(width * h - height * w) <= max((w + h) / 2, ASPECT_TOLERANCE * width * h)


def _box_around(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return the half-open box x0 y0 x1 y1 around the pixels of a mask that has some."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _prefixes(stem: str) -> list[str]:
    """Return what precedes each `_` of a file's name, with its folder, the longest first."""
    folder, slash, name = stem.rpartition("/")
    parts = name.split("_")
    return [folder + slash + "_".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
