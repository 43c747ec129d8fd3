"""The one forward pass: what is kept of a batch of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from reportgen.attribution.cam import class_activation_maps
from reportgen.attribution.gradcam import grad_cam
from reportgen.errors import ConfigError
from reportgen.extract.loader import Decoded, chunks
from reportgen.models.classifier import Classifier
from reportgen.models.layers import choose_layers, code_node, tapped, unit_maxima

TOP = 5
"""Classes an image whose maps are kept, beside the label's."""
SHARD = 256
"""About how many images a shard holds."""


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

    layers: names of those whose units are looked at beside the last maps. aliases: arrays that are another's twin and
    stored once; the code is the mean of the maps where the head is global average pooling and one linear layer.
    """

    def __init__(self, classifier: Classifier, layers: Sequence[str] = ()) -> None:
        self.classifier = classifier
        chosen = choose_layers(classifier.trunk, classifier.head, layers)
        taps = [layer for layer in chosen if layer.name != classifier.maps_layer]
        self.layers = [*(layer.name for layer in taps), classifier.maps_layer]
        self.aliases = {f"units/{classifier.maps_layer}/max": "features/gmp"}
        code = None if classifier.own else code_node(classifier.head)
        if code is None:
            pooling = classifier.own.pooling if classifier.own else "gap"
            self.aliases["features/code"] = f"features/{pooling}"
        self._trunk = tapped(classifier.trunk, [layer.node for layer in taps], unit_maxima)
        self._head = tapped(classifier.head, [] if code is None else [code])

    def __call__(self, pixels: Tensor, labels: Sequence[int | None]) -> dict[str, Tensor]:
        """One batch through the network.

        pixels: `(N, 3, S, S)` uint8, on the classifier's device.
        Returns `logits (N, K)`, `features/gap (N, C)`, `features/gmp (N, C)`, `features/code (N, D)` (see `aliases`),
        `units/<layer>/max (N, U)` and `units/<layer>/where (N, U) int32` (see `unit_maxima`), `cam/class (N, M) int32`
        with the top five classes and then the label's (−1: none), `cam/map (N, M, h, w)` float32 in logit units
        (zeros for class −1).
        """
        classifier = self.classifier
        with torch.no_grad():
            maps, maxima = self._trunk(classifier.preprocessing.normalise(pixels))
            gmp, where = unit_maxima(maps)
            gap = maps.mean((2, 3))
            logits, code = self._head(maps)
            top = top_classes(logits, min(TOP, logits.shape[1]))
            label = torch.tensor([-1 if y is None else y for y in labels], device=pixels.device)[:, None]
            classes = torch.cat((top, label), 1)
            looked_up = classes.clamp(min=0)
            if classifier.own is not None:
                cams = class_activation_maps(maps, classifier.own.weight, looked_up)
            else:
                cams = grad_cam(classifier.head, maps, looked_up)
        kept = {
            "logits": logits,
            "features/gap": gap,
            "features/gmp": gmp,
            "cam/class": classes.to(torch.int32),
            "cam/map": cams * (classes >= 0)[:, :, None, None],
            f"units/{classifier.maps_layer}/where": where,
        }
        if code:
            kept["features/code"] = code[0]
        for name, (maximum, position) in zip(self.layers, maxima, strict=False):
            kept |= {f"units/{name}/max": maximum, f"units/{name}/where": position}
        return kept


def extract(
    forward: Pass, images: Iterable[Decoded], device: torch.device, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of one shard after another: each batch goes through the network as soon as it is decoded.

    A shard is a whole number of batches, about `SHARD` images, so that an image's neighbours in its batch,
    and with them the last bits of its numbers, do not depend on where an earlier run was interrupted.
    """
    batches: list[tuple[list[Decoded], dict[str, np.ndarray]]] = []
    for batch in chunks(images, batch_size):
        pixels = torch.from_numpy(np.stack([image.pixels for image in batch])).to(device)
        kept = forward(pixels, [image.label for image in batch])
        batches.append((batch, {name: tensor.cpu().numpy() for name, tensor in kept.items()}))
        if len(batches) >= max(1, SHARD // batch_size):
            yield _shard(batches)
            batches = []
    if batches:
        yield _shard(batches)


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
