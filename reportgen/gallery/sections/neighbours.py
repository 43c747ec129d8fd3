"""An image and those nearest to it, by the network's codes and by pixels (Krizhevsky et al. 2012, Figure 4)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.space import SHOWN, overlap
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.components.image_figures import photograph
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import image_page

Relation = Literal["", "first", "same", "other"]


def draw(audit: Audit, album: Album, i: int | None) -> Section | None:
    """Two rows: the image, then its nearest by codes; the image, then its nearest by pixels; also of a reference."""
    assert i is not None
    codes, pixels = audit.code_space.neighbours.first(SHOWN), audit.pixel_space.neighbours.first(SHOWN)
    rows = [_row(audit, album, codes, i, "By codes"), _row(audit, album, pixels, i, "By pixels")]
    caption = (
        f"The image, then the {codes.index.shape[1]} nearest others with their Euclidean distance: between the "
        f"network's codes ({audit.codes.words}), and between thumbnails of 32 × 32 pixels. "
        f"{int(overlap(codes.index[i : i + 1], pixels.index[i : i + 1])[0])} are in both rows."
    )
    if audit.labels[i] >= 0:
        same = [sum(figure.relation == "same" for figure in row) for row in rows]
        caption += f" Its own label is borne by {same[0]} of those by codes and {same[1]} of those by pixels."
    if audit.reference and audit.matches:
        there = [matches.nearest.first(SHOWN) for matches in audit.matches]
        titles = [f"{by} in {audit.reference.name}" for by in ("By codes", "By pixels")]
        rows += [_row(audit, album, n, i, title, True) for n, title in zip(there, titles, strict=True)]
        caption += f" Below, the nearest images of {audit.reference.name}."
    figures = [figure for row in rows for figure in row]
    if len(figures) == len(rows):
        return None
    return Section("neighbours", "Nearest neighbours", caption, figures, "strips")


def _row(
    audit: Audit, album: Album, neighbours: Neighbours, i: int, title: str, reference: bool = False
) -> list[Figure]:
    """The image, then its neighbours, which are of the reference or of its own data set."""
    there = audit.reference if reference and audit.reference else audit
    labels, samples = there.labels, there.samples
    make = reference_figure if reference else figure_of
    figures = [figure_of(audit, album, i, title, relation="first")]
    for j, distance in zip(neighbours.index[i], neighbours.distance[i], strict=True):
        if j >= 0:
            relation = relation_of(int(audit.labels[i]), int(labels[j]))
            figures.append(make(audit, album, int(j), samples[j].name, f"{distance:.3g}", relation))
    return figures


def relation_of(own: int, other: int) -> Relation:
    """How another image's label stands to one's own; −1 is no label."""
    if own < 0 or other < 0:
        return ""
    return "same" if own == other else "other"


def figure_of(
    audit: Audit, album: Album, i: int, caption: str = "", value: str = "", relation: Relation = ""
) -> Figure:
    """The photograph of image i under its label, leading to its page."""
    label = audit.samples[i].label
    return Figure(
        picture=photograph(audit, album, i),
        alt=audit.samples[i].name,
        size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
        title="no label" if label is None else audit.classes[label],
        value=value,
        caption=caption,
        href=image_page(audit, i),
        relation=relation,
    )


def reference_figure(
    audit: Audit, album: Album, j: int, caption: str = "", value: str = "", relation: Relation = ""
) -> Figure:
    """The photograph of image j of the reference under its label; it has no page and leads to its picture."""
    assert audit.reference is not None
    sample, picture = audit.reference.samples[j], photograph(audit.reference, album, j)
    width, height = np.asarray(audit.reference.store["samples/size"][j]).tolist()
    return Figure(
        picture=picture,
        alt=sample.name,
        size=(width, height),
        title="no label" if sample.label is None else audit.classes[sample.label],
        value=value,
        caption=caption,
        href=picture.url,
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
