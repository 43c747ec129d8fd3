"""Small but real objects for tests: samples, tables of a store, networks in plain values, and audits of them.

Every figure is computed by the product's own functions from the arrays that a test gives, so a test plants a case by
its labels, logits, activation maps or features and not by the result. What a test leaves out has a plain default.
"""

from __future__ import annotations

import io
import string
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.audit.model_audit import ModelAudit
from reportgen.audit.model_info import LayerInfo, ModelInfo
from reportgen.audit.reference import Reference
from reportgen.data.groups import connected_groups
from reportgen.data.samples import Dataset, RejectedInput, Sample, no_boxes
from reportgen.metrics.classification import classify
from reportgen.metrics.failures import outcomes_of
from reportgen.metrics.localization.ilsvrc import localize
from reportgen.metrics.localization.study import study_localization
from reportgen.metrics.top_patches import summarize_units
from reportgen.store.table import Store, Table

SIDE = 8
"""Width and height of every image, and of the network's input."""
_FOLDER = tempfile.TemporaryDirectory(prefix="reportgen-tests-")


def make_samples(labels: Sequence[int], boxes: Sequence[np.ndarray] | None = None) -> list[Sample]:
    """Samples `0.png`, `1.png`, … labels: −1 for none; boxes: `(B, 4)` of each."""
    each = boxes or [no_boxes()] * len(labels)
    return [
        Sample(Path(f"{i}.png"), f"{i}.png", None if label < 0 else int(label), boxes)
        for i, (label, boxes) in enumerate(zip(labels, each, strict=True))
    ]


def make_table(
    arrays: Mapping[str, np.ndarray],
    labels: Sequence[int],
    settings: Mapping[str, Any] | None = None,
    first_id: int = 0,
) -> Table:
    """A table with these arrays `(N, …)`, a row a label, from a store of one shard in a temporary folder. The images
    are numbered from `first_id` on."""
    store = Store(Path(tempfile.mkdtemp(dir=_FOLDER.name)) / "cache", {"weights": "0" * 64, **(settings or {})})
    ids = [f"{first_id + i:064x}" for i in range(len(labels))]
    store.commit({**arrays, "samples/id": np.array(ids, "S64"), "samples/label": np.array(labels, np.int32)})
    return store.select(zip(ids, map(int, labels), strict=True))


def make_image_arrays(tiny: np.ndarray) -> dict[str, np.ndarray]:
    """The thumbnails and JPEGs of a table. tiny: `(N, 32, 32, 3)` uint8."""
    jpegs = [io.BytesIO() for _ in tiny]
    for jpeg, pixels in zip(jpegs, tiny, strict=True):
        Image.fromarray(pixels).save(jpeg, "JPEG")
    data = [jpeg.getvalue() for jpeg in jpegs]
    return {
        "image/tiny": tiny,
        "image/jpeg": np.frombuffer(b"".join(data), np.uint8),
        "image/offset": np.cumsum([0, *map(len, data)], dtype=np.int64),
    }


def make_layer_info(name: str = "conv", shape: tuple[int, int, int] = (2, 2, 2), **changes: Any) -> LayerInfo:
    """A layer whose positions each see the whole input."""
    rows, columns = (np.tile([0, SIDE], (side, 1)) for side in shape[1:])
    return replace(LayerInfo(name, shape, rows, columns, None, (1.0, 1.0)), **changes)


def make_model_info(**changes: Any) -> ModelInfo:
    """A network `net` with a head of its own that is exact for CAM, without layers that have unit pages."""
    info = ModelInfo(
        name="net",
        source="test:net",
        head="own",
        method="cam",
        feature_layer="conv",
        feature_shape=(2, 2, 2),
        parameters=1,
        weights_digest="0" * 64,
        precision="fp32",
        device="cpu",
        input_size=(SIDE, SIDE),
        resize="warp",
        pooling="gap",
    )
    return replace(info, **changes)


def make_logits(predicted: Sequence[int], scores: Sequence[float] | float, classes: int) -> np.ndarray:
    """`(N, classes)` float32 logits whose softmax is `scores` at the predicted class and equal at all others."""
    p = np.broadcast_to(np.asarray(scores, np.float64), len(predicted))
    logits = np.zeros((len(predicted), classes))
    logits[np.arange(len(predicted)), predicted] = np.log(p / (1 - p) * (classes - 1))
    return logits.astype(np.float32)


def make_model_audit(
    labels: Sequence[int] = (0, 1),
    *,
    groups: Sequence[str] = (),
    logits: np.ndarray | None = None,
    maps: np.ndarray | None = None,
    boxes: Sequence[np.ndarray] | None = None,
    random_maps: Sequence[Mapping[int, np.ndarray]] = (),
    unit_maxima: Mapping[str, np.ndarray] | None = None,
    class_names: Sequence[str] | None = None,
    info: ModelInfo | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
    settings: Mapping[str, Any] | None = None,
    **changes: Any,
) -> ModelAudit:
    """One network's audit of N images of 8 × 8 pixels.

    labels: `(N,)`, −1 for none; groups: name of the group of each image; logits: `(N, K)`, by default every label is
    predicted; maps: `(N, M, h, w)` activation maps of the M − 1 top classes and of the label; boxes: `(B, 4)` of each
    image; random_maps: as in `study`; unit_maxima: layer → `(N, U)`, with positions 0; arrays: more arrays of the
    table, such as `features/gap`; settings: more settings of the table; changes: fields of the result.
    """
    y, n = np.asarray(labels, np.int64), len(labels)
    count = len(class_names) if class_names else max(2, int(y.max()) + 1) if logits is None else logits.shape[1]
    names = class_names or _class_names(count)
    logits = make_logits(np.maximum(y, 0).tolist(), 0.9, count) if logits is None else logits
    samples = make_samples(labels, boxes)
    if groups:
        samples = [replace(sample, group=group) for sample, group in zip(samples, groups, strict=True)]
    group_of = connected_groups([sample.name for sample in samples], [sample.group for sample in samples])
    classification = classify(logits, y, groups=group_of)
    cam_classes = np.column_stack((classification.top_classes, y))
    random = np.random.default_rng(0)
    maps = random.random((n, cam_classes.shape[1], 2, 2)) if maps is None else maps
    cam_classes = np.column_stack((cam_classes[:, : maps.shape[1] - 1], y))
    sizes, windows = np.full((n, 2), SIDE, np.int32), np.tile(np.array([0, 0, SIDE, SIDE], np.float32), (n, 1))
    where = ([sample.boxes.astype(np.float64) for sample in samples], sizes, windows, (SIDE, SIDE))
    localization = localize(maps, cam_classes, *where, group_of)
    unit_maxima = unit_maxima or {}
    layers = [make_layer_info(name, (values.shape[1], 1, 1)) for name, values in unit_maxima.items()]
    features = random.normal(size=(n, 4)).astype(np.float32)
    stored = {
        "logits": logits,
        "cam/map": maps.astype(np.float32),
        "cam/class": cam_classes.astype(np.int32),
        "samples/size": sizes,
        "samples/window": windows,
        "features/gap": features,
        "features/gmp": features + 1,
        **make_image_arrays(random.integers(0, 256, (n, 32, 32, 3)).astype(np.uint8)),
        **{f"units/{name}/max": values.astype(np.float32) for name, values in unit_maxima.items()},
        **{f"units/{name}/where": np.zeros(values.shape, np.int32) for name, values in unit_maxima.items()},
        **(arrays or {}),
    }
    audit = ModelAudit(
        dataset=Dataset("photographs", samples, names),
        samples=samples,
        info=replace(info or make_model_info(), layers=layers) if layers else info or make_model_info(),
        table=make_table(stored, labels, {"aliases": {"features/code": "features/gap"}, **(settings or {})}),
        classification=classification,
        localization=localization,
        outcomes=outcomes_of(classification.top1_correct, y, localization, where[0]),
        cam_identity=0.0,
        units={
            name: summarize_units(values.astype(np.float32), np.zeros(values.shape, np.int32), y, 16, group_of)
            for name, values in unit_maxima.items()
        },
        localization_study=None
        if localization is None
        else study_localization(
            localization, classification, maps, cam_classes, *where, random_maps=random_maps, groups=group_of
        ),
    )
    return replace(audit, **changes)


def make_audit(*models: ModelAudit, refused: Sequence[RejectedInput] = (), **changes: Any) -> Audit:
    """An audit of these networks, or of that of `make_model_audit()`. changes: fields of the result."""
    models = models or (make_model_audit(),)
    dataset = replace(models[0].dataset, refused=refused)
    return replace(Audit(dataset, models[0].samples, [], models), **changes)


@cache
def make_boxed_audit() -> Audit:
    """An audit with every kind of localization figure but PxAP: two images of one class, one of them with a box.

    The class of the first image is right, that of the second wrong; the box is the whole image.
    """
    maps = np.ones((2, 3, 2, 2))
    model = make_model_audit(
        (0, 0),
        logits=np.array([[2.0, 1.0], [0.0, 3.0]], np.float32),
        maps=maps,
        boxes=[np.array([[0.0, 0, SIDE, SIDE]]), no_boxes()],
        random_maps=[{0: maps[0, -1]}],
    )
    assert model.localization_study is not None
    backprop = model.localization_study.controls["whole_image"]
    return make_audit(replace(model, backprop={"paper": backprop, "graphcut": backprop}))


def make_reference(
    labels: Sequence[int],
    *,
    tiny: np.ndarray,
    features: np.ndarray,
    name: str = "training photographs",
    arrays: Mapping[str, np.ndarray] | None = None,
    first_id: int = 0,
) -> Reference:
    """A reference data set. tiny: `(M, 32, 32, 3)` uint8; features: `(M, D)`; arrays: more arrays of the table;
    first_id: number of its first image; those of the audited set have numbers from 0 on."""
    stored = {
        "features/gap": features.astype(np.float32),
        "samples/size": np.full((len(labels), 2), SIDE, np.int32),
        **make_image_arrays(tiny),
        **(arrays or {}),
    }
    table = make_table(stored, labels, {"aliases": {"features/code": "features/gap"}}, first_id)
    return Reference(name, make_samples(labels), [], table)


def _class_names(count: int) -> list[str]:
    """`a`, `b`, …, and numbered names behind `z`."""
    letters = string.ascii_lowercase[:count]
    return [*letters, *(f"class {k}" for k in range(len(letters), count))]
