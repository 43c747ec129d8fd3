"""Photographs of matched images under their label, for rows of neighbours and of top-activating images."""

from __future__ import annotations

from reportgen.gallery.comparison.pairing import Side
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.photo_cards import Relation
from reportgen.gallery.core.media import Media


def photo(media: Media, side: Side, i: int, row_title: str = "", value: str = "", first: int | None = None) -> Figure:
    """The photograph of matched image i under its label.

    row_title: for the first of a row; first: the first image of the row, whose label is compared.
    """
    label = str(side.labels[i])
    picture = media.add(side.jpeg(i))
    relation: Relation = "first" if row_title else ""
    if not row_title and first is not None and label:
        relation = "same" if label == side.labels[first] else "other"
    return Figure(
        picture,
        str(side.predictions["name"][i]),
        (picture.width, picture.height),
        title=label or "no label",
        value=value,
        caption=row_title,
        relation=relation,
    )
