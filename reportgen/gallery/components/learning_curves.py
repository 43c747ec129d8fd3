"""Learning curves of the networks that `reportgen fit` trained."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.audit.audit import Audit
from reportgen.audit.model_info import TrainingEpoch
from reportgen.gallery.components.chart import Axis, Chart, Series, value_axis

MAX_TICKS = 10
"""Epochs that are written at the axis, at most."""


def learning_curves(audit: Audit) -> list[Chart]:
    """A chart for each network of the audit whose training curve is known."""
    return [_chart(model.info.name, model.info.training_curve) for model in audit.models if model.info.training_curve]


def _chart(name: str, epochs: Sequence[TrainingEpoch]) -> Chart:
    numbers, last = [e.epoch for e in epochs], epochs[-1]
    highest = max(max(e.loss, e.held_loss) for e in epochs)
    return Chart(
        title=f"Learning curve of {name}",
        x=Axis("Epoch", numbers[0], numbers[-1], numbers[:: -(-len(numbers) // MAX_TICKS)]),
        y=value_axis("Mean cross-entropy loss", 0, highest),
        series=[
            Series("training images", "line", numbers, [e.loss for e in epochs]),
            Series("held-out images", "line", numbers, [e.held_loss for e in epochs]),
        ],
        caption=(
            f"After {last.epoch} epochs the mean loss is {last.loss:.3f} on the training images and "
            f"{last.held_loss:.3f} on the held-out images, where the top-1 error is {100 * last.held_error:.1f} %."
        ),
        columns=[
            ("Top-1 error, held-out images", [f"{100 * e.held_error:.1f} %" for e in epochs]),
            ("Learning rate", [f"{e.rate:.2g}" for e in epochs]),
        ],
    )
