"""The classifiers of torchvision."""

from __future__ import annotations

from tests.matrix.case import Case, Family, Goal

CONVOLUTIONAL, TRANSFORMERS = "torchvision, convolutional", "torchvision, transformers"


def cases() -> list[Case]:
    """All of `torchvision.models.list_models(torchvision.models)`."""
    from torchvision import models

    options = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}
    return [
        Case(
            name,
            TRANSFORMERS if name.startswith(("vit", "swin", "maxvit")) else CONVOLUTIONAL,
            lambda name=name: models.get_model(name, weights=None, **options.get(name, {})),
            (299, 299) if name == "inception_v3" else None,
        )
        for name in models.list_models(models)
    ]


FAMILY = Family({CONVOLUTIONAL: Goal(share=1), TRANSFORMERS: Goal(share=1)}, cases)
