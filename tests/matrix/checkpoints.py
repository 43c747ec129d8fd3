"""The forms in which people have weights, read into a network of other weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from reportgen.errors import ReportgenError
from reportgen.models.checkpoints import read_checkpoint, weights_path
from reportgen.models.divergence import relative_difference
from reportgen.models.weights import load_weights
from tests.matrix.case import Case, Family, Goal, Verdict
from tests.matrix.checks import internal_error, refusal
from tests.support.checkpoint_builders import network
from tests.support.checkpoint_forms import FORMS, Form

GROUPS = {"taken": "checkpoints with weights", "refused": "files without readable weights"}
TOLERANCE = 0.1
"""Largest difference of a logit, in standard deviations: weights in bfloat16 are rounded."""


def cases() -> list[Case]:
    """All of `FORMS`; `build` reads the file."""
    return [Case(form.name, GROUPS[form.expected], lambda form=form: _read(form)) for form in FORMS]


def _read(form: Form) -> nn.Module:
    module = network(seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = form.build(Path(folder), network())
        load_weights(module, read_checkpoint(weights_path(str(path)) or path))
    return module


def try_form(case: Case) -> Verdict:
    """Read one form and compare the logits of some images with those of the network that was saved."""
    try:
        module = case.build()
    except ReportgenError as error:
        return refusal(error)
    except Exception as error:
        return internal_error(error)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        difference = relative_difference(module(images), network()(images))
    return Verdict("wrong" if difference > TOLERANCE else "taken", f"logits differ by {difference:.2g}")


FAMILY = Family({GROUPS["taken"]: Goal(share=1), GROUPS["refused"]: Goal("refused", 1)}, cases)
