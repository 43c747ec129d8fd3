"""Insertion and deletion: probability by the share of the image that is shown (Petsiuk et al., RISE, BMVC 2018)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reportgen.models.classifier import Classifier

STEPS = 8
"""Equal shares of the image that are changed one after the other."""
BLUR = (11, 5.0)
"""Side and standard deviation of the blur that insertion starts with, in pixels; deletion ends with the mean colour."""
ORDERS = ("map", "random", "centred")
"""Orders of the pixels: by the activation map, at random in squares as large as the map's cells, from the centre."""


class InsertionDeletion:
    """Insertion and deletion curves of single images."""

    def __init__(self, classifier: Classifier) -> None:
        self._network = torch.nn.Sequential(classifier.trunk, classifier.head)
        self._probabilities = classifier.probabilities

    def __call__(self, x: Tensor, map_: np.ndarray) -> dict[str, np.ndarray]:
        """Return `faithfulness/deletion` and `faithfulness/insertion`, `(3, STEPS + 1)` float32: the probability of the
        predicted class, a row for each of `ORDERS`.

        x: the normalized image `(1, C, H, W)`; map_: `(h, w)`, the activation map of the predicted class.
        """
        image, mean, blurred = x[0], torch.zeros_like(x[0]), _blur(x[0])
        orders_of_pixels = orders(map_, x)
        with torch.inference_mode():
            shown = self._probabilities(self._network(torch.stack((image, mean, blurred))))
            predicted = int(shown[0].argmax())
            of_image, of_mean, of_blurred = shown[:, predicted, None]

            def curves(start: Tensor, end: Tensor, of_start: Tensor, of_end: Tensor) -> np.ndarray:
                """The ends of the curves are the same for every order."""
                found = []
                for order in orders_of_pixels:
                    between = self._probabilities(self._network(frames(start, end, order)[1:-1]))[:, predicted]
                    found.append(torch.cat((of_start, between, of_end)).float())
                return torch.stack(found).cpu().numpy()

            return {
                "faithfulness/deletion": curves(image, mean, of_image, of_mean),
                "faithfulness/insertion": curves(blurred, image, of_blurred, of_image),
            }


def _blur(image: Tensor) -> Tensor:
    """Blur an image `(C, H, W)`, mirrored at its borders."""
    from scipy.ndimage import gaussian_filter  # here, because it is not needed before the first report

    side, sigma = BLUR
    blurred = gaussian_filter(image.cpu().numpy(), (0, sigma, sigma), mode="mirror", radius=(0, side // 2, side // 2))
    return torch.from_numpy(blurred).to(image)


def orders(map_: np.ndarray, x: Tensor) -> list[Tensor]:
    """Return the values `(H, W)` by which pixels are ordered, for each of `ORDERS`; arguments as above.

    A random order of single pixels would destroy edges everywhere at once, so random values have the map's grid.
    """
    h, w = map_.shape
    noise = torch.rand(h, w, generator=torch.Generator().manual_seed(0))
    y, column = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    grids = torch.stack((torch.tensor(np.nan_to_num(map_), dtype=torch.float32), noise, -torch.hypot(y, column)))
    return list(F.interpolate(grids[None].to(x), x.shape[2:], mode="bilinear")[0])


def frames(start: Tensor, end: Tensor, order: Tensor) -> Tensor:
    """Return the images `(STEPS + 1, C, H, W)` between `start` and `end`, each `(C, H, W)`.

    order: `(H, W)`; image k has the pixels of `end` where the order is among the k / STEPS highest.
    """
    rank = order.flatten().argsort(descending=True, stable=True).argsort().reshape(order.shape)
    changed = torch.arange(STEPS + 1, device=order.device) * order.numel() / STEPS
    return torch.where(rank < changed[:, None, None, None], end, start)
