"""Learning curves of the networks that `reportgen fit` trained."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import Epoch

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 860, 260, 46, 16, 222


@dataclass(frozen=True)
class LearningCurve:
    """Mean loss by epoch, in training and on images kept back, as points of an SVG, and the numbers beneath it.

    y: (height, text) of the grid; x: (place, epoch) of the axis.
    """

    name: str
    trained: str
    held: str
    y: list[tuple[float, str]]
    x: list[tuple[float, str]]
    rows: list[list[str]]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    bottom: int = BOTTOM


def learning_curves(audit: Audit) -> list[LearningCurve]:
    """One for each network of the audit that has one."""
    return [_curve(model.card.name, list(model.card.curve)) for model in audit.models if model.card.curve]


def _curve(name: str, epochs: list[Epoch]) -> LearningCurve:
    highest = max(max(e.loss, e.held_loss) for e in epochs) or 1.0
    step = (WIDTH - 20 - LEFT) / max(1, len(epochs) - 1)
    places = [LEFT + i * step for i in range(len(epochs))]

    def line(values: list[float]) -> str:
        heights = (BOTTOM - (BOTTOM - TOP) * value / highest for value in values)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(places, heights, strict=True))

    last = epochs[-1]
    every = -(-len(epochs) // 10)
    return LearningCurve(
        name,
        line([e.loss for e in epochs]),
        line([e.held_loss for e in epochs]),
        [(BOTTOM - (BOTTOM - TOP) * share, f"{highest * share:.2g}") for share in (0, 0.5, 1)],
        [(x, str(e.epoch)) for x, e in list(zip(places, epochs, strict=True))[::every]],
        [
            [str(e.epoch), f"{e.rate:.2g}", f"{e.loss:.3f}", f"{e.held_loss:.3f}", f"{100 * e.held_error:.1f} %"]
            for e in epochs
        ],
        f"After {last.epoch} epochs the mean loss is {last.loss:.3f} in training and {last.held_loss:.3f} on the "
        f"images kept back, of which {100 * last.held_error:.1f} % are named wrongly.",
    )
