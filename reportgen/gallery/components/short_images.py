"""What the short page `image.html` loads of the images without a full page: chunks of about 128 images each.

The first bits of an image's id are the number of its chunk, so the page finds it without a list of all images, and an
added image changes one chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.embedding.space import N_SHOWN
from reportgen.gallery.components.class_rows import mapped_classes, shared_maximum
from reportgen.gallery.components.image_facts import image_facts, image_heading, images_around
from reportgen.gallery.components.image_figures import card_photograph, image_size
from reportgen.gallery.components.image_viewer import box_caption, cam_caption
from reportgen.gallery.components.photo_cards import label_relation
from reportgen.gallery.components.photo_sheets import PhotoSheets, PicturePart
from reportgen.gallery.core.data_chunks import script, write_chunk
from reportgen.gallery.core.labels import OUTCOME_LABELS, cam_unit, label_text
from reportgen.gallery.core.media import AddedMedia, Media
from reportgen.gallery.core.page import Link
from reportgen.gallery.core.urls import image_page
from reportgen.parallel import run_parallel

IMAGES_PER_CHUNK = 128
"""On average, at most: 300 kB, which are loaded for one image."""
ID_BITS = 24
"""Bits of an id that can be part of a chunk's number."""


def chunk_bits(images: int) -> int:
    """Bits of an id that are the number of its chunk, for so many images without a full page."""
    return math.ceil(math.log2(max(1, images / IMAGES_PER_CHUNK)))


def chunk_number(image_id: str, bits: int) -> int:
    """The number of the chunk with an image."""
    return int(image_id[: ID_BITS // 4], 16) >> (ID_BITS - bits)


def write_short_images(audit: Audit, media: Media, sheets: PhotoSheets) -> None:
    """Write the chunks `image-0`, `image-1`, … with all cores, and remove those of earlier builds that have no place.

    Errors: OutputError.
    """
    ids = audit.full_pages.ids
    bits = chunk_bits(len(ids))
    rows: dict[int, list[int]] = {}
    for row, image_id in sorted(ids.items(), key=lambda item: item[1]):
        rows.setdefault(chunk_number(image_id, bits), []).append(row)
    numbers = sorted(rows)

    def work(turns: Iterator[int]) -> Iterator[AddedMedia]:
        for turn in turns:
            name = f"image-{numbers[turn]}"
            write_chunk(media.site, name, short_images_chunk(audit, media, sheets, name, rows[numbers[turn]]))
        yield media.added

    for added in run_parallel(work, len(numbers), lambda turn: f"the data `image-{numbers[turn]}`"):
        media.merge(added)
    _remove_chunks(media.site, {f"image-{number}" for number in numbers})


def _remove_chunks(site: Path, names: set[str]) -> None:
    for path in (site / "data").glob("image-*.js"):
        if path.name.split(".")[0] not in names:
            path.unlink(missing_ok=True)


def short_images_chunk(audit: Audit, media: Media, sheets: PhotoSheets, name: str, rows: Sequence[int]) -> bytes:
    """The chunk of these images, which `ShortImagesChunk` in `site/reportgen.d.ts` describes."""
    model = audit.main
    maps = np.asarray(model.cams[rows], np.float64)
    is_shown = np.isfinite(maps).all((2, 3), keepdims=True)  # a map with another value is no evidence, and not drawn
    maps = np.where(is_shown, maps, 0)
    low, high = maps.min((2, 3)), maps.max((2, 3))
    span = np.where(high > low, high - low, 1)[:, :, None, None]
    columns = {
        "grid": np.round(255 * (maps - low[:, :, None, None]) / span).astype(np.uint8).ravel(),
        "low": low.astype(np.float32).ravel(),
        "high": high.astype(np.float32).ravel(),
    }
    more = {
        "images": [_short_image(audit, media, sheets, i) for i in rows],
        "shape": list(maps.shape[1:]),
        "input": model.info.input_size[::-1],
        "caption": cam_caption(model, "{name}"),
    }
    return script(name, columns, {}, more)


def _short_image(audit: Audit, media: Media, sheets: PhotoSheets, i: int) -> dict[str, Any]:
    model, localization = audit.main, audit.main.localization
    box = localization.boxes[i, 0] if localization is not None else np.full(4, np.nan)
    return {
        "id": audit.full_pages.ids[i],
        "row": i,
        "name": audit.samples[i].name,
        "heading": image_heading(audit, i),
        "outcome": [model.outcomes[i], OUTCOME_LABELS[model.outcomes[i]]],
        "size": image_size(model, i),
        "photo": astuple(sheets.part(i)),
        "window": [round(float(v), 2) for v in model.windows[i]],
        "scale": f"{shared_maximum(model, i):.1f}{cam_unit(model.info)}",
        "box_caption": box_caption(model, i),
        "predicted": None if np.isnan(box).any() else [round(float(v), 1) for v in box],
        "ground_truth": [[round(float(v), 1) for v in box] for box in audit.samples[i].boxes],
        "classes": [
            [column, row.name, f"{row.score:.2f}", row.mark or row.role]
            for column, row in mapped_classes(model, i).items()
        ],
        "facts": [astuple(fact) for fact in image_facts(audit, i)],
        "columns": [list(pair) for pair in audit.samples[i].columns.items()],
        "neighbours": _neighbours(audit, media, sheets, i),
        "around": [_address(link) for link in images_around(audit, i)],
    }


def _neighbours(audit: Audit, media: Media, sheets: PhotoSheets, i: int) -> list[list[Any]]:
    """The nearest neighbours by features, as on a full page: URL, name, label, distance, relation, picture."""
    near = audit.feature_space.neighbours.first(N_SHOWN)
    rows = []
    for j, distance in zip(near.index[i].tolist(), near.distance[i], strict=True):
        if j >= 0:
            label = label_text(audit.samples[j], audit.classes)
            relation = label_relation(audit.samples[i], audit.samples[j])
            picture = astuple(_picture(audit, media, sheets, j))
            rows.append([image_page(audit, j), audit.samples[j].name, label, f"{distance:.3g}", relation, picture])
    return rows


def _picture(audit: Audit, media: Media, sheets: PhotoSheets, i: int) -> PicturePart:
    """The small picture of an image, which may have a full page."""
    if not audit.full_pages.has[i]:
        return sheets.part(i)
    card = card_photograph(audit.main, media, i)
    return PicturePart(card.url, 0, 0, card.width, card.height, card.width, card.height)


def _address(link: Link | None) -> list[str] | None:
    return [link.url, link.label] if link else None
