"""URLs of the pages, relative to the site's root. File names are ASCII, short, and valid on every file system."""

from __future__ import annotations

from urllib.parse import urlencode

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Finding
from reportgen.audit.model_audit import ModelAudit
from reportgen.audit.model_info import LayerInfo
from reportgen.gallery.core.check import SHORT_PAGE
from reportgen.metrics.formatting import slug


def class_page(of: Audit | ModelAudit, k: int) -> str:
    """The page of class k. The index distinguishes classes of the same name."""
    return f"classes/{k:04d}-{slug(of.classes[k])}.html"


def label_page(of: Audit | ModelAudit, k: int) -> str:
    """The page of class k of a multi-label data set."""
    return class_page(of, k).replace("classes/", "labels/", 1)


def image_page(audit: Audit, i: int) -> str:
    """The full page of image i, or else its short one, which scripts fill from data."""
    if audit.full_pages.has[i]:
        return f"images/{_image_name(audit, i)}.html"
    return f"{SHORT_PAGE}#id={audit.full_pages.ids[i]}"


def _image_name(of: Audit | ModelAudit, i: int) -> str:
    """The index distinguishes files of the same name."""
    stem = of.samples[i].name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return f"{i:06d}-{slug(stem)}"


def layer_slug(layer: LayerInfo) -> str:
    """A layer in a URL. The shape distinguishes layers whose names differ in punctuation only."""
    return f"{slug(layer.name)}-{layer.shape[0]}x{layer.shape[1]}"


def layer_page(layer: LayerInfo) -> str:
    """The page of a layer's units."""
    return f"units/{layer_slug(layer)}/index.html"


def activation_page(of: Audit | ModelAudit, i: int, layer: LayerInfo) -> str:
    """The page of a layer's activations in image i."""
    return f"activations/{_image_name(of, i)}/{layer_slug(layer)}.html"


def unit_page(layer: LayerInfo, u: int) -> str:
    """The page of unit u of a layer."""
    return layer_page(layer).replace("index", f"{u:04d}")


def image_list(**filters: object) -> str:
    """The page Images with filters, such as `label=3`: the names and values of `image-filter.js`."""
    return f"images/index.html#{urlencode(filters)}" if filters else "images/index.html"


def finding_page(finding: Finding) -> str:
    """The page of a finding."""
    return f"findings/{finding.slug}.html"
