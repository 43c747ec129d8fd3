"""Pictures of a site: what the last build drew is used again only if it is still there and whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reportgen.draw.png import palette_png
from reportgen.gallery.core.media import FileState, Media


def grey(side: int) -> bytes:
    return palette_png(np.zeros((side, side), np.uint8), bytes(3))


Built = tuple[Media, dict[str, FileState]]
"""The media of a build, and the states of their files at its end."""


def build(site: Path, last: Built | None = None) -> Built:
    """Add one picture and draw another; last: the last build."""
    media = Media(site, last[0].added.by_inputs, last[1]) if last else Media(site)
    media.add(grey(3))
    media.draw(grey, 5)
    media.remove_unused()
    return media, media.states()


def contents(site: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (site / "media").iterdir()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_damaged_picture_of_the_last_build_is_written_again(tmp_path: Path, which: int, damage: Callable) -> None:
    last = build(tmp_path)
    expected = contents(tmp_path)
    assert len(expected) == 2
    damage(tmp_path / "media" / sorted(expected)[which])
    build(tmp_path, last)
    assert contents(tmp_path) == expected


def test_intact_picture_of_the_last_build_is_not_drawn_again(tmp_path: Path) -> None:
    last, states = build(tmp_path)
    media = Media(tmp_path, last.added.by_inputs, states)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "media").iterdir()}
    media.draw(grey, 5)
    assert media.added.by_content == {}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "media").iterdir()} == times


def test_pictures_of_a_kept_page_are_kept_only_if_all_are_intact(tmp_path: Path) -> None:
    last, states = build(tmp_path)
    first, second = (Media(tmp_path, last.added.by_inputs, states) for _ in range(2))
    _, asked = first.pictures_of(lambda: [first.add(grey(3)), first.draw(grey, 5), first.add_once(7, lambda: grey(3))])
    assert asked == sorted(states)
    assert second.keep(asked)
    assert second.used_drawings() == last.added.by_inputs
    second.remove_unused()
    assert set(contents(tmp_path)) == set(states)
    (tmp_path / "media" / asked[0]).unlink()
    assert not Media(tmp_path, last.added.by_inputs, states).keep(asked)


def test_files_that_a_killed_process_left_are_removed(tmp_path: Path) -> None:
    build(tmp_path)
    expected = contents(tmp_path)
    (tmp_path / "media" / ".0123456789.png.77.tmp").write_bytes(b"half")
    build(tmp_path)
    assert contents(tmp_path) == expected
