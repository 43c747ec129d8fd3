"""An image and its nearest neighbours, by features and by pixels (Krizhevsky et al. 2012, Figure 4)."""

from __future__ import annotations

from reportgen.audit.audit import Audit
from reportgen.embedding.neighbours import Neighbours
from reportgen.embedding.space import N_SHOWN, count_shared
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.photo_cards import label_relation, photo_card, reference_photo_card
from reportgen.gallery.components.section import Section
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import section


@section(
    "image",
    order=60,
    requires=("features/code", "image/tiny"),
    about="The ten nearest neighbours by features above the ten nearest by pixels, with distance and label.",
    multilabel=True,
)
def neighbours(audit: Audit, media: Media, i: int) -> Section | None:
    """A row by features and a row by pixels, each of the image and its neighbours; then those of the reference."""
    features, pixels = audit.feature_space.neighbours.first(N_SHOWN), audit.pixel_space.neighbours.first(N_SHOWN)
    rows = [_row(audit, media, features, i, "By features"), _row(audit, media, pixels, i, "By pixels")]
    k = features.index.shape[1]
    shared = int(count_shared(features.index[i : i + 1], pixels.index[i : i + 1])[0])
    caption = (
        f"The image and its {k} nearest neighbours, with the Euclidean distance between features "
        f"({audit.feature_source.description}) and between thumbnails of 32 × 32 pixels. {shared} images are in "
        "both rows."
    )
    if audit.samples[i].is_annotated:
        by_features, by_pixels = (sum(figure.relation == "same" for figure in row) for row in rows)
        share = "have the same labels (=)" if audit.is_multilabel else "share its label"
        caption += (
            f" {by_features} of its {k} nearest neighbours by features {share}, and {by_pixels} of those by pixels."
        )
    if audit.reference and audit.reference_matches:
        for name, matches in zip(("By features", "By pixels"), audit.reference_matches, strict=True):
            nearest = matches.nearest.first(N_SHOWN)
            rows.append(_row(audit, media, nearest, i, f"{name} in {audit.reference.name}", is_reference=True))
        caption += f" Below: the nearest images of {audit.reference.name}."
    figures = [figure for row in rows for figure in row]
    if len(figures) == len(rows):
        return None
    return Section("Nearest neighbours", caption, figures, "strips")


def _row(
    audit: Audit, media: Media, neighbours: Neighbours, i: int, title: str, is_reference: bool = False
) -> list[Figure]:
    """The image and its neighbours, which are of its own data set or of the reference."""
    source = audit.reference if is_reference and audit.reference else audit
    card = reference_photo_card if is_reference else photo_card
    figures = [photo_card(audit, media, i, title, relation="first")]
    for j, distance in zip(neighbours.index[i], neighbours.distance[i], strict=True):
        if j >= 0:
            relation = label_relation(audit.samples[i], source.samples[j])
            figures.append(card(audit, media, int(j), source.samples[j].name, f"{distance:.3g}", relation))
    return figures
