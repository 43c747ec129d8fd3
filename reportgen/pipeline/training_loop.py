"""The training loop of a CAM network. It can stop after any step and resume with the same result."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from reportgen.data.decoding import decode
from reportgen.data.samples import Sample
from reportgen.models.cam_networks import CamNet
from reportgen.models.classifier import Preprocessing

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
TRUNK_RATE = 0.1
"""Learning rate of a trunk that is trained too, relative to that of the new layers."""


class Training:
    """The network, its optimizer, and its progress: `step` steps of epoch `epoch` are done.

    train_trunk: without it the trunk's weights and batch statistics stay as they are.
    curve: of each finished epoch its number, rate, mean loss in training, and on images kept back loss and error.
    """

    def __init__(self, network: CamNet, epochs: int, rate: float, train_trunk: bool, device: torch.device) -> None:
        self.network, self.epochs, self.rate, self.train_trunk = network.to(device), epochs, rate, train_trunk
        self.device, self.preprocessing = device, Preprocessing()
        network.trunk.requires_grad_(train_trunk)
        new = [p for part in (network.conv, network.fc) for p in part.parameters()]
        groups = [{"params": new, "scale": 1.0}]
        if train_trunk:
            groups.append({"params": list(network.trunk.parameters()), "scale": TRUNK_RATE})
        self.optimiser = torch.optim.SGD(groups, rate, MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.epoch, self.step, self.images, self.total = 0, 0, 0, 0.0
        self.curve: list[dict[str, float]] = []

    def learn(self, pixels: Tensor, labels: Tensor) -> None:
        """One step. pixels: `(N, 3, S, S)` uint8; labels: `(N,)` int64."""
        self.network.train()
        self.network.trunk.train(self.train_trunk)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate() * group["scale"]
        self.optimiser.zero_grad()
        x, y = self.preprocessing.normalize(pixels.to(self.device)), labels.to(self.device)
        loss = F.cross_entropy(self.network(x), y)
        loss.backward()
        self.optimiser.step()
        self.step += 1
        self.images += len(y)
        self.total += float(loss.detach()) * len(y)

    def _rate(self) -> float:
        """It falls from epoch to epoch along half a cosine."""
        return self.rate * (1 + math.cos(math.pi * self.epoch / self.epochs)) / 2

    def end_epoch(self, held_out: Iterator[tuple[Tensor, Tensor]]) -> None:
        """Notes the epoch, judged on batches of images that are not trained on."""
        self.network.eval()
        loss, wrong, images = 0.0, 0, 0
        with torch.inference_mode():
            for pixels, labels in held_out:
                y = labels.to(self.device)
                logits = self.network(self.preprocessing.normalize(pixels.to(self.device)))
                loss += float(F.cross_entropy(logits, y, reduction="sum"))
                wrong += int((logits.argmax(1) != y).sum())
                images += len(y)
        row = {"epoch": self.epoch + 1, "rate": self._rate(), "loss": self.total / self.images}
        self.curve.append(row | {"held_loss": loss / images, "held_error": wrong / images})
        self.epoch, self.step, self.images, self.total = self.epoch + 1, 0, 0, 0.0

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "at": [self.epoch, self.step, self.images],
            "total": self.total,
            "curve": self.curve,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes back to a state."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.step, self.images = state["at"]
        self.total, self.curve = state["total"], state["curve"]


def order_of(images: int, epoch: int, seed: int) -> np.ndarray:
    """The images in the order of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(images)


def training_picture(image: Image.Image, preprocessing: Preprocessing, random: np.random.Generator) -> np.ndarray:
    """`(3, S, S)` uint8: squashed to a slightly larger square, a random part of it, mirrored or not."""
    large, size = preprocessing.resized[0], preprocessing.height
    pixels = np.asarray(image.resize((large, large), Image.Resampling.BILINEAR))
    top, left = random.integers(0, large - size + 1, 2)
    part = pixels[top : top + size, left : left + size]
    return (part[:, ::-1] if random.random() < 0.5 else part).transpose(2, 0, 1)


def batches(
    samples: Sequence[Sample], rows: np.ndarray, size: int, preprocessing: Preprocessing, seed: Sequence[int] | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels `(N, 3, S, S)` uint8 and labels `(N,)` of the samples' rows, `size` at a time, one batch decoded ahead.

    seed: of an epoch, for pictures to train on, so that each depends on its row alone; None squashes whole images.
    """

    def one(row: int) -> np.ndarray:
        image = decode(samples[row].read(), samples[row].name)
        if seed is not None:
            return training_picture(image, preprocessing, np.random.default_rng([*seed, row]))
        side = preprocessing.height
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR)).transpose(2, 0, 1)

    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    with ThreadPoolExecutor(max(2, torch.get_num_threads()), "decode") as pool:
        coming = [[pool.submit(one, int(row)) for row in part] for part in parts[:1]]
        for number, part in enumerate(parts):
            if number + 1 < len(parts):
                coming.append([pool.submit(one, int(row)) for row in parts[number + 1]])
            pixels = np.stack([future.result() for future in coming.pop(0)])
            labels = [label for row in part if (label := samples[int(row)].label) is not None]
            yield torch.from_numpy(np.ascontiguousarray(pixels)), torch.tensor(labels)
