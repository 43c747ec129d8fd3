"""What is kept of an image's occlusion: small grids over the places of the square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, fx

from reportgen.attribution.incremental import Incremental
from reportgen.attribution.occlusion import Squares, occlude, plain_maps, squares_over, strongest_unit
from reportgen.extract.forward import TOP, top_classes
from reportgen.models.classifier import Classifier
from reportgen.models.locality import Adaptive, Global, Window, locality

WORTH = 0.9
"""Work left, relative to the plain way, above which the incremental way is not worth its copying."""
AGREE = 1e-3
"""Largest difference in logits that the incremental way may have from the definition, on a first tile of squares."""
RATE = {"cpu": 2e10, "cuda": 2e12, "mps": 2e11}
"""Multiplications a second that estimates assume: fixed, not measured, for a rerun must choose the same images."""

OVERHEAD = 5e-4
"""Seconds a place of the square that estimates add for putting its input together."""


@dataclass(frozen=True)
class Occluder:
    """A classifier made ready for occlusion. note: why it goes the plain way, or "".

    seconds: estimated for one image.
    """

    classifier: Classifier
    squares: Squares
    incremental: Incremental | None
    note: str
    seconds: float

    def __call__(self, x: Tensor, label: int | None) -> dict[str, np.ndarray]:
        """The image `(1, 3, S, S)`, normalised. R × C are the places of the square.

        Returns `occlusion/subject` int32, the class that is followed: the label, or without one the top class;
        `occlusion/clean` `(2,)` float32: its probability and the unit's total without a square;
        `occlusion/probability` `(R, C)` float32; `occlusion/class` `(R, C, 5)` int32 and `occlusion/score` `(R, C, 5)`
        float16: the top classes and their probabilities; `occlusion/unit` int32, the unit of the last maps whose total
        activation is the largest; `occlusion/total` `(R, C)` float32, its total.
        """
        with torch.inference_mode():
            maps = self.classifier.trunk(x)
            logits = self.classifier.head(maps).float()
            unit = strongest_unit(maps)
            subject = int(logits.argmax()) if label is None else label
            way = self.incremental.maps if self.incremental else plain_maps(self.classifier.trunk)
            answers = occlude(way, self.classifier.head, x, self.squares, unit)
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


def occluder(classifier: Classifier, side: int, stride: int, fill: tuple[float, float, float]) -> Occluder:
    """fill: the square's colour, RGB in [0, 1]. The incremental way where it saves work and agrees with the definition.

    Errors: ValueError where the square does not fit into the input.
    """
    p = classifier.preprocessing
    colour = tuple((v - m) / s for v, m, s in zip(fill, p.mean, p.std, strict=True))
    squares = squares_over(p.size, p.size, side, stride, colour)
    incremental, note, work = None, "", 1.0
    if isinstance(classifier.trunk, fx.GraphModule):
        incremental = Incremental(classifier.trunk)
        tiles = squares.tiles(5)[:: max(1, len(squares.tiles(5)) // 5)]
        work = float(np.mean([incremental.work(side, squares.corners[tile]) for tile in tiles]))
        if work > WORTH:
            incremental, note, work = None, f"{_first_mixing(classifier.trunk)} mixes all positions", 1.0
        elif not _agrees(classifier, incremental, squares):
            incremental, note, work = None, "the incremental way differs from the plain one on this network", 1.0
    else:
        note = "this network is no traced graph"
    device = next(classifier.trunk.parameters()).device.type
    a_place = work * _multiplications(classifier) / RATE.get(device, RATE["cpu"]) + OVERHEAD
    seconds = a_place * len(squares.corners)
    return Occluder(classifier, squares, incremental, note, seconds)


def _agrees(classifier: Classifier, incremental: Incremental, squares: Squares) -> bool:
    """On noise, for the first places of the square."""
    size = classifier.preprocessing.size
    device = next(classifier.trunk.parameters()).device
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    few = Squares(squares.side, squares.rows[:2], squares.columns[:2], squares.fill)
    try:
        found = occlude(incremental.maps, classifier.head, image, few, 0).logits
    except RuntimeError:  # an operation that reads sizes as numbers, and meets windows of other sizes
        return False
    expected = occlude(plain_maps(classifier.trunk), classifier.head, image, few, 0).logits
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
