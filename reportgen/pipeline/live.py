"""The live page's network: exported once, with the network's inputs of the images that the page offers."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import cache

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
from reportgen.models.live_graph import LiveGraph, live_graph
from reportgen.pipeline.image_loader import MAX_SCALED_SIDE
from reportgen.pipeline.inputs import AuditInputs
from reportgen.pipeline.per_image import PerImageJob
from reportgen.pipeline.progress import Progress, StageClock
from reportgen.pipeline.selected_images import fill_colour, occlusion_square
from reportgen.store.per_image import PerImageResults

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
                graph, packed, half = _packed(live_graph(classifier, layers), classifier, pixels)
        except ModelError as error:
            return None, _note(str(error))
        if len(packed) > 1e6 * config.live_limit:
            size = f"{len(packed) / 1e6:.0f} MB, and the limit is {config.live_limit} MB (setting `live_limit`)"
            return None, _note(f"the network has {size}")
    network = LiveNetwork(
        packed=packed,
        graph_size=graph.graph_size,
        weights=graph.weights,
        half=half,
        layers=layers,
        has_gradient=graph.gradient_classes > 0,
        preprocessing=live_preprocessing(classifier, model.run.settings.resize),
        occlusion=live_occlusion(job),
        inputs=pixels,
    )
    return network, ""


def _packed(
    graph: LiveGraph, classifier: Classifier, pixels: PerImageResults
) -> tuple[LiveGraph, bytes, HalfWeights | None]:
    """Return the graph and its compressed bytes, with weights in 16 bits if this changes no logit by more than
    `MAX_DIFFERENCE`. Errors: ModelError."""
    rows = evenly_spaced(sorted(pixels), MAX_COMPARED)
    images = [torch.tensor(pixels.of_image(row)["input/pixels"])[None] for row in rows]
    if images:
        smaller = half_weights(graph, classifier)
        normalized = classifier.preprocessing.normalize(torch.cat(images))
        difference = largest_difference(graph, smaller, normalized)
        if difference < MAX_DIFFERENCE:
            return smaller, _compressed(smaller), HalfWeights(difference, len(images))
    return graph, _compressed(graph), None


def _compressed(graph: LiveGraph) -> bytes:
    return gzip.compress(graph.data, 6, mtime=0)


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
