"""The one forward pass: what is kept of a batch of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from reportgen.errors import ConfigError, ModelError
from reportgen.methods.cam import class_activation_maps
from reportgen.methods.gradcam import grad_cam
from reportgen.models.classifier import Classifier
from reportgen.models.folding import fused
from reportgen.models.layers import choose_layers, code_node, tapped, unit_maxima
from reportgen.models.map_function import draw_maps
from reportgen.pipeline.image_loader import Decoded, chunks

TOP = 5
"""Classes an image whose maps are kept, beside the label's."""
SHARD = 256
"""About how many images a shard holds."""
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The low precisions that a trunk can run in. Heads, pooled features and maps are float32 whatever it ran in."""


def pick_device(wanted: str) -> torch.device:
    """`auto`: CUDA, else Apple's MPS, else the CPU. Errors: ConfigError for a device that this machine has not."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device `{wanted}` cannot be used ({reason})", "use --device auto") from None
    return device


@contextmanager
def within_memory() -> Iterator[None]:
    """Errors: ModelError where the device's memory was too small, whatever was tried with less at once."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise ModelError(
            "the device's memory is too small for this network", "use a smaller --batch-size, or --device cpu"
        ) from None


@contextmanager
def evaluating(classifier: Classifier) -> Iterator[None]:
    """Both modules in evaluation mode; their own mode comes back, also after an exception."""
    modules = (classifier.trunk, classifier.head)
    was = [module.training for module in modules]
    try:
        for module in modules:
            module.eval()
        yield
    finally:
        for module, training in zip(modules, was, strict=True):
            module.train(training)


def top_classes(logits: Tensor, k: int) -> Tensor:
    """`(N, K)` → the `k` classes of highest logit, `(N, k)` int64; ties go to the lower class index, NaN ranks last."""
    ranked = logits.masked_fill(logits.isnan(), -torch.inf)
    return torch.sort(ranked, dim=1, descending=True, stable=True).indices[:, :k]


class Pass:
    """Everything that is kept of an image, from one forward pass of a classifier.

    The trunk is `fused`, so results differ from the plain network's by rounding alone.

    layers: names of those whose units are looked at beside the last maps. aliases: arrays that are another's twin and
    stored once; the code is the pooled maps where the head is global pooling and one linear layer.
    at_most: images that fit the device's memory at once, once that is known.
    """

    def __init__(
        self, classifier: Classifier, layers: Sequence[str] = (), precision: str = "fp32", store_maps: bool = False
    ) -> None:
        """precision: `fp32`, `bf16` or `fp16`, of the trunk; store_maps: keep the last maps whole, too."""
        self.classifier = classifier
        self.precision = precision
        self.store_maps = store_maps
        self.at_most: int | None = None
        chosen = choose_layers(classifier.trunk, classifier.head, layers)
        taps = [layer for layer in chosen if layer.name != classifier.maps_layer]
        self.layers = [*(layer.name for layer in taps), classifier.maps_layer]
        self.aliases = {f"units/{classifier.maps_layer}/max": "features/gmp"}
        code = None if classifier.own else code_node(classifier.head)
        if code is None:
            pooling = classifier.own.pooling if classifier.own else "gap"
            self.aliases["features/code"] = f"features/{pooling}"
        self._trunk = fused(tapped(classifier.trunk, [layer.node for layer in taps], unit_maxima))
        self._head = tapped(classifier.head, [] if code is None else [code])

    def __call__(self, pixels: Tensor, labels: Sequence[int | None]) -> dict[str, Tensor]:
        """One batch through the network, in parts where the device's memory is too small for all of it.

        pixels: `(N, 3, S, S)` uint8, on the classifier's device.
        Returns `logits (N, K)`, `features/gap (N, C)`, `features/gmp (N, C)`, `features/code (N, D)` (see `aliases`),
        `units/<layer>/max (N, U)` and `units/<layer>/where (N, U) int32` (see `unit_maxima`), `cam/class (N, M) int32`
        with the top five classes and then the label's (−1: none), `cam/map (N, M, h, w)` in logit units (zeros for
        class −1), and, with `store_maps`, `maps (N, C, h, w)`; float32 where not said.
        Errors: ModelError if not even one image fits.
        """
        parts: list[dict[str, Tensor]] = []
        start = 0
        while start < len(pixels):
            stop = min(start + (self.at_most or len(pixels)), len(pixels))
            try:
                parts.append(self._forward(pixels[start:stop], labels[start:stop]))
            except torch.OutOfMemoryError:
                if stop - start == 1:
                    raise ModelError("not even one image fits the device's memory", "use --device cpu") from None
                self.at_most = (stop - start) // 2
            else:
                start = stop
        return parts[0] if len(parts) == 1 else {k: torch.cat([part[k] for part in parts]) for k in parts[0]}

    def maxima(self, pixels: Tensor) -> dict[str, Tensor]:
        """`(N, 3, S, S)` uint8 → by layer its units' maxima `(N, U)` float32, and nothing else."""
        with torch.no_grad():
            _, maps, seen = self._seen(pixels)
            found = {name: maximum.float() for name, (maximum, _) in zip(self.layers, seen, strict=False)}
            return found | {self.layers[-1]: unit_maxima(maps)[0]}

    def _seen(self, pixels: Tensor) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """The trunk's input, its last maps in float32, and the units' maxima and their places in each tapped layer."""
        low = DTYPES.get(self.precision)
        with torch.autocast(pixels.device.type, low) if low else nullcontext():
            normalised = self.classifier.preprocessing.normalise(pixels)
            images = normalised.contiguous(memory_format=torch.channels_last)
            maps, maxima = self._trunk(images)
        return images, maps.float(), maxima

    def _forward(self, pixels: Tensor, labels: Sequence[int | None]) -> dict[str, Tensor]:
        classifier = self.classifier
        with torch.no_grad():
            images, maps, maxima = self._seen(pixels)
            gmp, where = unit_maxima(maps)
            logits, code = self._head(maps)
            logits = logits.float()
            top = top_classes(logits, min(TOP, logits.shape[1]))
            label = torch.tensor([-1 if y is None else y for y in labels], device=pixels.device)[:, None]
            classes = torch.cat((top, label), 1)
            looked_up = classes.clamp(min=0)
            if classifier.drawer is not None:
                cams = draw_maps(classifier, classifier.drawer, images, looked_up)
            elif classifier.own is not None:
                cams = class_activation_maps(maps, classifier.own.weight, looked_up)
            else:
                cams = grad_cam(classifier.head, maps, looked_up)
        kept = {
            "logits": logits,
            "features/gap": maps.mean((2, 3)),
            "features/gmp": gmp,
            "cam/class": classes.to(torch.int32),
            "cam/map": cams.float() * (classes >= 0)[:, :, None, None],
            f"units/{classifier.maps_layer}/where": where,
        }
        if code:
            kept["features/code"] = code[0].float()
        if self.store_maps:
            kept["maps"] = maps.contiguous()
        for name, (maximum, position) in zip(self.layers, maxima, strict=False):
            kept |= {f"units/{name}/max": maximum.float(), f"units/{name}/where": position}
        return kept


Batch = tuple[list[Decoded], Tensor]
"""Images, and their pixels `(N, 3, S, S)` uint8."""


def extract(
    forward: Pass, images: Iterable[Decoded], device: torch.device, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of one shard after another; while a batch goes through the network, the next is put together.

    A shard is a whole number of batches, about `SHARD` images, so that an image's neighbours in its batch,
    and with them the last bits of its numbers, do not depend on where an earlier run was interrupted.
    """
    batches: list[tuple[list[Decoded], dict[str, np.ndarray]]] = []
    for batch, pixels in ahead(assembled(chunks(images, batch_size), device)):
        kept = forward(pixels.to(device, non_blocking=True), [image.label for image in batch])
        batches.append((batch, {name: tensor.cpu().numpy() for name, tensor in kept.items()}))
        if len(batches) >= max(1, SHARD // batch_size):
            yield _shard(batches)
            batches = []
    if batches:
        yield _shard(batches)


def assembled(batches: Iterable[list[Decoded]], device: torch.device) -> Iterator[Batch]:
    """Batches with their pixels, laid out channels last as images are; in pinned memory, from which they are copied
    without waiting, where there is CUDA."""
    for batch in batches:
        pixels = torch.from_numpy(np.stack([image.pixels.transpose(1, 2, 0) for image in batch])).permute(0, 3, 1, 2)
        yield batch, pixels.pin_memory() if device.type == "cuda" else pixels


def ahead(items: Iterator[Batch]) -> Iterator[Batch]:
    """The items, each made by a thread while the one before it is used."""
    with ThreadPoolExecutor(1, "assemble") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _shard(batches: Sequence[tuple[list[Decoded], dict[str, np.ndarray]]]) -> dict[str, np.ndarray]:
    arrays = {name: np.concatenate([kept[name] for _, kept in batches]) for name in batches[0][1]}
    images = [image for batch, _ in batches for image in batch]
    pictures = [image.picture for image in images]
    return arrays | {
        "samples/id": np.array([image.id for image in images], "S64"),
        "samples/label": np.array([-1 if image.label is None else image.label for image in images], np.int32),
        "samples/size": np.array([image.size for image in images], np.int32),
        "samples/window": np.array([image.window for image in images], np.float32),
        "image/tiny": np.stack([image.tiny for image in images]),
        "image/jpeg": np.frombuffer(b"".join(pictures), np.uint8),
        "image/offset": np.cumsum([0, *map(len, pictures)], dtype=np.int64),
    }
