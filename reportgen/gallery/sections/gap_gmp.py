"""One image under a GAP and a GMP head (Zhou et al. 2016, section 3.2)."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.audit.gap_gmp import gap_gmp_pair
from reportgen.gallery.components.pooling_figures import map_column, pooling_figure
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section


@section(
    "image",
    order=30,
    requires=("cam/map", "cam/class"),
    about="The image's map and box under average pooling and under max pooling, if the audit has both.",
)
def gap_gmp(audit: Audit, media: Media, i: int) -> Section | None:
    """Both maps; None unless the audit has both poolings."""
    pair = gap_gmp_pair(audit)
    if pair is None:
        return None
    names = {audit.classes[int(model.cam_classes[i, map_column(audit.main, i)])] for model in pair}
    caption = (
        f"Map of {' and of '.join(sorted(names))} by {pair[0].info.name} and by {pair[1].info.name}, each normalized "
        "by its maximum. Dashed: predicted box; solid: ground-truth box. Covers: share of the ground-truth box inside "
        "the predicted box; outside: share of the map's positive values outside of the ground-truth boxes."
    )
    figures = [pooling_figure(pair[0], media, i, "GAP"), pooling_figure(pair[1], media, i, "GMP")]
    return Section("Average and max pooling", caption, figures, "pair")
