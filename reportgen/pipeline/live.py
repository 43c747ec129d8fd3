"""The live page's network: exported once, with the network's inputs of the images that the page offers."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from reportgen.audit.live_network import HalfWeights, LiveNetwork, LiveOcclusion, LivePreprocessing
from reportgen.config import AuditConfig
from reportgen.data.sampling import evenly_spaced
from reportgen.errors import ModelError
from reportgen.models.classifier import Classifier
from reportgen.models.half_weights import half_weights, largest_difference
from reportgen.models.inference import eval_mode
from reportgen.models.live_graph import live_graph
from reportgen.pipeline.image_loader import MAX_SCALED_SIDE
from reportgen.pipeline.inputs import AuditInputs
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.pipeline.selected_images import fill_colour, occlusion_square
from reportgen.store.per_image import PerImageResults
from reportgen.store.results_cache import ResultsCache

MAX_DIFFERENCE = 1e-2
"""Of a logit, by weights that are rounded to 16 bits."""
MAX_COMPARED = 16
"""Images on which they are compared."""
MAX_PIXELS = 15_000_000
"""Pixels of all inputs that the page offers, such as 298 of 224 × 224: about 20 MB as files."""


def live_network(
    config: AuditConfig, inputs: AuditInputs, clock: StageClock, progress: Progress
) -> tuple[LiveNetwork | None, str]:
    """Return the first network for the live page; or None, and in one line why there is no such page.

    The line is "" if the settings do not ask for the page. Errors: OutputError.
    """
    if not config.live:
        return None, ""
    with clock("export the network"), progress("Exporting the network", None, "") as tick:
        model = inputs.models[0]
        if len(model.run.heads) > 1:
            return None, _note(f"its head was fitted in {len(model.run.heads)} folds, so there is no single network")
        layers = [layer.name for layer in model.info.layers if layer.name != model.info.feature_layer]
        classifier = model.run.classifier
        job = PerImageJob(model.run, inputs.samples, model.table, inputs.device)
        rows = offered_images(len(inputs.samples), classifier.preprocessing.height * classifier.preprocessing.width)
        pixels = job.compute("input", {}, rows, lambda row, image, x: {"input/pixels": image.pixels}, tick)
        try:
            with eval_mode(classifier):
                exported = _exported(config, classifier, layers, _compared_images(pixels))
        except ModelError as error:
            return None, _note(str(error))
        if len(exported.packed) > 1e6 * config.live_limit:
            size = (
                f"{len(exported.packed) / 1e6:.0f} MB, and the limit is {config.live_limit} MB (setting `live_limit`)"
            )
            return None, _note(f"the network has {size}")
    network = LiveNetwork(
        packed=exported.packed.tobytes(),
        graph_size=int(exported.graph_size),
        weights=int(exported.weights) if exported.weights >= 0 else None,
        half=HalfWeights(float(exported.difference), int(exported.compared)) if exported.compared else None,
        layers=layers,
        has_gradient=bool(exported.has_gradient),
        preprocessing=live_preprocessing(classifier, model.run.settings.resize),
        occlusion=live_occlusion(job),
        inputs=pixels,
    )
    return network, ""


class _Exported(NamedTuple):
    """The graph of a `LiveNetwork`, as arrays that are cached: exporting and comparing takes seconds.

    packed: bytes; graph_size, weights (−1: None) and has_gradient: numbers of a `LiveGraph`; difference, compared:
        those of `HalfWeights`, compared is 0 where the weights are those of the network.
    """

    packed: np.ndarray
    graph_size: np.ndarray
    weights: np.ndarray
    has_gradient: np.ndarray
    difference: np.ndarray
    compared: np.ndarray


def _exported(config: AuditConfig, classifier: Classifier, layers: Sequence[str], images: np.ndarray) -> _Exported:
    """The cached graph, or a new one. images: `(N, C, H, W)` uint8, to compare rounded weights on. Errors: ModelError,
    OutputError."""
    libraries = [torch.__version__, *map(version, ("onnx", "onnxruntime"))]
    inputs = [classifier.weights_digest, classifier.feature_layer, list(layers), images, *libraries]
    stored = ResultsCache(config.out / "cache").get(
        "live", inputs, lambda: _export(classifier, layers, images)._asdict()
    )
    return _Exported(**stored)


def _export(classifier: Classifier, layers: Sequence[str], images: np.ndarray) -> _Exported:
    """The graph, with weights in 16 bits if this changes no logit by more than `MAX_DIFFERENCE`. Errors: ModelError."""
    graph, difference, compared = live_graph(classifier, layers), 0.0, 0
    if len(images):
        smaller = half_weights(graph, classifier)
        normalized = classifier.preprocessing.normalize(torch.from_numpy(images))
        difference = largest_difference(graph, smaller, normalized)
        if difference < MAX_DIFFERENCE:
            graph, compared = smaller, len(images)
    packed = np.frombuffer(gzip.compress(graph.data, 6, mtime=0), np.uint8)
    weights = -1 if graph.weights is None else graph.weights
    numbers = (graph.graph_size, weights, graph.gradient_classes > 0, difference, compared)
    return _Exported(packed, *map(np.array, numbers))


def _compared_images(pixels: PerImageResults) -> np.ndarray:
    """`(N, C, H, W)` uint8: some of the images that the page offers."""
    rows = evenly_spaced(sorted(pixels), MAX_COMPARED)
    images = [pixels.of_image(row)["input/pixels"] for row in rows]
    return np.stack(images) if images else np.zeros((0, 1, 1, 1), np.uint8)


def _note(reason: str) -> str:
    return f"no live page: {reason}"


def offered_images(n: int, pixels: int) -> Sequence[int]:
    """The rows of the images that the page offers, of n whose inputs have so many pixels: all, or an even sample."""
    offered = max(1, min(n, MAX_PIXELS // pixels))
    return [int(row) for row in np.linspace(0, n - 1, offered).round()] if n else []


def live_occlusion(job: PerImageJob) -> LiveOcclusion:
    """The occluding square of the job."""
    settings, preprocessing = job.run.settings, job.run.classifier.preprocessing
    side, stride = occlusion_square(settings, preprocessing)
    fill = fill_colour(job.table, settings.occlusion_fill)
    return LiveOcclusion(side, stride, fill[: preprocessing.channels])


def live_preprocessing(classifier: Classifier, resize: str) -> LivePreprocessing:
    """The preprocessing in plain values. resize: `warp` or `crop`."""
    p = classifier.preprocessing
    return LivePreprocessing(
        channels=p.channels,
        height=p.height,
        width=p.width,
        mean=p.mean,
        std=p.std,
        resize=resize,
        resized=p.resized,
        squash=p.squash,
        crop_offset=p.crop_offset,
        interpolation=p.interpolation,
        height_first=scales_height_first(),
        max_side=MAX_SCALED_SIDE,
    )


@cache
def scales_height_first() -> bool:
    """Whether Pillow scales the height of a tall image first. The order changes pixels by rounding, at most by 1."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 9), np.uint8))
    at_once = noise.resize((7, 11), Image.Resampling.BILINEAR)
    return at_once == noise.resize((9, 11), Image.Resampling.BILINEAR).resize((7, 11), Image.Resampling.BILINEAR)
