"""Preprocessing, logits, CAM, Grad-CAM, saliency, occlusion and receptive fields."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torchvision import transforms

from reportgen.methods.gradcam import grad_cam
from reportgen.methods.occlusion.occluder import make_occluder
from reportgen.methods.saliency import saliency
from reportgen.models.classifier import Preprocessing
from reportgen.models.graph import trace
from reportgen.models.receptive_fields import receptive_fields
from reportgen.pipeline.image_loader import network_input
from tests.fidelity.case import SIDE, Case
from tests.fidelity.comparison import Comparison, compare, needs


def preprocessing(case: Case) -> Iterator[Comparison]:
    bicubic = transforms.InterpolationMode.BICUBIC
    for resize, steps in (
        ("warp", [transforms.Resize((SIDE, SIDE), bicubic)]),
        ("crop", [transforms.Resize(256, bicubic), transforms.CenterCrop(SIDE)]),
    ):
        ours = [network_input(image, Preprocessing(interpolation="bicubic"), resize) for _, image in case.photographs]
        theirs = [transforms.Compose(steps)(image) for _, image in case.photographs]
        pairs = (np.stack([np.asarray(image) for image in images]) for images in (ours, theirs))
        yield compare(f"Preprocessing, `{resize}`: values of pixels", "torchvision's transforms", *pairs)


def logits_and_cam(case: Case) -> Iterator[Comparison]:
    features, logits = case.outputs
    yield compare("Logits", "efficientnet-lite-pytorch, unfolded", case.array("logits"), logits, 1e-4)
    weight, classes = case.network._fc.weight.detach(), torch.from_numpy(case.array("cam/class").astype(np.int64))
    maps = torch.stack([torch.einsum("mc,chw->mhw", weight[c], f) for c, f in zip(classes, features, strict=True)])
    yield compare(
        "CAM of the top classes and the label, logits", "einsum on hooked features", case.array("cam/map"), maps, 1e-3
    )


def head_with_two_layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, 4, 3), nn.ReLU(), nn.Conv2d(8, 16, 5, 4, 2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 6),
    ).eval()  # fmt: skip


def gradcam_by_hooks(case: Case) -> Iterator[Comparison]:
    network, found, expected = head_with_two_layers(), [], []
    kept: dict[str, torch.Tensor] = {}
    network[3].register_forward_hook(lambda module, inputs, output: kept.update(maps=output))
    network[3].register_full_backward_hook(lambda module, into, out: kept.update(gradient=out[0]))
    for x in case.pixels:
        for c in range(6):
            network(x[None].clone().requires_grad_())[0, c].backward()
            alpha = kept["gradient"].sum((2, 3), keepdim=True)
            expected.append((alpha * kept["maps"]).sum(1)[0].detach().numpy())
        with torch.no_grad():
            maps = network[:4](x[None])
        found.append(grad_cam(network[4:], maps, torch.arange(6)[None])[0].numpy())
    yield compare(
        "Grad-CAM before the ReLU, logits", "forward and backward hooks", np.concatenate(found), expected, 1e-4
    )


@needs("pytorch_grad_cam", "cv2")
def gradcam_of_peer(case: Case) -> Iterator[Comparison]:
    import cv2
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def scaled(map_: np.ndarray) -> np.ndarray:
        return (map_ - map_.min()) / (1e-7 + (map_ - map_.min()).max())

    network, found, expected = head_with_two_layers(), [], []
    with GradCAM(network, [network[3]]) as peer:
        for x in case.pixels:
            expected.append(peer(x[None], [ClassifierOutputTarget(2)])[0])
            with torch.no_grad():
                maps = network[:4](x[None])
            ours = np.maximum(grad_cam(network[4:], maps, torch.tensor([[2]]))[0, 0].numpy(), 0)
            found.append(scaled(cv2.resize(scaled(ours), (SIDE, SIDE))))
    yield compare(
        "Grad-CAM, ReLU, scaled to [0, 1], at 224 × 224", "grad-cam (pytorch-grad-cam)", found, expected, 1e-3
    )


@needs("captum")
def saliency_of_peer(case: Case) -> Iterator[Comparison]:
    from captum.attr import Saliency

    classifier, classes = case.model.run.classifier, case.outputs[1].argmax(1)
    peer, found, expected = Saliency(case.network), [], []
    for x, c in zip(case.pixels[:8], classes[:8], strict=True):
        expected.append(peer.attribute(x[None].clone(), int(c), abs=True).amax(1)[0])
        found.append(saliency(classifier.trunk, classifier.head, x[None], c[None, None])[0, 0])
    pair = (torch.stack(maps).detach() for maps in (found, expected))
    yield compare("Saliency, logits per unit of colour", "captum", *pair, 1e-3)


def occlusion(case: Case) -> Iterator[Comparison]:
    """One image, squares of 32 pixels at every 24th."""
    classifier, x = case.model.run.classifier, case.pixels[:1]
    subject = int(case.outputs[1][0].argmax())
    found = make_occluder(classifier, 32, 24, (127 / 255,) * 3)(x, subject)["occlusion/probability"]
    expected = np.zeros_like(found)
    for r, y in enumerate(range(0, SIDE - 31, 24)):
        for c, left in enumerate(range(0, SIDE - 31, 24)):
            hidden = x.clone()
            hidden[:, :, y : y + 32, left : left + 32] = 0  # grey after normalization
            with torch.no_grad():
                expected[r, c] = case.network(hidden)[0].softmax(0)[subject]
    yield compare("Occlusion, probability of the label", "one forward pass for each square", found, expected, 1e-4)


def fields(case: Case) -> Iterator[Comparison]:
    """Along the diagonal, where rows and columns differ only by the size of the image."""
    layers = nn.Sequential(
        nn.Conv2d(3, 2, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(2, 2, 3, 1, 2, dilation=2), nn.AvgPool2d(2),
        nn.Conv2d(2, 2, (3, 1), (2, 1), (1, 0)),
    )  # fmt: skip
    for parameter in layers.parameters():
        parameter.data.fill_(1.0)
    layers[2] = nn.AvgPool2d(3, 2)  # the gradient of a maximum reaches one pixel only; the field is the same
    field_of, found, expected = receptive_fields(trace(layers, torch.zeros(1, 3, 61, 78))), [], []
    x = torch.ones(1, 3, 61, 78, requires_grad=True)
    for depth in range(1, len(layers) + 1):
        output = layers[:depth](x)
        height, width = output.shape[2:]
        for i in range(max(height, width)):
            y, column = min(i, height - 1), min(i, width - 1)
            (gradient,) = torch.autograd.grad(output[0, 0, y, column], x, retain_graph=True)
            rows, columns = gradient[0].abs().sum((0, 2)).nonzero()[:, 0], gradient[0].abs().sum((0, 1)).nonzero()[:, 0]
            expected.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            found.append(field_of[f"_{depth - 1}"].box(y, column))
    yield compare("Receptive fields, pixels", "where the input gradient is not zero", found, expected)


ALL = (preprocessing, logits_and_cam, gradcam_by_hooks, gradcam_of_peer, saliency_of_peer, occlusion, fields)
