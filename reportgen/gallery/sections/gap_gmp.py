"""One image under a GAP and a GMP head (Zhou et al. 2016, section 3.2)."""

from __future__ import annotations

from reportgen.audit.audit import LABEL, Audit
from reportgen.gallery.components.figure import Figure, Section, View
from reportgen.gallery.components.image_figures import highest, map_layer, marks, photograph
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import image_page
from reportgen.metrics.gap_gmp import pair_of


def figure_of(audit: Audit, album: Album, i: int, title: str, href: str = "") -> Figure:
    """Image i with the map of its label, or of the top class where it has none, on its own scale, and the boxes."""
    column = LABEL if audit.cam_classes[i, LABEL] >= 0 else 0
    value = ""
    if audit.study is not None and audit.localization is not None and audit.localization.judged[i]:
        row = int((audit.study.images == i).argmax())
        value = f"covers {audit.study.own.complete[row]:.0%}, {1 - audit.study.own.energy[row]:.0%} outside"
    return Figure(
        picture=photograph(audit, album, i),
        alt=f"{audit.samples[i].name} with the {title} map of {audit.classes[int(audit.cam_classes[i, column])]}",
        size=(int(audit.sizes[i, 0]), int(audit.sizes[i, 1])),
        overlay=map_layer(audit, album, i, column, highest(audit.cams[i, column])),
        marks=marks(audit, i, column),
        title=title,
        value=value,
        href=href,
    )


def side_by_side(gap: Audit, gmp: Audit, album: Album, i: int) -> tuple[Figure, Figure]:
    """The two figures of image i, which lead to its page."""
    return figure_of(gap, album, i, "GAP", image_page(gap, i)), figure_of(gmp, album, i, "GMP", image_page(gmp, i))


def draw(audit: Audit, album: Album, i: int | None) -> Section | None:
    """Both maps; None unless the audit has both poolings."""
    assert i is not None
    pair = pair_of(audit)
    if pair is None:
        return None
    column = LABEL if audit.cam_classes[i, LABEL] >= 0 else 0
    names = {audit.classes[int(model.cam_classes[i, column])] for model in pair}
    caption = (
        f"The map of {' and of '.join(sorted(names))} under {pair[0].card.name} and {pair[1].card.name}, each on its"
        " own scale, with the map's box (dashed) and the true ones. Covered: the share of the true box inside the map's"
        " box; outside: the share of the map's positive values beyond the true boxes."
    )
    figures = [figure_of(pair[0], album, i, "GAP"), figure_of(pair[1], album, i, "GMP")]
    return Section("poolings", "Average and maximum pooling", caption, figures, "pair")


VIEW = View(
    name="poolings",
    label="GAP and GMP",
    scope="image",
    order=30,
    about="The image's map and box under average pooling beside those under maximum pooling, where an audit has both.",
    needs=("cam/map", "cam/class"),
    draw=draw,
)
