"""The forward pass: everything that is stored of a batch of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from reportgen.data.isolated import close_all
from reportgen.errors import ModelError
from reportgen.methods.activation_maps import activation_maps
from reportgen.models.classifier import Classifier
from reportgen.models.folding import fold
from reportgen.models.inference import LOW_PRECISION_DTYPES, N_TOP_CLASSES, N_TOP_LABELS, top_classes
from reportgen.models.layers import feature_node, select_layers, unit_maxima, with_intermediates
from reportgen.models.onnx_export import export_trunk
from reportgen.models.onnx_runtime import OnnxFeatureMaps, OnnxTrunk, onnx_trunk
from reportgen.pipeline.image_loader import DecodedImage, chunks
from reportgen.store.results_cache import ResultsCache, cached

IMAGES_PER_SHARD = 256
"""Approximate number of images in a shard."""


class ForwardPass:
    """Everything that is stored of an image, from one forward pass of a classifier.

    The trunk runs folded, or in ONNX Runtime, so results differ from the plain network's by rounding only.

    layers: names of the layers whose units are recorded, the feature maps last. aliases: arrays that equal another one
    and are stored once: `features/code` is the pooled feature maps where the head is global pooling and one linear
    layer. max_batch: images that fit the device's memory at once, as soon as that is known.
    """

    def __init__(
        self,
        classifier: Classifier,
        layers: Sequence[str] = (),
        precision: str = "fp32",
        store_feature_maps: bool = False,
        runtime: str = "torch",
        cache: ResultsCache | None = None,
    ) -> None:
        """precision: `fp32`, `bf16` or `fp16`, of the trunk; store_feature_maps: store whole feature maps as well;
        runtime: `torch`, or on the CPU in float32 `onnxruntime`, that runs the trunk; cache: where the graph that is
        exported for it is kept."""
        self.classifier = classifier
        self.precision = precision
        self.store_feature_maps = store_feature_maps
        self.runtime = runtime
        self._cache = cache
        self.max_batch: int | None = None
        chosen = select_layers(classifier.trunk, classifier.head, layers)
        self._taps = [layer for layer in chosen if layer.name != classifier.feature_layer]
        self.layers = [*(layer.name for layer in self._taps), classifier.feature_layer]
        self.aliases = {f"units/{classifier.feature_layer}/max": "features/gmp"}
        code = None if classifier.linear_head else feature_node(classifier.head)
        if code is None:
            pooling = classifier.linear_head.pooling if classifier.linear_head else "gap"
            self.aliases["features/code"] = f"features/{pooling}"
        self._head = with_intermediates(classifier.head, [] if code is None else [code])

    @cached_property
    def _trunk(self) -> Callable[[Tensor], tuple[Tensor, list[tuple[Tensor, Tensor]]]]:
        """The trunk with the maxima of units, made when the first image comes."""
        trunk, nodes = self.classifier.trunk, [layer.node for layer in self._taps]
        if self.runtime == "onnxruntime":
            return onnx_trunk(trunk, nodes, self._onnx_graph)
        return fold(with_intermediates(trunk, nodes, unit_maxima))

    def _onnx_graph(self) -> bytes:
        """The trunk's graph, of the cache if it is there."""
        trunk, nodes = self.classifier.trunk, [layer.node for layer in self._taps]
        shape = self.classifier.preprocessing.input_shape
        inputs = [self.classifier.weights_digest, self.layers, shape, torch.__version__, version("onnx")]

        def exported() -> dict[str, np.ndarray]:
            return {"onnx": np.frombuffer(export_trunk(trunk, nodes, shape), np.uint8)}

        return cached(self._cache, "graph", inputs, exported)["onnx"].tobytes()

    @cached_property
    def without_gradients(self) -> Classifier:
        """The classifier with the trunk in the runtime of this pass, or folded, for computations without gradients."""
        if self.runtime == "torch":
            return replace(self.classifier, trunk=fold(self.classifier.trunk))
        assert isinstance(self._trunk, OnnxTrunk)
        return replace(self.classifier, trunk=OnnxFeatureMaps(self._trunk))

    @property
    def runtime_version(self) -> str:
        """The runtime, with its version where that is not PyTorch's."""
        return f"onnxruntime {version('onnxruntime')}" if self.runtime == "onnxruntime" else self.runtime

    def __call__(self, pixels: Tensor, labels: Sequence[int | None]) -> dict[str, Tensor]:
        """Run one batch through the network, in parts where the device's memory is too small for all of it.

        pixels: `(N, C, H, W)` uint8, on the classifier's device.
        Returns `logits (N, K)`, `features/gap (N, C)`, `features/gmp (N, C)`, `features/code (N, D)` (see `aliases`),
        `units/<layer>/max (N, U)` and `units/<layer>/where (N, U) int32` (see `unit_maxima`), `cam/class (N, M) int32`
        with the top five classes (of a multi-label network 32) and then the label's (−1: none), `cam/map (N, M, h, w)`
        in logit units (zeros for class −1), and, with `store_feature_maps`, `maps (N, C, h, w)`; float32 unless stated.
        Errors: ModelError if not even one image fits.
        """
        parts: list[dict[str, Tensor]] = []
        start = 0
        while start < len(pixels):
            stop = min(start + (self.max_batch or len(pixels)), len(pixels))
            try:
                parts.append(self._forward(pixels[start:stop], labels[start:stop]))
            except torch.OutOfMemoryError:
                if stop - start == 1:
                    raise ModelError("not even one image fits the device's memory", "use --device cpu") from None
                self.max_batch = (stop - start) // 2
            else:
                start = stop
        return parts[0] if len(parts) == 1 else {k: torch.cat([part[k] for part in parts]) for k in parts[0]}

    def maxima(self, pixels: Tensor) -> dict[str, Tensor]:
        """`(N, C, H, W)` uint8 → the units' maxima `(N, U)` float32 of each layer."""
        with torch.no_grad():
            _, output, seen = self._run_trunk(pixels)
            found = {name: maximum.float() for name, (maximum, _) in zip(self.layers, seen, strict=False)}
            return found | {self.layers[-1]: unit_maxima(self.classifier.feature_maps(output))[0]}

    def _run_trunk(self, pixels: Tensor) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """The trunk's input, its output in float32, and the units' maxima and positions in each tapped layer."""
        low = LOW_PRECISION_DTYPES.get(self.precision)
        with torch.autocast(pixels.device.type, low) if low else nullcontext():
            normalised = self.classifier.preprocessing.normalize(pixels)
            is_onnx = self.runtime == "onnxruntime"
            images = normalised.contiguous(memory_format=torch.contiguous_format if is_onnx else torch.channels_last)
            output, maxima = self._trunk(images)
        return images, output.float(), maxima

    def _forward(self, pixels: Tensor, labels: Sequence[int | None]) -> dict[str, Tensor]:
        classifier = self.classifier
        with torch.no_grad():
            images, output, maxima = self._run_trunk(pixels)
            maps = classifier.feature_maps(output)
            gmp, where = unit_maxima(maps)
            logits, code = self._head(output)
            logits = logits.float()
            n_top = N_TOP_LABELS if classifier.class_names.is_multilabel else N_TOP_CLASSES
            top = top_classes(logits, min(n_top, logits.shape[1]))
            label = torch.tensor([-1 if y is None else y for y in labels], device=pixels.device)[:, None]
            classes = torch.cat((top, label), 1)
            lookup = classes.clamp(min=0)
            cams = activation_maps(classifier, images, output, lookup)
        arrays = {
            "logits": logits,
            "features/gap": maps.mean((2, 3)),
            "features/gmp": gmp,
            "cam/class": classes.to(torch.int32),
            "cam/map": cams.float() * (classes >= 0)[:, :, None, None],
            f"units/{classifier.feature_layer}/where": where,
        }
        if code:
            arrays["features/code"] = code[0].float()
        if self.store_feature_maps:
            arrays["maps"] = maps.contiguous()
        for name, (maximum, position) in zip(self.layers, maxima, strict=False):
            arrays |= {f"units/{name}/max": maximum.float(), f"units/{name}/where": position}
        return arrays


Batch = tuple[list[DecodedImage], Tensor]
"""Images, and their pixels `(N, C, H, W)` uint8."""


def unit_size(batch_size: int) -> int:
    """Return the number of files in a unit: a whole number of batches, about `IMAGES_PER_SHARD` files."""
    return max(1, IMAGES_PER_SHARD // batch_size) * batch_size


def extract(
    forward: ForwardPass, images: Iterable[DecodedImage], device: torch.device, batch_size: int
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yield unit and arrays of one shard after another; while a batch is in the network, the next one is assembled.

    A batch has images of one unit (see `DecodedImage`), and a shard those of one unit, or of several with few missing
    images. So an image's neighbours in its batch, and with them the last bits of its numbers, depend neither on where
    an earlier run was interrupted nor on how the units are distributed to processes.
    """
    batches: list[tuple[list[DecodedImage], dict[str, np.ndarray]]] = []
    for batch, pixels in prefetched(assemble_batches(_batches_within_units(images, batch_size), device)):
        rows = sum(len(images) for images, _ in batches)
        if batches and batch[0].unit != batches[-1][0][0].unit and 2 * rows >= unit_size(batch_size):
            yield _shard(batches)
            batches = []
        arrays = forward(pixels.to(device, non_blocking=True), [image.label for image in batch])
        batches.append((batch, {name: tensor.cpu().numpy() for name, tensor in arrays.items()}))
    if batches:
        yield _shard(batches)


def _batches_within_units(images: Iterable[DecodedImage], size: int) -> Iterator[list[DecodedImage]]:
    for _, members in groupby(images, lambda image: image.unit):
        yield from chunks(members, size)


def assemble_batches(batches: Iterable[list[DecodedImage]], device: torch.device) -> Iterator[Batch]:
    """Batches with their pixels, channels last as images are; in pinned memory, which copies asynchronously, for
    CUDA."""
    for batch in batches:
        pixels = torch.from_numpy(np.stack([image.pixels.transpose(1, 2, 0) for image in batch])).permute(0, 3, 1, 2)
        yield batch, pixels.pin_memory() if device.type == "cuda" else pixels


def prefetched(items: Iterator[Batch]) -> Iterator[Batch]:
    """The items, each computed by a thread while the one before it is used."""
    with ThreadPoolExecutor(1, "assemble") as pool:
        coming = pool.submit(next, items, None)
        try:
            while (item := coming.result()) is not None:
                coming = pool.submit(next, items, None)
                yield item
        except BaseException:
            close_all()
            raise


def _shard(
    batches: Sequence[tuple[list[DecodedImage], dict[str, np.ndarray]]],
) -> tuple[int, dict[str, np.ndarray]]:
    """Return the first unit and the arrays."""
    arrays = {name: np.concatenate([part[name] for _, part in batches]) for name in batches[0][1]}
    images = [image for batch, _ in batches for image in batch]
    pictures = [image.picture for image in images]
    if score_maps := [image.score_map for image in images if image.score_map is not None]:
        has_class = arrays["cam/class"] >= 0  # an image's map is that of each of its classes
        arrays["cam/map"] = np.stack(score_maps)[:, None] * has_class[:, :, None, None].astype(np.float32)
    arrays |= {
        "samples/id": np.array([image.id for image in images], "S64"),
        "samples/label": np.array([-1 if image.label is None else image.label for image in images], np.int32),
        "samples/size": np.array([image.size for image in images], np.int32),
        "samples/window": np.array([image.window for image in images], np.float32),
        "image/tiny": np.stack([image.tiny for image in images]),
        "image/properties": np.stack([image.properties for image in images]),
        "image/jpeg": np.frombuffer(b"".join(pictures), np.uint8),
        "image/offset": np.cumsum([0, *map(len, pictures)], dtype=np.int64),
    }
    return images[0].unit, arrays
