"""The selected images whose activations were stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reportgen.audit.audit import Audit
from reportgen.gallery.components.figure import Figure
from reportgen.gallery.components.image_figures import image_card
from reportgen.gallery.core.media import Media
from reportgen.gallery.core.registry import page
from reportgen.gallery.core.urls import activation_page
from reportgen.gallery.pages.activation_detail import images_with_activations


@dataclass(frozen=True)
class ActivationsPage:
    """A card for each selected image, which links to its first layer. layers: number of recorded layers."""

    cards: Sequence[Figure]
    layers: int


@page(
    "activations/index.html",
    nav=("Internals", "Activations"),
    order=65,
    about="The selected images, each with the activations of all channels of every recorded layer.",
    multilabel=True,
)
def activations(audit: Audit, media: Media) -> ActivationsPage:
    """The list of selected images."""
    layers = audit.main.info.layers
    images = images_with_activations(audit)
    cards = [replace(image_card(audit, media, i), href=activation_page(audit, i, layers[0]), value="") for i in images]
    return ActivationsPage(cards, len(layers))
