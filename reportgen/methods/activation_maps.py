"""The activation maps of a classifier, by the method that its head allows."""

from __future__ import annotations

from torch import Tensor

from reportgen.methods.cam import class_activation_maps
from reportgen.methods.gradcam import grad_cam
from reportgen.models.classifier import Classifier
from reportgen.models.map_function import apply_map_function


def activation_maps(classifier: Classifier, images: Tensor, output: Tensor, classes: Tensor) -> Tensor:
    """Return `(N, M, h, w)`: CAM where it is exact, else Grad-CAM, or the maps of the user's function.

    images: `(N, 3 or 1, H, W)` normalized; output: that of the trunk for them; classes: `(N, M)` int64.
    """
    if classifier.map_function is not None:
        return apply_map_function(classifier, classifier.map_function, images, classes)
    if classifier.linear_head is not None:
        return class_activation_maps(output, classifier.linear_head.weight, classes)
    return grad_cam(classifier.head, output, classes, classifier.feature_shape[0])
