"""The overview: verdict, wall of images by outcome, small map."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.audit.audit import Audit
from reportgen.gallery.components.small_map import MAX_DOTS, SIZE, small_map
from reportgen.gallery.components.wall import ACROSS, MAX_TILES, Wall, proportional, wall
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.urls import image_page
from reportgen.gallery.pages.overview import heading, lead
from reportgen.metrics.classification import most_frequent_correct
from tests.support.factories import SIDE, make_audit, make_image_arrays, make_logits, make_model_audit

BOX = np.array([[2.0, 2, 6, 6]])


def audit_of(predicted: list[int], labels: list[int], boxed: int = 0, fitting: int = 0, seed: int = 0) -> Audit:
    """Images of two classes; the first `boxed` have a ground-truth box, which the maps of the first `fitting` find."""
    n = len(labels)
    maps = np.zeros((n, 3, SIDE, SIDE))
    maps[:fitting, :, 2:6, 2:6] = 1
    maps[fitting:, :, 0, 0] = 1
    tiny = np.random.default_rng(seed).integers(0, 256, (n, 1, 1, 3), np.uint8).repeat(32, 1).repeat(32, 2)
    boxes = [BOX if i < boxed else np.zeros((0, 4)) for i in range(n)]
    arrays = make_image_arrays(tiny)
    return make_audit(
        make_model_audit(labels, logits=make_logits(predicted, 0.9, 2), maps=maps, boxes=boxes, arrays=arrays)
    )


@pytest.mark.parametrize(
    ("boxed", "fitting", "expected"),
    [
        (4, 2, "Right on 3 of 4 images; on 2 of them the map finds the object"),
        (2, 1, "Right on 3 of 4 images; on 1 of the 2 with a box, the map finds the object"),
        (0, 0, "Right on 3 of 4 images"),
    ],
)
def test_heading_counts_right_images_and_right_boxes_among_them(boxed: int, fitting: int, expected: str) -> None:
    """The last image is wrong."""
    assert heading(audit_of([0, 1, 0, 1], [0, 1, 0, 0], boxed, fitting)) == expected


def test_verdict_without_labels_or_boxes_says_what_is_missing() -> None:
    unlabelled = audit_of([0, 1], [-1, -1])
    assert heading(unlabelled) == "2 images without labels, classified by net"
    assert lead(unlabelled).startswith("Without labels there are no errors.")
    assert lead(audit_of([0, 1], [0, 1])).startswith("There are no ground-truth boxes")


def tile_colours(made: Wall, site: Path) -> list[np.ndarray]:
    """The colour in the middle of each tile, in the order of the groups."""
    sheet = np.asarray(Image.open(site / made.sheet.url))
    half = made.side // 2
    return [sheet[tile.y + half, tile.x + half] for group in made.groups for tile in group.tiles]


def test_wall_shows_each_labelled_image_once_in_the_group_of_its_outcome(tmp_path: Path) -> None:
    """The tile of each image has its colour, and links to its page."""
    labels = [0, 1] * 15 + [-1]
    audit = audit_of([0] * 31, labels, seed=3)
    made = wall(audit, Media(tmp_path))
    assert made is not None
    assert [(group.outcome, group.count, round(group.share, 2)) for group in made.groups] == [
        ("class", 15, 0.5),
        ("right", 15, 0.5),
    ]
    order = [tile.url for group in made.groups for tile in group.tiles]
    pages = {image_page(audit, i): i for i in range(31)}
    images = [pages[url] for url in order]
    assert sorted(images) == list(range(30))
    assert all(audit.main.outcomes[i] == ("class" if rank < 15 else "right") for rank, i in enumerate(images))
    expected = np.asarray(audit.main.table["image/tiny"])[images, 16, 16].astype(int)
    assert np.abs(np.array(tile_colours(made, tmp_path)).astype(int) - expected).max() <= 8  # JPEG
    assert made.sheet.width == ACROSS * made.side
    assert made.groups[0].tiles[0].about == "b, predicted a 0.90"


def test_wall_without_labels_shows_all_images(tmp_path: Path) -> None:
    made = wall(audit_of([0, 1, 1], [-1, -1, -1]), Media(tmp_path))
    assert made is not None
    assert [(group.outcome, len(group.tiles)) for group in made.groups] == [("unlabelled", 3)]


@pytest.mark.parametrize("seed", range(20))
def test_sample_is_in_proportion_and_has_every_group(seed: int) -> None:
    counts = {str(k): int(n) for k, n in enumerate(np.random.default_rng(seed).integers(1, 4_000, 7))}
    counts["rare"] = 1
    shown = proportional(counts, MAX_TILES)
    total = sum(counts.values())
    assert sum(shown.values()) <= MAX_TILES
    assert min(shown.values()) >= 1
    for name, count in counts.items():
        assert abs(shown[name] - max(1, MAX_TILES * count / total)) < 2
    assert proportional({"a": 3, "b": 2}, MAX_TILES) == {"a": 3, "b": 2}


def test_control_names_the_most_frequent_labels() -> None:
    labels = np.array([2, 2, 2, 0, 0, 1, -1])
    assert most_frequent_correct(labels, 1).tolist() == [True] * 3 + [False] * 4
    assert most_frequent_correct(labels, 2).tolist() == [True] * 5 + [False] * 2
    assert most_frequent_correct(np.array([3, 1]), 1).tolist() == [False, True]
    assert not most_frequent_correct(np.array([-1, -1]), 5).any()


def test_small_map_has_a_dot_for_each_image_inside_the_drawing() -> None:
    audit = audit_of([0, 1] * 10, [0, 0] * 10)
    made = small_map(audit)
    assert made is not None
    points = [re.findall(r"M(\d+) (\d+)h0", path) for _, path in made.dots]
    assert [(outcome, len(of)) for (outcome, _), of in zip(made.dots, points, strict=True)] == [
        ("right", 10),
        ("class", 10),
    ]
    assert all(0 < int(x) < SIZE[0] and 0 < int(y) < SIZE[1] for of in points for x, y in of)
    assert made.shown == made.total == 20 < MAX_DOTS
    assert [name.name for name in made.names] == ["a"]
