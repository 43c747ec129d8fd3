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


def forward(classifier: Classifier, pixels: Tensor, labels: Sequence[int | None]) -> dict[str, Tensor]:
    """One batch through the network, everything of it that is kept.

    pixels: `(N, 3, S, S)` uint8, on the classifier's device.
    Returns `logits (N, K)`, `features/gap (N, C)`, `features/gmp (N, C)`, `cam/class (N, M) int32` with the top five
    classes and then the label's (−1: none), `cam/map (N, M, h, w)` float32 in logit units (zeros for class −1).
    """
    with torch.no_grad():
        maps = classifier.trunk(classifier.preprocessing.normalise(pixels))
        logits = classifier.head(maps).float()
        top = top_classes(logits, min(TOP, logits.shape[1]))
        label = torch.tensor([-1 if y is None else y for y in labels], device=pixels.device)[:, None]
        classes = torch.cat((top, label), 1)
        looked_up = classes.clamp(min=0)
        if classifier.own is not None:
            cams = class_activation_maps(maps, classifier.own.weight, looked_up)
        else:
            cams = grad_cam(classifier.head, maps, looked_up)
        cams = cams.float() * (classes >= 0)[:, :, None, None]
        gap, gmp = maps.mean((2, 3)).float(), maps.amax((2, 3)).float()
    return {
        "logits": logits,
        "features/gap": gap,
        "features/gmp": gmp,
        "cam/class": classes.to(torch.int32),
        "cam/map": cams,
    }


def extract(
    classifier: Classifier, images: Iterable[Decoded], device: torch.device, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of one shard after another: each batch goes through the network as soon as it is decoded.

    A shard is a whole number of batches, about `SHARD` images, so that an image's neighbours in its batch,
    and with them the last bits of its numbers, do not depend on where an earlier run was interrupted.
    """
    batches: list[tuple[list[Decoded], dict[str, np.ndarray]]] = []
    for batch in chunks(images, batch_size):
        pixels = torch.from_numpy(np.stack([image.pixels for image in batch])).to(device)
        kept = forward(classifier, pixels, [image.label for image in batch])
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
