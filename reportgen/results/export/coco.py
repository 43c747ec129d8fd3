"""Boxes as COCO files (https://cocodataset.org/#format-data): ground truth, and the predicted boxes of each network."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from reportgen.errors import OutputError
from reportgen.results.report import Model, Report

FIRST_ID = 1
"""Ids of images, boxes and categories begin with 1: pycocotools' COCOeval takes the box with id 0 for no box."""


def coco_files(report: Report) -> dict[str, bytes]:
    """Return `annotations.json` with images, classes and ground-truth boxes, and `predictions.json` with the predicted
    boxes in the format of results; those of the second network are `predictions-2.json`.

    Errors: OutputError if no image has a label and a box.
    """
    if not report.has_localization:
        raise OutputError(
            f"`{report.folder}` has no boxes, which COCO files are made of",
            "export it --to csv, or audit images with boxes",
        )
    files = {"annotations.json": _json(_annotations(report))}
    for m, model in enumerate(report.models, 1):
        files[f"predictions{f'-{m}' if m > 1 else ''}.json"] = _json(_results(model))
    return files


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _annotations(report: Report) -> dict[str, Any]:
    predictions = report.predictions
    images = [
        {"id": i, "file_name": name, "width": width, "height": height}
        for i, (name, (width, height)) in enumerate(
            zip(predictions["name"].tolist(), report.sizes.tolist(), strict=True), FIRST_ID
        )
    ]
    boxes = [  # a box without a label has no category
        {"image_id": i, "category_id": FIRST_ID + label, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}
        for i, (label, of_image) in enumerate(zip(predictions["label"].tolist(), report.boxes, strict=True), FIRST_ID)
        for bbox in map(_bbox, of_image if label >= 0 else ())
    ]
    return {
        "info": {"description": report.name},
        "licenses": [],
        "images": images,
        "annotations": [{"id": b, **box} for b, box in enumerate(boxes, FIRST_ID)],
        "categories": [{"id": k, "name": name, "supercategory": ""} for k, name in enumerate(report.classes, FIRST_ID)],
    }


def _results(model: Model) -> list[dict[str, Any]]:
    """The boxes of the top classes; score: the probability of the class. The label's map is not a prediction."""
    row_of = {name: i for i, name in enumerate(model.predictions["name"].tolist())}
    maps = model.localization[model.localization["rank"] > 0]
    rows = np.array([row_of[name] for name in maps["name"].tolist()], np.int64)
    scores = model.predictions["score"][rows, maps["rank"] - 1]
    found = np.isfinite(maps["box"]).all(1) & np.isfinite(scores)
    each = zip(*(values[found].tolist() for values in (rows, maps["class"], maps["box"], scores)), strict=True)
    return [
        {"image_id": FIRST_ID + i, "category_id": FIRST_ID + k, "bbox": _bbox(box), "score": score}
        for i, k, box, score in each
    ]


def _bbox(box: Any) -> list[float]:
    """x0 y0 x1 y1 as x, y, width, height, in hundredths of a pixel."""
    x0, y0, x1, y1 = map(float, box)
    return [round(value, 2) for value in (x0, y0, x1 - x0, y1 - y0)]
