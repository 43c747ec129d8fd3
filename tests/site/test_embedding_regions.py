"""Regions on the embedding page: which names are shown at which zoom, where, and the data for the browser."""

from __future__ import annotations

import base64
import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from reportgen.embedding.maps import make_embedding_maps
from reportgen.embedding.region_names import Attribute, RegionName, RegionSummary, summarize_regions
from reportgen.embedding.regions import MapRegions, find_regions
from reportgen.embedding.space import Space
from reportgen.gallery.components.embedding_regions import (
    LETTER,
    LINE,
    WIDTHS,
    anchors,
    contour_paths,
    picture_names,
    shown_levels,
    write_region_chunk,
)
from reportgen.gallery.core.data_chunks import read_chunk
from reportgen.metrics.intervals import Rate


def summary(text: str, members: list[int]) -> RegionSummary:
    name = RegionName("label", [text], Rate(1, 1), Rate(0, 1)) if text else None
    return RegionSummary(name, np.array(members), None, ("a", Rate(1, 1)))


def regions_of(parent: list[int], levels: list[list[int]]) -> MapRegions:
    return MapRegions(np.zeros(0, int), np.array(parent), np.array(levels, bool), 0)


def test_a_name_stays_until_a_part_of_its_region_has_one() -> None:
    """Region 0 has the parts 1 and 2, 2 has the part 3; 2 has no name; 4 stands alone at the finest level."""
    regions = regions_of([-1, 0, 0, 2, -1], [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    named = [summary(text, [0]) for text in ("a", "b", "", "d", "e")]
    assert shown_levels(regions, named).tolist() == [
        [True, False, False],
        [False, True, True],
        [False, False, False],
        [False, False, True],
        [False, False, True],
    ]
    without = [summary(text, [0]) for text in ("a", "", "", "d", "e")]
    assert shown_levels(regions, without)[0].tolist() == [True, True, False]


def test_an_anchor_is_the_image_nearest_to_the_median_of_its_region() -> None:
    unit = np.random.default_rng(0).random((30, 2))
    members = [3, 8, 9, 20, 27]
    (found,) = anchors([summary("a", members)], unit)
    median = [sorted(unit[members, axis])[2] for axis in (0, 1)]
    assert found.tolist() == min(unit[members].tolist(), key=lambda p: sum((a - b) ** 2 for a, b in zip(p, median)))  # noqa: B905


def test_names_on_a_picture_do_not_collide_and_stay_on_it() -> None:
    random = np.random.default_rng(1)
    unit = random.random((80, 2))
    summaries = [summary(f"a class of name {k}", [k]) for k in range(80)]
    names = picture_names(summaries, unit, (0.02, 0.03), 0.7)
    assert names[0].text == "a class of name 0"  # that of the largest region
    for size, width in WIDTHS.items():
        shown = [name for name in names if size == "wide" or name.is_narrow]
        assert 3 <= len(shown) < 80
        boxes = [(n.x / 100 * width, n.y / 100 * width * 0.7, LETTER * len(n.text) / 2) for n in shown]
        for k, (x, y, half) in enumerate(boxes):
            assert half <= x <= width - half
            for other_x, other_y, other_half in boxes[:k]:
                assert abs(x - other_x) >= half + other_half - 1 or abs(y - other_y) >= LINE - 1


def test_contour_paths_are_closed_and_the_outermost_comes_first() -> None:
    unit = np.clip(0.5 + 0.1 * np.random.default_rng(2).normal(size=(400, 2)), 0, 1)
    paths = contour_paths(unit)
    spans = []
    for path in paths:
        assert re.fullmatch(r"(M-?\d+ -?\d+(L-?\d+ -?\d+)+Z)+", path)
        spans.append(np.ptp([int(x) for x in re.findall(r"[ML](-?\d+) ", path)]))
    assert len(paths) == 4
    assert spans == sorted(spans, reverse=True)


def test_the_chunk_has_regions_and_kept_neighbours_of_every_map(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    rows = 8 * np.eye(6)[labels] + random.normal(size=(90, 6))
    rows[4] = np.nan
    maps = make_embedding_maps(Space.of(rows), Space.of(random.normal(size=(90, 9))), labels)
    regions = find_regions(maps.maps[0].positions)
    placed = np.isfinite(rows).all(1)
    attribute = Attribute("label", labels, ["cat", "dog", "cow"])
    wrong = np.ones(90, bool)
    summaries = summarize_regions(regions, [attribute], attribute, wrong, wrong, placed)
    (url,) = write_region_chunk(tmp_path, maps, regions, summaries)
    assert (tmp_path / url).is_file()
    before = (tmp_path / url).read_bytes()
    assert write_region_chunk(tmp_path, maps, regions, summaries) == [url]
    assert (tmp_path / url).read_bytes() == before
    chunk = read_chunk(tmp_path, "regions")

    def column(name: str, kind: str) -> np.ndarray:
        return np.frombuffer(base64.b64decode(chunk["columns"][name][1]), kind)

    np.testing.assert_array_equal(column("region", "<i2"), regions.smallest)
    assert column("region", "<i2")[4] == column("kept_tsne", "i1")[4] == -1
    assert {entry["text"] for entry in chunk["entries"]} == {"cat", "dog", "cow"}
    assert all(entry["errors"][1] == entry["images"] for entry in chunk["entries"])
    assert chunk["entries"][0]["at"].keys() == {"tsne", "grid"}
    assert chunk["contours"].keys() == {"tsne", "pca", "pixels-tsne", "pixels-pca"}
    assert chunk["neighbours"] == 15
    for layout in maps.maps:  # slowly: how many of the 15 nearest in the space are among the 15 nearest on the map
        space = rows if not layout.name.startswith("pixels") else None
        if space is None:
            continue
        for i in (0, 11, 57):
            near = []
            for points in (rows, layout.positions):
                distance = np.square(points - points[i]).sum(1)
                near.append([j for j in np.argsort(distance, kind="stable") if j != i and placed[j]][:15])
            assert column(f"kept_{layout.name}", "i1")[i] == pytest.approx(len(set(near[0]) & set(near[1])), abs=1)


def test_regions_csv_of_the_demo_has_shares_and_intervals(demo_report: Path) -> None:
    text = (demo_report / "regions.csv").read_text("utf-8")
    for row in csv.DictReader(io.StringIO(text)):
        low, error, high = (float(row[key] or 0) for key in ("error_low", "error", "error_high"))
        assert low <= error <= high
        assert error == pytest.approx(int(row["wrong"] or 0) / max(1, int(row["labelled"])), abs=1e-4)
    assert (demo_report / "site" / "data" / "regions.csv").read_text("utf-8") == text
