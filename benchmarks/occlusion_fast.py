"""Approximate occlusion maps of one photograph, similar enough to the exact ones, compared with Captum's Occlusion.

Random weights (He et al., ICCV 2015, which keep signals alive through every network) give rougher maps than trained
ones, so the demo's network, EfficientNet-Lite0, is timed as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from benchmarks.occlusion import NETWORKS, SIDE, STRIDE, captum, fastest_batch
from benchmarks.timing import OURS, Result, measure, table
from reportgen.config import AuditConfig
from reportgen.data.demo import make_demo_photos
from reportgen.data.samples import Sample
from reportgen.methods.occlusion.coarse_to_fine import MIN_SIMILARITY
from reportgen.methods.occlusion.occluder import make_occluder
from reportgen.models.classifier import Classifier
from reportgen.models.sources import load_classifier
from reportgen.pipeline.image_loader import load_image

TRIALS = ("astronaut", "coffee", "flower", "rocket")
TIMED = "chelsea"


def run(quick: bool) -> Result:
    """With `quick` ResNet-18 alone, the square moves by 16 pixels, one photograph for the trials, and one round."""
    ratio, lines, gate = {}, [], True
    random = {name: AuditConfig(model=f"torchvision:{name}", weights="random") for name in NETWORKS}
    for name, config in (random | {"efficientnet-lite0": AuditConfig(model="demo")}).items():
        if quick and name != "resnet18":
            continue
        torch.manual_seed(0)
        classifier = load_classifier(config)
        if config.weights == "random":
            for convolution in classifier.trunk.modules():
                if isinstance(convolution, nn.Conv2d):
                    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        classifier.trunk.eval()
        classifier.head.eval()
        ratio[f"captum-{name}"], similarity, report = _compare(classifier, quick)
        gate &= similarity >= MIN_SIMILARITY
        lines += [f"{name}: {report[0]}", *report[1:]]
    return Result(ratio, gate, lines)


def _compare(classifier: Classifier, quick: bool) -> tuple[float, float, list[str]]:
    """The ratio, the similarity with the exact map, and lines to print."""
    stride, rounds, trials = (SIDE, 1, TRIALS[:1]) if quick else (STRIDE, 2, TRIALS)
    with tempfile.TemporaryDirectory() as folder:
        make_demo_photos(Path(folder))
        image, *others = (_input(Path(folder), photo, classifier) for photo in (TIMED, *trials))
    exact = make_occluder(classifier, SIDE, stride, (0.5, 0.5, 0.5))
    ready = exact.calibrated(np.stack([exact.trial(x, None)["trial/probability"] for x in others]))
    network = nn.Sequential(classifier.trunk, classifier.head)
    best = 32 if quick else fastest_batch(network, image)
    timings = measure(
        {OURS: lambda: ready(image, None), "captum": lambda: captum(network, image, stride, best)}, rounds
    )
    found, true = (one(image, None)["occlusion/probability"].astype(np.float64) for one in (ready, exact))
    similarity = float(structural_similarity(true, found, data_range=true.max() - true.min()))
    report = (
        f"{ready.approximation}, {ready.arithmetic}, SSIM with exact {similarity:.3f} on `{TIMED}`, "
        f"at least {ready.similarity:.3f} on {', '.join(trials)}; captum {best} at a time"
    )
    return timings.ratio("captum"), similarity, [report, *table(timings)]


def _input(folder: Path, photo: str, classifier: Classifier) -> Tensor:
    """A photograph as the network's input `(1, 3, S, S)`."""
    sample = Sample(folder / "photos" / f"{photo}.jpg", photo)
    decoded = load_image(sample, lambda *_: False, classifier.preprocessing, "warp").decoded
    assert decoded is not None
    return classifier.preprocessing.normalize(torch.tensor(decoded.pixels)[None])
