"""The CAMs of the five top classes of 64 images, compared with pytorch-grad-cam's GradCAM and torchcam's CAM.

The network is torchvision's ResNet-18 with seeded random weights at 224 x 224 (the time of a convolution does not
depend on its weights). All contestants share its parameters, start from the same uint8 batch, normalise it with the
same code and run on the same threads; each finds the top five classes itself.

- `reportgen`: the product's `forward`, which also gives logits, GAP and GMP features.
- `grad-cam`: one instance, whole batches. The first call explains the top class, and its logits name the other four;
  so 5 forward and 5 backward passes, the least that its API allows: each call runs the network.
- `torchcam`: one forward pass in inference mode, then one call a class with the whole batch's class indices. This is
  the best way to use it, and costs hardly more than the forward pass.
- Printed as well, not in the result: the bare forward pass; `grad-cam` on a network whose parameters are frozen
  before the last layer, which cuts its backward passes short; `torchcam` as its README shows it, image by image and
  one forward pass a map.

Gate: largest difference < 1e-4 in logit units, before any ReLU and normalising. torchcam gives such maps with
`normalized=False`. Grad-CAM's are caught where `get_cam_image` returns, and multiplied by h·w: its channel weights are
the mean of the gradient over positions, CAM's are the sum (for global average pooling and a linear layer, w itself).
"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torchvision
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam.methods import CAM

from benchmarks.timing import OURS, Result, measure, table
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.models.inference import N_TOP_CLASSES, eval_mode
from reportgen.models.sources.common import RANDOM_WEIGHTS_SEED
from reportgen.pipeline.forward import ForwardPass

LIMIT = 1e-4
"""The largest difference between two maps of the same class, in logit units, that rounding explains."""


def run(quick: bool) -> Result:
    """64 images, 5 rounds; `quick`: 8 images, 3 rounds."""
    images, rounds = (8, 3) if quick else (64, 5)
    network, classifier = resnet18()
    frozen = frozen_before_last(network)
    pixels = random_pixels(images, 224)
    normalise = classifier.preprocessing.normalize
    forward = ForwardPass(classifier)
    differences = differences_to_peers(network, forward, pixels)
    timings = measure(
        {
            OURS: lambda: ours(forward, pixels),
            "grad-cam": lambda: grad_cam(GradCAM, network, normalise(pixels)),
            "torchcam": lambda: torchcam(network, normalise(pixels)),
            "bare forward pass": lambda: bare(network, normalise(pixels)),
            "grad-cam, frozen before its layer": lambda: grad_cam(GradCAM, frozen, normalise(pixels)),
            "torchcam, one forward pass a map": lambda: torchcam_map_by_map(network, normalise(pixels)),
        },
        rounds,
    )
    lines = [f"{images} images, {rounds} rounds, {torch.get_num_threads()} threads", *table(timings)]
    lines.append(f"ours is {1 / timings.ratio('bare forward pass'):.3f} x the bare forward pass")
    lines += [f"{peer}: largest difference {value:.1e} in logit units" for peer, value in differences.items()]
    ratio = {peer: timings.ratio(peer) for peer in differences}
    return Result(ratio, all(value < LIMIT for value in differences.values()), lines)


def resnet18() -> tuple[nn.Module, Classifier]:
    """The network for the peers and the classifier that the product makes of it; they share their parameters."""
    torch.manual_seed(RANDOM_WEIGHTS_SEED)
    network = torchvision.models.resnet18(weights=None).eval()
    return network, classifier_from_module(network, "resnet18")


def random_pixels(images: int, side: int) -> Tensor:
    """`(images, 3, side, side)` uint8, the same ones every time."""
    return torch.randint(0, 256, (images, 3, side, side), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def frozen_before_last(network: nn.Module) -> nn.Module:
    """A copy in which only the last batch norm has a gradient: no backward pass goes further than that."""
    copied = copy.deepcopy(network).requires_grad_(False)
    copied.get_submodule("layer4.1.bn2").requires_grad_()
    return copied


def bare(network: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(x)


def ours(forward: ForwardPass, pixels: Tensor) -> dict[str, Tensor]:
    with eval_mode(forward.classifier):
        return forward(pixels, [None] * len(pixels))


def grad_cam(kind: type[GradCAM], network: nn.Module, x: Tensor) -> list[np.ndarray]:
    """Five maps `(N, S, S)` in [0, 1], as pytorch-grad-cam gives them."""
    with kind(network, [network.get_submodule("layer4")]) as cam:
        maps = [cam(x, None)]
        top = cam.outputs.detach().topk(N_TOP_CLASSES).indices
        return maps + [cam(x, [ClassifierOutputTarget(c) for c in column]) for column in top.T[1:].tolist()]


def torchcam(network: nn.Module, x: Tensor, normalized: bool = True) -> list[Tensor]:
    """Five maps `(N, h, w)`."""
    with CAM(network, "layer4", "fc") as cam, torch.inference_mode():
        logits = network(x)
        return [cam(column, logits, normalized)[0] for column in logits.topk(N_TOP_CLASSES).indices.T.tolist()]


def torchcam_map_by_map(network: nn.Module, x: Tensor) -> list[Tensor]:
    maps = []
    with CAM(network, "layer4", "fc") as cam, torch.inference_mode():
        for image in x.split(1):
            for rank in range(N_TOP_CLASSES):
                logits = network(image)
                maps += cam(int(logits[0].topk(N_TOP_CLASSES).indices[rank]), logits)
    return maps


def differences_to_peers(network: nn.Module, forward: ForwardPass, pixels: Tensor) -> dict[str, float]:
    """Peer → the largest |Δ| between its raw maps and ours, over all images and their five top classes."""
    mine = ours(forward, pixels)["cam/map"][:, :N_TOP_CLASSES].numpy()
    x = forward.classifier.preprocessing.normalize(pixels)
    raw: list[np.ndarray] = []

    class RawGradCAM(GradCAM):
        def get_cam_image(self, *args: object, **kwargs: object) -> np.ndarray:
            raw.append(super().get_cam_image(*args, **kwargs))
            return raw[-1]

    grad_cam(RawGradCAM, network, x)
    positions = mine.shape[2] * mine.shape[3]
    theirs = {
        "grad-cam": np.stack(raw, 1) * positions,
        "torchcam": torch.stack(torchcam(network, x, normalized=False), 1).numpy(),
    }
    return {peer: float(np.abs(maps - mine).max()) for peer, maps in theirs.items()}
