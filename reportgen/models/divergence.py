"""How far a cut network is from the module that it was cut from, and where the two part."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, fx, nn

from reportgen.models.classifier import Classifier

ROUNDING = 1e-5
"""Difference that rounding explains, relative to the largest value."""


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference of two tensors, in standard deviations of `expected`; infinite for other shapes.

    NaN equals NaN, and an infinite value equals itself. A difference that rounding explains is 0: the values may be all
    but equal, and then their standard deviation is no measure.
    """
    if found.shape != expected.shape:
        return float("inf")
    found, expected = found.float(), expected.float()
    same = (found == expected) | (found.isnan() & expected.isnan())
    if same.all():
        return 0.0
    finite = expected[expected.isfinite()]
    largest = (found - expected)[~same].abs().max().nan_to_num(nan=torch.inf)
    if not len(finite) or largest.isinf():
        return float("inf")
    return 0.0 if largest <= ROUNDING * finite.abs().max() else float(largest / finite.std(correction=0))


@torch.no_grad()
def first_difference(classifier: Classifier, original: nn.Module, images: Tensor, tolerance: float) -> str | None:
    """Return the name of the first layer whose output is not that of the original module; None if there is none.

    images: `(N, C, H, W)`, normalized; tolerance: see `relative_difference`. Only modules are compared, not functions.
    """
    parts = [part for part in (classifier.trunk, classifier.head) if isinstance(part, fx.GraphModule)]
    names = {str(node.target) for part in parts for node in part.graph.nodes if node.op == "call_module"}
    outputs: dict[str, list[Tensor]] = defaultdict(list)
    hooks = [
        original.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: outputs[name].append(output.clone())
        )
        for name in names
    ]
    try:
        original(images.clone())
    finally:
        for hook in hooks:
            hook.remove()
    values = images.clone()
    for part in parts:
        compared = _Compared(part, outputs, tolerance)
        values = compared.run(values)
        if compared.first:
            return compared.first
    return None


class _Compared(fx.Interpreter):
    """Runs a graph and compares the output of each module with the original's. first: the first one that differs."""

    def __init__(self, graph: fx.GraphModule, outputs: dict[str, list[Tensor]], tolerance: float) -> None:
        super().__init__(graph)
        self.outputs, self.tolerance = outputs, tolerance
        self.first: str | None = None

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if n.op == "call_module" and isinstance(result, Tensor) and self.first is None:
            expected = self.outputs[str(n.target)]
            if not expected or relative_difference(result, expected.pop(0)) > self.tolerance:
                self.first = str(n.target)
        return result
