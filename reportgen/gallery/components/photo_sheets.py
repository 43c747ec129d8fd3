"""The photographs of images without a full page, many in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.draw.tiles import fitted, photo_sheet
from reportgen.gallery.components.image_figures import image_size
from reportgen.gallery.core.browser_constants import SHEET_ACROSS, SHEET_TILE
from reportgen.gallery.core.media import AddedMedia, Media, MediaFile
from reportgen.parallel import run_parallel

PER_SHEET = SHEET_ACROSS**2


@dataclass(frozen=True)
class PicturePart:
    """A photograph in a file that may have several. x, y, width, height, file_width, file_height: in its pixels."""

    url: str
    x: int
    y: int
    width: int
    height: int
    file_width: int
    file_height: int


@dataclass(frozen=True)
class PhotoSheets:
    """rows: the images without a full page, ascending; sizes: `(N, 2)` width and height of every image; files: with the
    photographs of `PER_SHEET` of the rows each, in their order."""

    rows: np.ndarray
    sizes: np.ndarray
    files: Sequence[MediaFile]

    def part(self, i: int) -> PicturePart:
        """The photograph of image i, which has no full page."""
        sheet, k = divmod(int(np.searchsorted(self.rows, i)), PER_SHEET)
        y, x = divmod(k, SHEET_ACROSS)
        file, (width, height) = self.files[sheet], self.sizes[i].tolist()
        return PicturePart(
            file.url, SHEET_TILE * x, SHEET_TILE * y, *fitted((width, height), SHEET_TILE), file.width, file.height
        )


def draw_photo_sheets(audit: Audit, media: Media) -> PhotoSheets:
    """Draw the files with all cores. Errors: OutputError."""
    rows, model = audit.full_pages.short, audit.main
    starts = range(0, len(rows), PER_SHEET)
    files: dict[int, MediaFile] = {}

    def work(turns: Iterator[int]) -> Iterator[dict[int, MediaFile] | AddedMedia]:
        for turn in turns:
            own = rows[starts[turn] : starts[turn] + PER_SHEET].tolist()
            sizes = [image_size(model, i) for i in own]
            yield {turn: media.draw(photo_sheet, [model.jpeg(i) for i in own], sizes, SHEET_TILE, SHEET_ACROSS)}
        yield media.added

    def name(turn: int) -> str:
        return f"the pictures from `{audit.samples[rows[starts[turn]]].name}` on"

    for result in run_parallel(work, len(starts), name):
        if isinstance(result, AddedMedia):
            media.merge(result)
        else:
            files |= result
    return PhotoSheets(rows, model.sizes, [files[turn] for turn in range(len(starts))])
