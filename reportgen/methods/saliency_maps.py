"""What is kept of an image's saliency: the top class's maps, of the network and of one that learned nothing."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.methods.randomization import randomised
from reportgen.methods.saliency import guided, saliency, smooth_grad
from reportgen.models.classifier import Classifier

KEPT = 112
"""Side of the maps that are kept; each value is the mean over a patch of the input."""
KINDS = ("saliency", "guided", "random", "smooth")
"""Gradient; guided backpropagation (the gradient again where the trunk is no graph); gradient with random weights;
SmoothGrad, where it is asked for."""


class Salience:
    """A classifier made ready for saliency maps. copies: noisy images of SmoothGrad, 0: without it."""

    def __init__(self, classifier: Classifier, copies: int) -> None:
        chance = randomised(classifier)
        trunk = classifier.trunk
        self.ways: dict[str, tuple[nn.Module, nn.Module]] = {
            "saliency": (trunk, classifier.head),
            "guided": (guided(trunk) if isinstance(trunk, fx.GraphModule) else trunk, classifier.head),
            "random": (chance.trunk.eval(), chance.head.eval()),
        }
        self.classifier, self.copies = classifier, copies

    def __call__(self, x: Tensor) -> dict[str, np.ndarray]:
        """The image `(1, 3, S, S)`, normalised. Returns `saliency/map` `(3 or 4, 112, 112)` float32, one of each of
        `KINDS`, and `saliency/class` int32, the top class."""
        trunk, head = self.classifier.trunk, self.classifier.head
        top = head(trunk(x)).argmax(1, keepdim=True)
        maps = [saliency(*way, x, top) for way in self.ways.values()]
        if self.copies:
            maps.append(smooth_grad(trunk, head, x, top, self.copies))
        small = [F.adaptive_avg_pool2d(map_[0], KEPT)[0].detach() for map_ in maps]
        return {
            "saliency/map": np.stack([map_.float().cpu().numpy() for map_ in small]),
            "saliency/class": np.array(int(top), np.int32),
        }
