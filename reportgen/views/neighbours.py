"""An image and those nearest to it, by the network's codes and by pixels (Krizhevsky et al. 2012, Figure 4)."""

from __future__ import annotations

from typing import Literal

from reportgen.analysis.audit import Audit
from reportgen.analysis.space import SHOWN, Space, overlap
from reportgen.views.album import Album
from reportgen.views.links import image_page
from reportgen.views.panel import Figure, Section, View


def draw(audit: Audit, album: Album, i: int | None) -> Section | None:
    """Two rows: the image, then its nearest by codes; the image, then its nearest by pixels."""
    assert i is not None
    codes, pixels = audit.code_space, audit.pixel_space
    rows = [_row(audit, album, codes, i, "By codes"), _row(audit, album, pixels, i, "By pixels")]
    figures = [figure for row in rows for figure in row]
    if len(figures) == len(rows):
        return None
    a, b = (space.neighbours.index[i : i + 1, :SHOWN] for space in (codes, pixels))
    caption = (
        f"The image, then the {a.shape[1]} nearest others with their Euclidean distance: between the network's codes "
        f"(what its last layer reads), and between thumbnails of 32 × 32 pixels. {int(overlap(a, b)[0])} are in both "
        "rows."
    )
    if audit.labels[i] >= 0:
        same = [sum(figure.relation == "same" for figure in row) for row in rows]
        caption += f" Its own label is borne by {same[0]} of those by codes and {same[1]} of those by pixels."
    return Section("neighbours", "Nearest neighbours", caption, figures, "strips")


def _row(audit: Audit, album: Album, space: Space, i: int, title: str) -> list[Figure]:
    own = int(audit.labels[i])
    figures = [figure_of(audit, album, i, title, relation="first")]
    for j, distance in zip(space.neighbours.index[i, :SHOWN], space.neighbours.distance[i, :SHOWN], strict=True):
        relation: Literal["", "same", "other"] = ""
        if own >= 0 and audit.labels[j] >= 0:
            relation = "same" if audit.labels[j] == own else "other"
        if j >= 0:
            figures.append(figure_of(audit, album, int(j), audit.samples[j].name, f"{distance:.3g}", relation))
    return figures


def figure_of(
    audit: Audit,
    album: Album,
    i: int,
    caption: str = "",
    value: str = "",
    relation: Literal["", "first", "same", "other"] = "",
) -> Figure:
    """The photograph of image i under its label, leading to its page."""
    label = audit.samples[i].label
    return Figure(
        picture=album.add(audit.picture(i)),
        alt=audit.samples[i].name,
        size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
        title="no label" if label is None else audit.classes[label],
        value=value,
        caption=caption,
        href=image_page(audit, i),
        relation=relation,
    )


VIEW = View(
    name="neighbours",
    label="Nearest neighbours",
    scope="image",
    order=60,
    about="The ten nearest images by the network's codes above the ten nearest by pixels, with distance and label.",
    needs=("features/code", "image/tiny"),
    draw=draw,
)
