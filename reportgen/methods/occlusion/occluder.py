"""What is kept of an image's occlusion: small grids over the places of the square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, fx

from reportgen.methods.occlusion.coarse_to_fine import Shortcut, cheapest, drill_down
from reportgen.methods.occlusion.definition import Answers, Plain, Squares, Way, occlude, squares_over, strongest_unit
from reportgen.methods.occlusion.incremental import Incremental
from reportgen.methods.occlusion.int8 import EightBit, available
from reportgen.models.classifier import Classifier
from reportgen.models.locality import Adaptive, Global, Window, locality
from reportgen.pipeline.forward import TOP, top_classes
from reportgen.pipeline.precision import native_precision

WORTH = 0.9
"""Work left, relative to the plain way, above which the incremental way is not worth its copying."""
AGREE = 1e-3
"""Largest difference in logits that the incremental way may have from the definition, on a first tile of squares."""
RATE = {"cpu": 2e10, "cuda": 2e12, "mps": 2e11}
"""Multiplications a second that estimates assume: fixed, not measured, for a rerun must choose the same images."""

OVERHEAD = 5e-4
"""Seconds a place of the square that estimates add for putting its input together."""


CAPS = (1.0, 0.8, 0.6)
"""Shares of a map's side that windows are tried to be kept to, for `fast`."""


@dataclass(frozen=True)
class Occluder:
    """A classifier made ready for occlusion.

    exact: the way that the definition is computed; note: why it is the plain one, or ""; seconds: estimated for one
    image. shortcut: what `fast` leaves out, with the way for it, and the least similarity seen; None for `exact`.
    """

    classifier: Classifier
    squares: Squares
    exact: Way
    note: str
    seconds: float
    shortcut: Shortcut | None = None
    quick: Way | None = None
    similarity: float = 1.0

    def __call__(self, x: Tensor, label: int | None) -> dict[str, np.ndarray]:
        """The image `(1, 3, S, S)`, normalised. R × C are the places of the square.

        Returns `occlusion/subject` int32, the class that is followed: the label, or without one the top class;
        `occlusion/clean` `(2,)` float32: its probability and the unit's total without a square;
        `occlusion/probability` `(R, C)` float32; `occlusion/class` `(R, C, 5)` int32 and `occlusion/score` `(R, C, 5)`
        float16: the top classes and their probabilities; `occlusion/unit` int32, the unit of the last maps whose total
        activation is the largest; `occlusion/total` `(R, C)` float32, its total.
        """
        with torch.inference_mode():
            maps, logits, subject = self._clean(x, label)
            unit = strongest_unit(maps)
            answers = self._answers(x, unit, subject)
            probability = answers.logits.softmax(1)
            top = top_classes(answers.logits, min(TOP, answers.logits.shape[1]))
            shape = (len(self.squares.rows), len(self.squares.columns))
            clean = torch.stack((logits.softmax(1)[0, subject], maps[0, unit].sum().float()))
            score = probability.gather(1, top)
        return {
            "occlusion/subject": np.array(subject, np.int32),
            "occlusion/clean": clean.cpu().numpy(),
            "occlusion/probability": probability[:, subject].reshape(shape).cpu().numpy(),
            "occlusion/class": top.to(torch.int32).reshape(*shape, -1).cpu().numpy(),
            "occlusion/score": score.to(torch.float16).reshape(*shape, -1).cpu().numpy(),
            "occlusion/unit": np.array(unit, np.int32),
            "occlusion/total": answers.total.reshape(shape).cpu().numpy(),
        }

    def _clean(self, x: Tensor, label: int | None) -> tuple[Tensor, Tensor, int]:
        """The last maps and the logits of the whole image, and the class that is followed."""
        maps = self.classifier.trunk(x)
        logits = self.classifier.head(maps).float()
        return maps, logits, int(logits.argmax()) if label is None else label

    def _answers(self, x: Tensor, unit: int, subject: int) -> Answers:
        if self.shortcut is None or self.quick is None:
            return occlude(self.exact, self.classifier.head, x, self.squares, unit)
        way = self.quick

        def at(places: Tensor) -> Tensor:
            found = occlude(way, self.classifier.head, x, self.squares, unit, places)
            return torch.cat((found.logits.softmax(1), found.total[:, None]), 1)

        values = drill_down(at, self.squares, self.shortcut, subject)
        return Answers(values[:, :-1].log(), values[:, -1])

    @cached_property
    def arithmetic(self) -> str:
        """What `fast` multiplies: `bfloat16` where the device does that itself, `8 bits` where that pays, `float32`."""
        device = next(self.classifier.trunk.parameters()).device
        if not isinstance(self.exact, Incremental):
            return "float32"
        if native_precision(device) == "bf16":
            return "bfloat16"
        eight = device.type == "cpu" and available() and EightBit(self.classifier.trunk).convolutions
        return "8 bits" if eight else "float32"

    @cached_property
    def quick_ways(self) -> Mapping[float, Way]:
        """By cap, the ways that `fast` may go."""
        trunk = self.classifier.trunk
        if not isinstance(self.exact, Incremental):
            return {1.0: self.exact}
        if self.arithmetic == "8 bits":
            return {cap: EightBit(trunk, cap) for cap in CAPS}
        if self.arithmetic == "bfloat16":
            return {cap: Incremental(trunk, cap, torch.bfloat16) for cap in CAPS}
        return {1.0: self.exact} | {cap: Incremental(trunk, cap) for cap in CAPS if cap < 1}

    def trial(self, x: Tensor, label: int | None) -> dict[str, np.ndarray]:
        """`trial/probability` `(1 + caps, P)` float32: of the followed class at every place, exactly and by cap."""
        with torch.inference_mode():
            _, _, subject = self._clean(x, label)
            ways = dict.fromkeys((self.exact, *self.quick_ways.values()))
            maps = {way: occlude(way, self.classifier.head, x, self.squares, 0).logits for way in ways}
            followed = [maps[way].softmax(1)[:, subject] for way in (self.exact, *self.quick_ways.values())]
        return {"trial/probability": torch.stack(followed).cpu().numpy()}

    def calibrated(self, trials: np.ndarray) -> Occluder:
        """With the cheapest shortcut that the trials `(N, 1 + caps, P)` allow; as it is where they allow none."""
        if not len(trials):
            return self
        ways = self.quick_ways
        everywhere = torch.arange(len(self.squares))
        work = {cap: way.work(self.squares, everywhere) for cap, way in ways.items()}
        exact, *capped = torch.from_numpy(trials).transpose(0, 1)
        found = cheapest(exact, dict(zip(ways, capped, strict=True)), work, self.squares)
        if found is None or (found[0] == Shortcut(1, 0.0, 1.0) and ways[1.0] is self.exact):
            return self
        shortcut, similarity = found
        left = work[shortcut.cap] / self.exact.work(self.squares, everywhere) * shortcut.computed(self.squares)
        return replace(
            self, shortcut=shortcut, quick=ways[shortcut.cap], similarity=similarity, seconds=self.seconds * left
        )


def occluder(classifier: Classifier, side: int, stride: int, fill: tuple[float, float, float]) -> Occluder:
    """fill: the square's colour, RGB in [0, 1]. The incremental way where it saves work and agrees with the definition.

    Errors: ValueError where the square does not fit into the input.
    """
    p = classifier.preprocessing
    colour = tuple((v - m) / s for v, m, s in zip(fill, p.mean, p.std, strict=True))
    squares = squares_over(p.size, p.size, side, stride, colour)
    way, note = _exact(classifier, squares)
    device = next(classifier.trunk.parameters()).device.type
    work = way.work(squares, torch.arange(len(squares)))
    a_place = work * _multiplications(classifier) / RATE.get(device, RATE["cpu"]) + OVERHEAD
    return Occluder(classifier, squares, way, note, a_place * len(squares))


def _exact(classifier: Classifier, squares: Squares) -> tuple[Way, str]:
    """The way that the definition is computed, and why it is the plain one, or ""."""
    plain = Plain(classifier.trunk)
    if not isinstance(classifier.trunk, fx.GraphModule):
        return plain, "this network is no traced graph"
    incremental = Incremental(classifier.trunk)
    if incremental.work(squares, torch.arange(len(squares))) > WORTH:
        return plain, f"{_first_mixing(classifier.trunk)} mixes all positions"
    if not _agrees(classifier, incremental, squares):
        return plain, "the incremental way differs from the plain one on this network"
    return incremental, ""


def _agrees(classifier: Classifier, incremental: Incremental, squares: Squares) -> bool:
    """On noise, for the first places of the square."""
    size = classifier.preprocessing.size
    device = next(classifier.trunk.parameters()).device
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    few = Squares(squares.side, squares.rows[:2], squares.columns[:2], squares.fill)
    try:
        found = occlude(incremental, classifier.head, image, few, 0).logits
    except RuntimeError:  # an operation that reads sizes as numbers, and meets windows of other sizes
        return False
    expected = occlude(Plain(classifier.trunk), classifier.head, image, few, 0).logits
    return bool((found - expected).abs().max() <= AGREE * max(1.0, float(expected.abs().max())))


def _first_mixing(trunk: fx.GraphModule) -> str:
    for node in trunk.graph.nodes:
        if node.op.startswith("call") and isinstance(locality(trunk, node), Adaptive | Global):
            return f"`{node.target if isinstance(node.target, str) else node.name}`"
    return "the first layer"


def _multiplications(classifier: Classifier) -> float:
    """Of the trunk's convolutions, for one image; of its parameters at every position where it is no graph."""
    trunk = classifier.trunk
    if not isinstance(trunk, fx.GraphModule):
        return float(classifier.parameters) * classifier.maps_shape[1] * classifier.maps_shape[2]
    total = 0.0
    for node in trunk.graph.nodes:
        kind, shape = locality(trunk, node), node.meta.get("shape")
        weight = getattr(getattr(kind, "run", None), "keywords", {}).get("weight")
        if isinstance(kind, Window) and weight is not None and shape:
            total += weight.numel() * shape[-2] * shape[-1]
    return total
