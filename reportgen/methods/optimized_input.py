"""The input that a unit prefers, by optimisation (Olah, Mordvintsev and Schubert, Feature Visualization, Distill 2017).

As in their library Lucid: the picture is a spectrum in which low frequencies weigh as much more as they do in
photographs, in colours that are correlated as theirs; and every step sees it turned, scaled and shifted a little, which
keeps out patterns that only one framing would excite.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

RATE = 0.05
SPREAD = 0.01
"""Standard deviation of the spectrum at the start, which is nearly grey."""
TURN, ZOOM = math.radians(10), 0.1
"""How far a step turns the picture and scales it at most."""
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of colours in ImageNet's photographs, as Lucid has it: rows are R, G, B."""


def preferred_input(
    objective: Callable[[Tensor], Tensor], side: int, shift: float, steps: int, seed: int = 0
) -> Tensor:
    """The picture `(3, S, S)`, values in [0, 1], to which `steps` of Adam from a seeded start lead.

    objective: a picture `(1, 3, S, S)` → what is to become large, a scalar. shift: by so many pixels a step moves it at
    most.
    """
    generator = torch.Generator().manual_seed(seed)
    spectrum = SPREAD * torch.randn(3, side, side // 2 + 1, 2, generator=generator)
    spectrum.requires_grad_()
    optimizer = torch.optim.Adam([spectrum], RATE)
    with torch.enable_grad():
        for _ in range(steps):
            optimizer.zero_grad()
            loss = -objective(moved(picture_of(spectrum, side)[None], shift, generator))
            loss.backward(inputs=[spectrum])
            optimizer.step()
    return picture_of(spectrum, side).detach()


def picture_of(spectrum: Tensor, side: int) -> Tensor:
    """`(3, S, S // 2 + 1, 2)` → the picture `(3, S, S)`."""
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side))
    weight = side / frequency.clamp(min=1 / side)
    decorrelated = torch.fft.irfft2(torch.view_as_complex(spectrum) * weight, s=(side, side)) / 4
    colours = torch.tensor(COLOURS)
    colours = colours / colours.norm(dim=0).max()
    return torch.einsum("rc,cyx->ryx", colours, decorrelated).sigmoid()


def moved(picture: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    """The picture `(1, 3, S, S)` turned, scaled and shifted at random; beyond the border it is mirrored."""
    most = 2 * shift / picture.shape[-1]
    turn, zoom, down, across = (2 * torch.rand(4, generator=generator) - 1).tolist()
    angle, scale = TURN * turn, 1 + ZOOM * zoom
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    theta = torch.tensor([[[cos, -sin, most * across], [sin, cos, most * down]]])
    grid = F.affine_grid(theta, list(picture.shape), align_corners=False)
    return F.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)
