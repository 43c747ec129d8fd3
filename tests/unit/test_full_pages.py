"""Which images have a full page: the rule, followed image by image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.audit.audit import Audit
from reportgen.audit.full_pages import images_in_turns
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.failures import failures_worst_first
from tests.support.factories import make_audit, make_image_arrays, make_logits, make_model_audit

LABELS = [0, 1, 2] * 8
PREDICTED = [k if i not in (3, 10, 17) else (k + 1) % 3 for i, k in enumerate(LABELS)]
SCORES = np.linspace(0.5, 0.97, 24)


def audit_of(limit: int, **changes: object) -> Audit:
    """24 images of three classes, of which 3, 10 and 17 are wrong; images 20 and 21 are one file twice, a finding."""
    random = np.random.default_rng(0)
    tiny = random.integers(0, 256, (24, 32, 32, 3)).astype(np.uint8)
    tiny[21] = tiny[20]
    arrays = {"features/gap": random.normal(size=(24, 3)).astype(np.float32), **make_image_arrays(tiny)}
    model = make_model_audit(LABELS, logits=make_logits(PREDICTED, SCORES, 3), arrays=arrays)
    return make_audit(model, page_limit=limit, **changes)


def expected_pages(audit: Audit) -> tuple[set[int], dict[str, int]]:
    """The rule word by word: give one page after the other until there are none left."""
    pages: list[int] = []
    counts = {}

    def give(reason: str, rows: list[int]) -> None:
        before = len(pages)
        for row in rows:
            if row not in pages and len(pages) < audit.page_limit:
                pages.append(row)
        counts[reason] = len(pages) - before

    n = len(audit.samples)
    give("selected", [i for i in range(n) if audit.samples[i].name in audit.select.split(",")])
    give("failures", sorted((i for i in range(n) if LABELS[i] != PREDICTED[i]), key=lambda i: -SCORES[i]))
    turns = [(turn, k, i) for k, f in enumerate(audit.findings) for turn, i in enumerate(f.images)]
    give("findings", [i for _, _, i in sorted(turns)])
    features = np.asarray(audit.main.table["features/gap"], np.float64)
    holders = sorted(pages)

    def others(i: int) -> list[int]:
        return sorted(
            (j for j in range(n) if j != i), key=lambda j: (float(np.square(features[i] - features[j]).sum()), j)
        )

    give("neighbours", [others(i)[rank] for rank in range(10) for i in holders])
    rest = sorted((i for i in range(n) if i not in pages), key=lambda i: (LABELS[i], SCORES[i]))
    left = audit.page_limit - len(pages)
    give("sample", [rest[(2 * j + 1) * len(rest) // (2 * left)] for j in range(left)])
    return set(pages), counts


@pytest.mark.parametrize("limit", [2, 3, 5, 9, 23])
@pytest.mark.parametrize("select", ["auto", "1.png,5.png"])
def test_full_pages_are_those_of_the_rule(limit: int, select: str) -> None:
    audit = audit_of(limit, select=select)
    expected, counts = expected_pages(audit)
    assert set(np.flatnonzero(audit.full_pages.has)) == expected
    assert audit.full_pages.counts == counts
    assert len(expected) == limit


def test_every_image_has_a_full_page_up_to_the_limit() -> None:
    audit = audit_of(24)
    assert audit.full_pages.has.all()
    assert len(audit.full_pages.short) == 0


def test_the_sample_has_images_of_every_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """With neither failures nor findings, and neighbours of none of them."""
    audit = audit_of(6)
    audit.__dict__["findings"] = []
    audit = replace(audit, models=[replace(audit.main, outcomes=["right"] * 24)])
    audit.__dict__["findings"] = []
    assert audit.full_pages.counts["sample"] == 6
    labels = audit.labels[np.flatnonzero(audit.full_pages.has)]
    assert np.bincount(labels).tolist() == [2, 2, 2]


def test_failures_come_worst_first() -> None:
    outcomes = ["right", "part", "class", "unlabelled", "class", "other"]
    confidence = np.array([0.9, 0.8, 0.3, 0.9, 0.7, 0.85])
    assert failures_worst_first(outcomes, confidence).tolist() == [4, 2, 5, 1]


def test_images_of_findings_take_turns() -> None:
    class Found:
        def __init__(self, *images: int) -> None:
            self.images = images

    assert images_in_turns([Found(7, 8, 9), Found(), Found(1, 7)]).tolist() == [7, 1, 8, 7, 9]  # type: ignore[list-item]
    assert images_in_turns([]).tolist() == []


def test_address_of_a_short_page_has_the_id_and_a_number_for_further_images_of_one_file() -> None:
    audit = audit_of(3)
    ids = audit.full_pages.ids
    assert sorted(ids) == sorted(set(range(24)) - set(np.flatnonzero(audit.full_pages.has)))
    assert len(set(ids.values())) == len(ids)
    first, second = sorted(ids)[:2]
    assert ids[first] == "0" * 16  # all ids of the factory begin alike
    assert image_page(audit, second) == f"image.html#id={'0' * 16}.2"
    full = int(np.flatnonzero(audit.full_pages.has)[0])
    assert image_page(audit, full) == f"images/{full:06d}-{full}.html"
