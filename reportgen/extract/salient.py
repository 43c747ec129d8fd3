"""What is kept of an image's saliency: the top class's maps, of the network and of one that learned nothing."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.attribution.saliency import guided, saliency
from reportgen.extract.randomised import randomised
from reportgen.models.classifier import Classifier

KEPT = 112
"""Side of the maps that are kept; each value is the mean over a patch of the input."""
KINDS = ("saliency", "guided", "random")
"""Gradient; guided backpropagation (the gradient again where the trunk is no graph); gradient with random weights."""


class Salience:
    """A classifier made ready for saliency maps."""

    def __init__(self, classifier: Classifier) -> None:
        chance = randomised(classifier)
        trunk = classifier.trunk
        self.ways: dict[str, tuple[nn.Module, nn.Module]] = {
            "saliency": (trunk, classifier.head),
            "guided": (guided(trunk) if isinstance(trunk, fx.GraphModule) else trunk, classifier.head),
            "random": (chance.trunk.eval(), chance.head.eval()),
        }
        self.classifier = classifier

    def __call__(self, x: Tensor) -> dict[str, np.ndarray]:
        """The image `(1, 3, S, S)`, normalised. Returns `saliency/map` `(3, 112, 112)` float32, one of each of `KINDS`,
        and `saliency/class` int32, the top class."""
        top = self.classifier.head(self.classifier.trunk(x)).argmax(1, keepdim=True)
        maps = [F.adaptive_avg_pool2d(saliency(*self.ways[kind], x, top)[0], KEPT)[0].detach() for kind in KINDS]
        return {
            "saliency/map": np.stack([map_.float().cpu().numpy() for map_ in maps]),
            "saliency/class": np.array(int(top), np.int32),
        }
