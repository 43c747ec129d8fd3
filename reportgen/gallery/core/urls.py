"""The addresses of the pages, relative to the site's root. Names are ASCII, short, and safe on every file system."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerCard


@lru_cache(1 << 14)  # pages name their neighbours, too
def slug(text: str) -> str:
    """Lower-case ASCII letters, digits and single dashes, at most 60 bytes; "x" when nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "x"


def class_page(audit: Audit, k: int) -> str:
    """The page of class k: its index keeps classes of one name apart."""
    return f"classes/{k:04d}-{slug(audit.classes[k])}.html"


def image_page(audit: Audit, i: int) -> str:
    """The page of image i: its place in the data set keeps files of one content apart."""
    stem = audit.samples[i].name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return f"images/{i:06d}-{slug(stem)}.html"


def layer_slug(layer: LayerCard) -> str:
    """A dot and a dash in two layers' names stay apart by the number of their positions and units."""
    return f"{slug(layer.name)}-{layer.shape[0]}x{layer.shape[1]}"


def layer_page(layer: LayerCard) -> str:
    """The page of a layer."""
    return f"units/{layer_slug(layer)}/index.html"


def activation_page(audit: Audit, i: int, layer: LayerCard) -> str:
    """The page of a layer's activations in image i."""
    image = image_page(audit, i).removeprefix("images/").removesuffix(".html")
    return f"activations/{image}/{layer_slug(layer)}.html"


def unit_page(layer: LayerCard, u: int) -> str:
    """The page of unit u of a layer."""
    return layer_page(layer).replace("index", f"{u:04d}")
