"""The content of report.npz, which `reportgen.open` reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import LABEL, ModelAudit, image_groups
from reportgen.metrics.localization.ilsvrc import IOU
from reportgen.results.csv_files import multilabel_cells


def report_arrays(audit: Audit) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return arrays by slash path, and attributes as plain values.

    `samples/id`, `samples/label`: the key of each sample in the stores.
    `samples/size` `(N, 2)` int32: width and height of each image; `samples/tsne` `(N, 2)` float32: its position on the
        t-SNE map of the features.
    `samples/slices` `(N, S)` bool: whether each sample is in each slice of the settings, whose names are the attribute
        `slices`.
    `samples/group` `(N,)` int64: images of the same number are not independent, see `image_groups`.
    `samples/boxes` `(B, 4)`: all ground-truth boxes; `samples/box_of` `(B,)`: the sample of each, increasing.
    `m/predictions`, `m/localization`: of network m, as in the CSV files, but with classes by index, and with one column
        for all ranks; several labels of an image as text.
    """
    arrays = {name: np.asarray(audit.main.table[name]) for name in ("samples/id", "samples/label")}
    arrays["samples/boxes"] = np.concatenate([sample.boxes for sample in audit.samples])
    arrays["samples/box_of"] = np.repeat(np.arange(len(audit.samples)), [len(sample.boxes) for sample in audit.samples])
    arrays["samples/group"] = image_groups(audit.main.table, audit.samples).astype(np.int64)
    named = audit.slices.named
    arrays["samples/slices"] = np.zeros((len(audit.samples), len(named)), bool)
    for s, one in enumerate(named):
        arrays["samples/slices"][one.images, s] = True
    arrays["samples/size"] = audit.main.sizes.astype(np.int32)
    arrays["samples/tsne"] = audit.embedding_maps.maps[0].positions.astype(np.float32)
    for m, model in enumerate(audit.models):
        arrays[f"{m}/predictions"] = _predictions(audit, model)
        if model.localization is not None:
            arrays[f"{m}/localization"] = _localization(audit, model)
    models = [{"name": model.info.name, "settings": model.table.settings} for model in audit.models]
    return arrays, {
        "name": audit.dataset.name,
        "classes": list(audit.classes),
        "models": models,
        "slices": [one.name for one in named],
        "is_multilabel": audit.is_multilabel,
    }


def _predictions(audit: Audit, model: ModelAudit) -> np.ndarray:
    labels = {}
    if audit.is_multilabel:
        cells = [multilabel_cells(model, i) for i in range(len(audit.samples))]
        labels = dict(zip(("labels", "predicted"), np.array(cells).T, strict=True))
    return _structured(
        {
            "name": np.array([sample.name for sample in audit.samples]),
            "label": audit.labels,
            **labels,
            "kind": np.array(model.outcomes),
            "top": model.classification.top_classes,
            "score": model.classification.scores,
        }
    )


def _localization(audit: Audit, model: ModelAudit) -> np.ndarray:
    localization = model.localization
    assert localization is not None
    rows, columns = np.nonzero(localization.judged[:, None] & (model.cam_classes >= 0))
    is_label = columns == model.cam_classes.shape[1] + LABEL
    iou = localization.best_iou[rows, columns]
    return _structured(
        {
            "name": np.array([sample.name for sample in audit.samples])[rows],
            "rank": np.where(is_label, 0, columns + 1),
            "class": model.cam_classes[rows, columns],
            "box": localization.boxes[rows, columns],
            "iou": iou,
            "fits": iou >= IOU,
        }
    )


def _structured(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Combine columns `(N, …)` into one structured array `(N,)`."""
    dtype = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
    out = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        out[name] = column
    return out
