"""The live page, on which the network itself runs: scripts fill it."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.live_network import HalfWeights
from reportgen.gallery.components.live_chunks import write_live_chunks
from reportgen.gallery.core.check import LIVE
from reportgen.gallery.core.labels import input_size_label, preprocessing
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.metrics.formatting import counted


@dataclass(frozen=True)
class LivePage:
    """network: its name; input: size of its input; preprocessing: of an image; megabytes: that the page loads; weights:
    how they are stored, or ""; offered, total: images of the report that can be opened, and all."""

    network: str
    input: str
    preprocessing: str
    megabytes: int
    weights: str
    offered: int
    total: int


@page(
    LIVE,
    nav=("Live", "Live"),
    order=105,
    when=lambda audit: audit.live is not None,
    about="The network itself, which runs in the page: predictions and activation maps of any image (with `live`).",
)
def live(audit: Audit, media: Media) -> LivePage:
    """The page and its chunks of data. Errors: OutputError."""
    assert audit.live is not None
    info, rows = audit.main.info, len(audit.live.inputs.rows)
    size = write_live_chunks(media.site, audit, audit.live)
    return LivePage(
        info.name,
        input_size_label(info),
        preprocessing(info),
        round(size / 1e6),
        _weights(audit.live.half),
        rows,
        len(audit.samples),
    )


def _weights(half: HalfWeights | None) -> str:
    if half is None:
        return ""
    images = counted(half.images, "image", "images")
    return (
        f"The network's weights are stored in 16 bits. On {images} of the report, the largest difference of a logit "
        f"that this makes is {half.difference:.1e}."
    )
