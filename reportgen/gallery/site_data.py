"""The chunks of data that several pages share: what the browser gets of every image, and what the search lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.full_pages import PAGE_ID_DIGITS
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.components.photo_sheets import PhotoSheets
from reportgen.gallery.components.short_images import chunk_bits
from reportgen.gallery.core.browser_constants import SHARE_STEPS
from reportgen.gallery.core.data_chunks import script
from reportgen.gallery.core.image_flags import IMAGE_FLAGS, image_flags
from reportgen.gallery.core.labels import OUTCOME_LABELS, label_text, prediction_text
from reportgen.gallery.core.page import NavEntry
from reportgen.gallery.core.urls import image_page, layer_page
from reportgen.metrics.formatting import shortened

MAX_COLUMNS = 12
"""Further columns of the annotations that filter and colour the images: each adds up to three bytes an image."""
MAX_NAME = 40
"""Characters of such a column's name and of its groups' names."""


def images_chunk(audit: Audit, cards: Mapping[int, Sequence[str]], sheets: PhotoSheets) -> bytes:
    """A row for each image, for tables, filters and the review. cards: of the images with a full page, names of the
    pictures, see `make_cards`; sheets: of the others, whose texts are empty where the browser knows them by the image's
    id and its place in the sheets."""
    classification, localization, n = audit.main.classification, audit.main.localization, len(audit.samples)
    iou = np.full(n, -1.0)
    thumbnails, layers, photographs = (
        [f"media/{name}" if (name := cards[i][kind] if i in cards else "") else "" for i in range(n)]
        for kind in range(3)
    )
    if localization is not None:
        iou = np.where(localization.judged, localization.best_iou[:, 0], -1.0)
    class_dtype = np.int16 if len(audit.classes) < 2**15 else np.int32
    outcomes, slices = list(OUTCOME_LABELS), audit.slices.images
    columns = {
        "label": audit.labels.astype(class_dtype),
        "predicted": classification.top_classes[:, 0].astype(class_dtype),
        "score": np.round(SHARE_STEPS * np.nan_to_num(classification.scores[:, 0])).astype(np.int16),
        "iou": np.where(iou < 0, -1, np.round(SHARE_STEPS * iou)).astype(np.int16),
        "flags": image_flags(audit),
        "outcome": np.array([outcomes.index(name) for name in audit.main.outcomes], np.uint8),
        "width": audit.main.sizes[:, 0].astype(np.int32),
        "height": audit.main.sizes[:, 1].astype(np.int32),
        "finding_rows": np.array([i for finding in audit.findings for i in finding.images], np.int32),
        "finding_ends": np.cumsum([len(finding.images) for finding in audit.findings], dtype=np.int32),
        "slice_rows": np.concatenate([np.zeros(0, np.int32), *slices.values()], dtype=np.int32),
        "slice_ends": np.cumsum([len(rows) for rows in slices.values()], dtype=np.int32),
    }
    texts = {
        "id": [identity.decode()[:PAGE_ID_DIGITS] for identity in audit.main.table["samples/id"]],
        "name": [sample.name for sample in audit.samples],
        "page": [_listed_page(audit, i) for i in range(n)],
        "photo": photographs,
        "thumbnail": thumbnails,
        "layer": layers,
        "sheet": [file.url for file in sheets.files],
    }
    occurring = {*audit.labels[audit.labels >= 0].tolist(), *classification.top_classes[:, 0].tolist()}
    if audit.label_sets and audit.predicted_sets:
        texts["labels"] = [label_text(sample, audit.classes) for sample in audit.samples]
        texts["predictions"] = [prediction_text(audit.main, i) for i in range(len(audit.samples))]
        for name, sets in (("label", audit.label_sets), ("prediction", audit.predicted_sets)):
            columns[f"{name}_sets"] = np.nonzero(sets.table)[1].astype(class_dtype)
            columns[f"{name}_ends"] = np.cumsum(sets.table.sum(1), dtype=np.int32)
            occurring.update(np.flatnonzero(sets.table.any(0)).tolist())
    groups, numbers = audit.columns.groups[:MAX_COLUMNS], {column.name: column for column in audit.columns.numbers}
    for k, group in enumerate(groups):
        columns[f"column_{k}"] = group.group_of.astype(np.int8)
        if group.column in numbers:
            columns[f"value_{k}"] = numbers[group.column].steps(SHARE_STEPS).astype(np.int16)
    more = {
        "n": n,
        "short_bits": chunk_bits(len(sheets.rows)),
        "title": audit.title,
        "report": audit.main.info.weights_digest[:16],  # reviews are of this network's maps, whatever the labels
        "outcomes": list(OUTCOME_LABELS.items()),
        "flag_names": list(IMAGE_FLAGS.items()),
        "findings": [[finding.slug, finding.headline] for finding in audit.findings],
        "slices": list(slices),
        "classes": {str(k): audit.classes[k] for k in sorted(occurring)},
        "table_columns": [
            {
                "name": shortened(group.column, MAX_NAME),
                "groups": [shortened(name, MAX_NAME) for name in group.names],
                "range": numbers[group.column].range if group.column in numbers else None,
            }
            for group in groups
        ],
    }
    return script("images", columns, texts, more)


def _listed_page(audit: Audit, i: int) -> str:
    """The page of image i; "" for a short page whose address follows from the image's id."""
    return image_page(audit, i) if audit.full_pages.has[i] or "." in audit.full_pages.ids[i] else ""


def cams_chunk(audit: Audit) -> bytes:
    """Of every image with a full page, ascending: the map of its predicted class in eight bits between its minimum and
    maximum, the part of the image that the network saw, and the ground-truth boxes."""
    rows = np.flatnonzero(audit.full_pages.has)
    maps = audit.main.cams[rows, 0]
    maps = np.where(np.isfinite(maps), maps, 0).astype(np.float64)
    low, high = maps.min((1, 2)), maps.max((1, 2))
    span = np.where(high > low, high - low, 1)[:, None, None]
    columns = {
        "grid": np.round(255 * (maps - low[:, None, None]) / span).astype(np.uint8).ravel(),
        "low": low.astype(np.float32),
        "high": high.astype(np.float32),
        "window": audit.main.windows[rows].astype(np.float32).ravel(),
    }
    boxes = [";".join(",".join(f"{v:.1f}" for v in box) for box in audit.samples[i].boxes) for i in rows.tolist()]
    more = {"shape": list(maps.shape[1:]), "input": audit.main.info.input_size[::-1]}
    return script("cams", columns, {"ground_truth": boxes}, more)


def search_chunk(nav: Iterable[NavEntry], classes: Iterable[tuple[str, str]], layers: Iterable[LayerInfo]) -> bytes:
    """What the search finds besides images: pages with their group, classes as (name, URL), layers with their number of
    units."""
    more = {
        "pages": [[link.label, link.url, entry.label] for entry in nav for link in entry.links],
        "classes": list(classes),
        "layers": [[layer.name, layer_page(layer).removesuffix("index.html"), layer.shape[0]] for layer in layers],
    }
    return script("search", {}, {}, more)
