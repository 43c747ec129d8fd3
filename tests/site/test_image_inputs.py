"""The digest of what an image's page is made from differs whenever the page does, so that no outdated page is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.coverage import Coverage
from reportgen.audit.model_audit import ModelAudit
from reportgen.gallery.components.image_inputs import page_inputs
from reportgen.gallery.core.manifest import digest_of
from reportgen.gallery.core.media import Media
from reportgen.gallery.pages.image_detail import image_detail
from reportgen.store.per_image import PerImageResults
from tests.support.factories import (
    make_audit,
    make_logits,
    make_model_audit,
    make_model_info,
    make_reference,
    make_table,
)

LABELS = (0, 1, 1, 2, 2)
RANDOM = np.random.default_rng(0)
MAPS, UNITS = RANDOM.random((5, 3, 2, 2)), RANDOM.random((5, 3))
SALIENCY = RANDOM.random((5, 4, 2, 2)).astype(np.float32)
BOXES = [np.array([[1.0, 1, 6, 6]])] * 5


def model(labels: tuple[int, ...] = LABELS, **changes: Any) -> ModelAudit:
    """Image 0 is wrong, so its page shows the nearest images of two classes."""
    given = {"maps": MAPS, "class_names": ["a", "b", "c"], "unit_maxima": {"conv": UNITS}, **changes}
    return make_model_audit(labels, logits=make_logits([1, 1, 1, 2, 2], 0.8, 3), **given)


def audit(**changes: Any) -> Audit:
    return make_audit(model(**changes))


def with_model(**changes: Any) -> Audit:
    return make_audit(replace(model(), **changes))


def with_samples(**changes: Any) -> Audit:
    """The last sample is another one, in the data set too."""
    main = model()
    samples = [*main.samples[:-1], replace(main.samples[-1], **changes)]
    return make_audit(replace(main, samples=samples, dataset=replace(main.dataset, samples=samples)))


def with_selected(change: float, images: tuple[int, ...] = (0, 2)) -> Audit:
    arrays = {"saliency/map": SALIENCY + change, "saliency/class": np.ones(5, np.int32)}
    table = make_table(arrays, LABELS, {"kind": "saliency", "copies": 8})
    return with_model(selected={"saliency": PerImageResults(table, {i: i for i in images})})


def with_reference(name: str, labels: tuple[int, ...] = (0, 1, 2)) -> Audit:
    tiny = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    return replace(audit(), reference=make_reference(labels, tiny=tiny, features=UNITS[:3, [0, 1, 2, 0]], name=name))


def pooled(**changes: Any) -> Audit:
    """A second network with the other pooling, whose maps the pages show beside those of the first."""
    return make_audit(model(), model(info=make_model_info(pooling="gmp", name="other"), **changes))


def waiting(*rows: int) -> Audit:
    return replace(audit(), coverage=[Coverage(["occlusion"], 5, 5, 3, frozenset(rows), is_of_images=True)])


def live(*rows: int) -> Audit:
    return replace(audit(), live=cast(Any, SimpleNamespace(inputs=dict.fromkeys(rows))))


PAIRS: dict[str, tuple[Callable[[], Audit], Callable[[], Audit]]] = {
    "label": (audit, lambda: audit(labels=(0, 1, 1, 2, 1))),
    "class name": (audit, lambda: audit(class_names=["a", "b", "x"])),
    "box": (lambda: audit(boxes=BOXES), lambda: audit(boxes=[*BOXES[:-1], BOXES[0] + 1])),
    "units": (audit, lambda: audit(unit_maxima={"conv": UNITS[::-1]})),
    "network": (audit, lambda: audit(info=make_model_info(precision="bf16"))),
    "maps that are not exact": (audit, lambda: with_model(cam_identity=None)),
    "outcome": (audit, lambda: with_model(outcomes=["right", *model().outcomes[1:]])),
    "name": (audit, lambda: with_samples(name="other.png")),
    "columns": (audit, lambda: with_samples(columns={"camera": "left"})),
    "features": (audit, lambda: audit(arrays={"features/gap": np.eye(5, 4, dtype=np.float32)})),
    "selected results": (lambda: with_selected(0), lambda: with_selected(0.5)),
    "selected images": (lambda: with_selected(0), lambda: with_selected(0, (0, 1))),
    "reference": (audit, lambda: with_reference("others")),
    "name of the reference": (lambda: with_reference("some"), lambda: with_reference("others")),
    "labels of the reference": (lambda: with_reference("some"), lambda: with_reference("some", (0, 1, 1))),
    "other pooling": (audit, pooled),
    "second network": (pooled, lambda: pooled(maps=MAPS[::-1])),
    "waiting images": (lambda: waiting(1), lambda: waiting(2)),
    "live images": (lambda: live(1), lambda: live(2)),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_inputs_of_a_page_change_with_the_page(pair: str, tmp_path: Path) -> None:
    (before, inputs), (after, new_inputs) = (pages_and_inputs(make(), tmp_path) for make in PAIRS[pair])
    changed = [i for i in range(5) if before[i] != after[i]]
    assert changed
    assert all(inputs[i] != new_inputs[i] for i in changed)


def test_inputs_of_equal_audits_are_equal(tmp_path: Path) -> None:
    assert pages_and_inputs(audit(), tmp_path) == pages_and_inputs(audit(), tmp_path)
    assert page_inputs(audit(), "jpeg")[0] != page_inputs(audit(), "webp")[0]
    one, other = (pages_and_inputs(with_selected(0, images), tmp_path)[1] for images in ((0, 2), (0, 1)))
    assert [i for i in range(5) if one[i] != other[i]] == [1, 2]


def pages_and_inputs(of: Audit, folder: Path) -> tuple[list[str], list[str]]:
    """The digest of each image's page, and that of its inputs."""
    drafts = list(image_detail(of, Media(folder / "site")))
    return [digest_of(draft.url, draft.make()) for draft in drafts], [draft.inputs for draft in drafts]
