"""What every channel of a layer answers to an image, beside what the top class makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import LayerCard
from reportgen.draw.colormap import inferno, signed
from reportgen.draw.mosaic import Sheet, draw_sheet
from reportgen.gallery.components.figure import Figure, Page, Section, View
from reportgen.gallery.components.image_figures import card, the_image
from reportgen.gallery.core.media import Album
from reportgen.gallery.core.urls import activation_page, image_page, layer_page, unit_page
from reportgen.gallery.pages.units import sides

CLIP = 0.995
"""Quantile of the gradients' magnitudes that gets the last colour: single values outshine all others by far."""
SIGNED = 0.1
"""A layer whose least value is below minus this share of its largest is drawn on a signed scale."""
LISTED = 16
"""Channels in the table beneath the mosaics, the most active first."""


@dataclass(frozen=True)
class Channel:
    """A row of the table: values as texts."""

    number: int
    url: str
    activity: str
    range: str
    gradient: str


@dataclass(frozen=True)
class ActivationsPage:
    """The images that were looked at, each leading to its first layer."""

    cards: Sequence[Figure]
    layers: int


@dataclass(frozen=True)
class ActivationPage:
    """One layer in one image. section: None where a value is not finite. layers: name, URL, is it this one."""

    name: str
    image: str
    layer: str
    section: Section | None
    facts: Sequence[tuple[str, str]]
    channels: Sequence[Channel]
    layers: Sequence[tuple[str, str, bool]]
    units: str
    previous: tuple[str, str] | None
    next: tuple[str, str] | None


def first_page(audit: Audit, i: int) -> str | None:
    """Where image i's activations begin; None where it was not looked at."""
    look = audit.looks.get("activations")
    if look is None or i not in look.rows or not audit.card.layers:
        return None
    return activation_page(audit, i, audit.card.layers[0])


def pages(audit: Audit, album: Album) -> Iterator[Page]:
    """The index, and a page for each image and layer."""
    layers = audit.card.layers
    images = sorted(audit.looks["activations"].rows) if layers and "activations" in audit.looks else []
    yield "activations/index.html", "activations.html", lambda: _index_page(audit, album, images)
    for n, i in enumerate(images):
        for layer in layers:
            before, after = (
                (audit.samples[images[m]].name, activation_page(audit, images[m], layer))
                if 0 <= m < len(images)
                else None
                for m in (n - 1, n + 1)
            )
            make = partial(_page, audit, album, i, layer, before, after)
            yield activation_page(audit, i, layer), "activation.html", make


def _index_page(audit: Audit, album: Album, images: Sequence[int]) -> ActivationsPage:
    layers = audit.card.layers
    cards = [replace(card(audit, album, i), href=activation_page(audit, i, layers[0]), value="") for i in images]
    return ActivationsPage(cards, len(layers))


def _page(
    audit: Audit, album: Album, i: int, layer: LayerCard, before: tuple[str, str] | None, after: tuple[str, str] | None
) -> ActivationPage:
    tabs = [(one.name, activation_page(audit, i, one), one is layer) for one in audit.card.layers]
    section, facts, channels = look_into(audit, album, i, layer)
    return ActivationPage(
        audit.samples[i].name, image_page(audit, i), layer.name, section, facts, channels, tabs, layer_page(layer),
        before, after,
    )  # fmt: skip


def look_into(
    audit: Audit, album: Album, i: int, layer: LayerCard
) -> tuple[Section | None, list[tuple[str, str]], list[Channel]]:
    """The mosaics of one layer in one image, what is known of the layer, and its most active channels."""
    look = audit.looks["activations"]
    row = look.rows[i]

    def kept(what: str) -> np.ndarray:
        return np.asarray(look.store[what][row])

    values, ends, activity = (kept(f"activations/{layer.name}/{what}") for what in ("map", "range", "activity"))
    gradients, slopes = (kept(f"gradients/{layer.name}/{what}") for what in ("map", "range"))
    top = audit.classes[int(look.store["activations/class"][row])]
    facts = [
        ("Maps", "{} of {} × {}".format(*layer.shape)),
        ("Receptive field", sides(layer.field)),
        ("Stride", sides(layer.stride)),
        ("Parameters up to here", f"{layer.parameters:,}"),
        ("of them since the layer before", f"{layer.own:,}"),
        ("Activations", _span(ends)),
        ("Gradients", _span(slopes)),
    ]
    if not (np.isfinite(ends).all() and np.isfinite(slopes).all()):
        return None, facts, []
    section = _section(audit, album, i, layer, top, (values, ends), (gradients, slopes), activity)
    order = np.argsort(-activity, kind="stable")[:LISTED]
    channels = [
        Channel(int(u), unit_page(layer, int(u)), f"{activity[u]:.3g}", _span(ends[u]), _span(slopes[u])) for u in order
    ]
    return section, facts, channels


def _section(
    audit: Audit, album: Album, i: int, layer: LayerCard, top: str,
    maps: tuple[np.ndarray, np.ndarray], gradients: tuple[np.ndarray, np.ndarray], activity: np.ndarray,
) -> Section:  # fmt: skip
    (codes, ends), slopes = maps, restored(*gradients)
    values = restored(codes, ends)
    colours, shares, zero = on_one_scale(values, float(ends.min()), float(ends.max()))
    limit = float(np.quantile(np.abs(slopes), CLIP)) or 1.0
    sheet = Sheet.square(*codes.shape)
    shown = (
        ("All channels on one scale", colours, shares, _span(ends), f"Which channels answer at all, and where. {zero}"),
        (f"Gradient of the logit of {top}", signed(), 0.5 + slopes / (2 * limit), f"∓{limit:.2g}",
         "Orange: more of the channel there, and the logit rises; blue: it falls; black: nothing. One scale, cut at "
         f"the {CLIP:.1%} quantile of the magnitudes."),
        ("Each channel on its own scale", inferno(), codes / 255, "",
         "From each channel's least to its largest value: what weak channels look like."),
    )  # fmt: skip
    figures = []
    for title, colours, shares, value, caption in shown:
        picture = album.draw(draw_sheet, shares, colours, sheet)
        alt = f"{len(codes)} channels of {layer.name}: {title.lower()}"
        size = (picture.width, picture.height)
        figures.append(Figure(picture, alt, size, title=title, value=value, caption=caption))
    figures.append(the_image(audit, album, i))
    data = {
        "sheet": sheet.numbers(),
        "noun": "channel",
        "pages": layer_page(layer).removesuffix("index.html"),
        "sorts": ["activity"],
        "fields": {
            "activity": _short(activity), "least": _short(ends[:, 0]), "largest": _short(ends[:, 1]),
            "gradient from": _short(slopes.min((1, 2))), "to": _short(slopes.max((1, 2))),
        },
        "sheets": 3,
        "preview": {"sheet": 2, "window": [round(float(v), 1) for v in audit.windows[i]], "size": list(size)},
    }  # fmt: skip
    coarse = layer.shape[1] / codes.shape[1]
    caption = "Channels in their order, row by row." + (
        f" Each point is the mean of {coarse:.0f} × {coarse:.0f} positions." if coarse > 1 else ""
    )
    return Section("activations", f"{layer.name} in this image", caption, figures, "pair", data=data)


def on_one_scale(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray, str]:
    """Colours, shares of their scale, and what to say of it, for values between `low` and `high`.

    A layer without an activation function behind it has about as much below zero as above: it gets the signed scale.
    The small negative values that a swish leaves do not make a layer signed.
    """
    if low < -SIGNED * high:
        limit = max(-low, high)
        return signed(), 0.5 + values / (2 * limit), "Orange: above zero, blue: below, black: zero."
    return inferno(), (values - low) / (high - low or 1), "Black: the least value, pale yellow: the largest."


def restored(codes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """`(C, r, c)` values from their shares of each channel's range `(C, 2)` in 255ths."""
    low, high = ends[:, 0, None, None], ends[:, 1, None, None]
    return low + codes / 255 * (high - low)


def _span(ends: np.ndarray) -> str:
    return f"{ends.min():.3g} to {ends.max():.3g}" if np.isfinite(ends).all() else "not finite"


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{v:.3g}") for v in values]


VIEW = View(
    name="activations",
    label="Activations",
    scope="model",
    order=25,
    about="All channels of a layer in an image, and the gradient of the top class's logit by them.",
    needs=("activations/<layer>/map", "gradients/<layer>/map"),
    pages=pages,
)
