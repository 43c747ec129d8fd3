"""The data of the embedding page: packed positions, class colours, atlases, grids and layouts."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reportgen.draw.tiles import ATLAS_SIDE, BACKGROUND, atlas, grid_picture, repeated_picture, tile
from reportgen.embedding.maps import make_embedding_maps, to_unit
from reportgen.embedding.space import Space
from reportgen.gallery.components import embedding_chunks
from reportgen.gallery.components.embedding_chunks import class_colours, representatives, write_embedding_chunks
from reportgen.gallery.core.browser_constants import NO_POSITION
from reportgen.gallery.core.data_chunks import read_chunk


def plain(i: int, side: int = 32) -> Image.Image:
    """A tile of one colour, whose red is 4 × the number of the image."""
    return Image.new("RGB", (side, side), (4 * i, 128, 255 - 4 * i))


def opened(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)


def test_to_unit_keeps_proportions_and_centres() -> None:
    unit = to_unit(np.array([[0.0, 0], [4, 1], [np.nan, 0], [2, 0.5]]))
    np.testing.assert_allclose(unit[[0, 1, 3]], [[0, 0.375], [1, 0.625], [0.5, 0.5]])
    assert np.isnan(unit[2]).any()
    np.testing.assert_allclose(to_unit(np.ones((3, 2))), 0.5)
    assert np.isnan(to_unit(np.full((2, 2), np.nan))).all()


def test_atlas_holds_every_image_once_in_order() -> None:
    sheets = [atlas(range(start, stop), lambda i: plain(i % 60, 256), 256) for start, stop in ((0, 64), (64, 70))]
    assert [opened(sheet).shape for sheet in sheets] == [(ATLAS_SIDE, ATLAS_SIDE, 3), (256, ATLAS_SIDE, 3)]
    for i in (0, 7, 8, 59):
        y, x = 256 * (i // 8) + 128, 256 * (i % 8) + 128
        np.testing.assert_allclose(opened(sheets[0])[y, x], [4 * i, 128, 255 - 4 * i], atol=6)
    np.testing.assert_allclose(opened(sheets[1])[128, 128], opened(sheets[0])[128, 256 * 4 + 128], atol=6)


def test_grid_picture_has_each_image_at_its_cell() -> None:
    cells = np.array([[0.5, 0.5], [2.5, 1.5], [np.nan, np.nan]])
    picture = opened(grid_picture(cells, (2, 3), lambda i, side: plain(40 * i, side), 240))
    assert picture.shape == (160, 240, 3)
    np.testing.assert_allclose(picture[40, 40], [0, 128, 255], atol=6)
    np.testing.assert_allclose(picture[120, 200], [160, 128, 95], atol=6)
    np.testing.assert_allclose(picture[120, 40], BACKGROUND, atol=6)
    repeated = opened(repeated_picture(np.array([[1, 1]]), lambda i, side: plain(40 * i, side), 64))
    assert repeated.shape == (32, 64, 3)
    np.testing.assert_allclose(repeated[16, [16, 48]], [[160, 128, 95]] * 2, atol=6)


def test_tile_is_the_middle_square_of_the_photograph() -> None:
    photograph = np.zeros((100, 300, 3), np.uint8)
    photograph[:, 100:200] = 200
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, "JPEG")
    found = np.asarray(tile(buffer.getvalue(), 40)).astype(int)
    assert found.shape == (40, 40, 3)
    np.testing.assert_allclose(found[20, [5, 35]], 200, atol=12)


def test_class_colours_differ_and_are_ordered_by_frequency() -> None:
    colours = class_colours(np.array([3, 3, 3, 9, 9, 1]))
    assert colours[0] == colours[2] == "0072b2"
    assert colours[3] == "e69f00"
    many = class_colours(np.arange(60))
    assert len(set(many)) == 60
    assert all(re.fullmatch("[0-9a-f]{6}", colour) for colour in many)


def test_representatives_come_from_every_square_of_the_map() -> None:
    """Fifty in one corner, one in each other: with room for 4 each corner has one, and the image at NaN has none."""
    place = np.concatenate((0.1 * np.random.default_rng(0).random((50, 2)), [[np.nan, 0], [1, 0], [0, 1], [1, 1]]))
    assert representatives(place, 4).tolist() == [0, 51, 52, 53]
    assert representatives(place, 6).tolist() == [0, 1, 2, 51, 52, 53]
    assert representatives(place, 53).tolist() == [*range(50), 51, 52, 53]
    assert representatives(place, 54).tolist() == list(range(54))


def test_only_representatives_have_thumbnails_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_chunks, "MAX_ATLASES", 1)
    monkeypatch.setattr(embedding_chunks, "ATLAS_SIDE", 64)  # four tiles of 32 pixels
    random = np.random.default_rng(0)
    space = Space.of(random.normal(size=(9, 4)))
    maps = make_embedding_maps(space, space, np.zeros(9, int))
    drawn: list[int] = []

    def draw(i: int) -> Image.Image:
        drawn.append(i)
        return plain(i)

    urls = write_embedding_chunks(tmp_path, maps, {}, draw, 32, np.arange(9))
    expected = representatives(maps.maps[0].positions, 4).tolist()
    assert drawn == expected
    assert len(urls["atlases"]) == 1
    assert write_embedding_chunks(tmp_path, maps, {}, draw, 32, np.arange(9)) == urls
    assert drawn == expected  # an atlas of the same tiles is not made again
    assert write_embedding_chunks(tmp_path, maps, {}, draw, 32, np.arange(9) % 3)["atlases"] != urls["atlases"]
    assert drawn == 2 * expected
    kind, packed = read_chunk(tmp_path, "places")["columns"]["pictured"]
    assert kind == "i4"
    assert np.frombuffer(base64.b64decode(packed), "<i4").tolist() == expected


def test_chunks_hold_positions_of_every_layout(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows, pixels = random.normal(size=(30, 6)), random.normal(size=(30, 9))
    rows[4] = np.nan
    maps = make_embedding_maps(Space.of(rows), Space.of(pixels), random.integers(0, 3, 30))
    assert [layout.name for layout in maps.maps] == ["tsne", "pca", "grid", "pixels-tsne", "pixels-pca"]
    data = tmp_path / "data"
    data.mkdir()
    (data / "atlas-7.0123456789.js").write_text("of a larger data set")
    urls = write_embedding_chunks(tmp_path, maps, {"hub": np.arange(30, dtype=np.int16)}, plain, 32, np.arange(30))
    assert sorted(f"data/{path.name}" for path in data.iterdir()) == sorted([*urls["places"], *urls["atlases"]])
    chunk = read_chunk(tmp_path, "places")
    assert "pictured" not in chunk["columns"]

    def column(name: str) -> np.ndarray:
        kind, packed = chunk["columns"][name]
        return np.frombuffer(base64.b64decode(packed), {"u2": "<u2", "i2": "<i2"}[kind])

    grid = column("grid").reshape(-1, 2)
    assert grid[4].tolist() == [NO_POSITION, NO_POSITION]
    assert len({tuple(place) for place in np.delete(grid, 4, 0).tolist()}) == 29
    assert column("axes").reshape(30, -1).shape[1] == len(chunk["axes_explained"]) == 6
    assert column("hub").tolist() == list(range(30))
    placed = maps.maps[0].positions
    expected = np.round(to_unit(placed)[5] * (NO_POSITION - 1))
    assert column("tsne").reshape(-1, 2)[5].tolist() == expected.tolist()
    sheet = read_chunk(tmp_path, "atlas-0")["jpeg"]
    assert opened(base64.b64decode(sheet)).shape == (32, ATLAS_SIDE, 3)
