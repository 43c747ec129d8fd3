"""Score maps made elsewhere: found by the image's name, checked, and read unchanged."""

import re
from pathlib import Path

import numpy as np
import pytest

from reportgen.data.samples import Sample
from reportgen.data.score_maps import list_score_maps
from reportgen.errors import DataError, ReportgenError


def samples(*names: str) -> list[Sample]:
    return [Sample(Path(name), name) for name in names]


def save(folder: Path, name: str, map_: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(map_))
    return path


RAMP = np.arange(6.0).reshape(2, 3)


def test_maps_are_found_by_the_path_with_and_without_the_ending(tmp_path: Path) -> None:
    save(tmp_path, "val/a.jpg.npy", RAMP)
    save(tmp_path, "val/b.npy", RAMP[::-1].astype(np.float16))
    save(tmp_path, "c.v2.npy", RAMP.astype(np.uint8))
    maps, rejected = list_score_maps(tmp_path, samples("val/a.jpg", "val/b.jpg", "c.v2.png"))
    assert not rejected
    for name, expected in {"val/a.jpg": RAMP, "val/b.jpg": RAMP[::-1], "c.v2.png": RAMP}.items():
        read = maps.read(name)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "neither `bad.png.npy` nor `bad.npy` exists"),
        (np.zeros((3, 2, 3)), r"its shape is \(3, 2, 3\)"),
        (np.zeros((0, 3)), r"its shape is \(0, 3\)"),
        (np.float64(1), r"its shape is \(\)"),
        (RAMP.T, "it is 3 × 2, but most are 2 × 3"),
        (np.array([["a", "b"]]), "not a .npy file of numbers"),
        (RAMP > 2, "not a .npy file of numbers"),
        (RAMP * 1j, "not a .npy file of numbers"),
        (np.array([[{}]], object), "not a .npy file of numbers"),
        (b"", "not a .npy file of numbers"),
        (b"\x93NUMPY\x01\x00", "not a .npy file of numbers"),
        (b"PK\x03\x04", "not a .npy file of numbers"),
    ],
)
def test_unusable_map_leaves_its_image_out(tmp_path: Path, content: object, reason: str) -> None:
    for name in ("one.npy", "two.npy"):
        save(tmp_path, name, RAMP)
    if isinstance(content, bytes):
        (tmp_path / "bad.npy").write_bytes(content)
    elif content is not None:
        save(tmp_path, "bad.npy", content)
    maps, rejected = list_score_maps(tmp_path, samples("bad.png", "one.png", "two.png"))
    assert sorted(maps.files) == ["one.png", "two.png"]
    (entry,) = rejected
    assert entry.where == "bad.png"
    assert re.search(reason, entry.reason)
    assert "\n" not in entry.reason


@pytest.mark.parametrize(
    ("map_", "reason"),
    [
        (np.full((2, 3), 0.7), "is constant"),
        (np.where(RAMP == 4, np.nan, RAMP), "not finite"),
        (np.where(RAMP == 4, np.inf, RAMP), "not finite"),
        (RAMP * 1e300, "not finite"),
    ],
)
def test_map_without_information_is_listed_and_gives_no_box(tmp_path: Path, map_: np.ndarray, reason: str) -> None:
    """The image is kept: leaving out what a method fails on would improve the method's figures."""
    save(tmp_path, "a.npy", map_)
    maps, rejected = list_score_maps(tmp_path, samples("a.png"))
    np.testing.assert_array_equal(maps.read("a.png"), np.zeros((2, 3)))
    assert [(one.where, reason in one.reason) for one in rejected] == [("a.png", True)]


def test_digest_covers_names_and_bytes(tmp_path: Path) -> None:
    save(tmp_path, "a.npy", RAMP)
    save(tmp_path, "b.npy", RAMP)
    both = list_score_maps(tmp_path, samples("a.png", "b.png"))[0].digest
    assert list_score_maps(tmp_path, samples("b.png", "a.png"))[0].digest == both
    assert list_score_maps(tmp_path, samples("a.png"))[0].digest != both
    save(tmp_path, "b.npy", RAMP + 1)
    assert list_score_maps(tmp_path, samples("a.png", "b.png"))[0].digest != both


def test_map_that_changes_after_it_was_listed_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path, "a.npy", RAMP)
    maps, _ = list_score_maps(tmp_path, samples("a.png"))
    save(tmp_path, "a.npy", RAMP + 1)
    with pytest.raises(DataError, match="changed during the run"):
        maps.read("a.png")
    path.unlink()
    with pytest.raises(DataError, match="cannot be read: no such file"):
        maps.read("a.png")


def test_name_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    save(tmp_path, "a.npy", RAMP)
    save(tmp_path, "maps/b.npy", RAMP)
    maps, rejected = list_score_maps(tmp_path / "maps", samples("../a.png", f"{tmp_path}/a.png", "b.png"))
    assert list(maps.files) == ["b.png"]
    assert all("is not a path within a folder" in one.reason for one in rejected)


def test_folder_without_maps_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of the 1 images has a score map.*the first: a.png"):
        list_score_maps(tmp_path, samples("a.png"))
    with pytest.raises(ReportgenError, match="not a folder"):
        list_score_maps(tmp_path / "missing", samples("a.png"))
