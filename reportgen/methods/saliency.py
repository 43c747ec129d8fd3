"""Saliency maps: input gradients, guided backpropagation and SmoothGrad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.methods.randomization import randomize_weights
from reportgen.models.classifier import Classifier

SMOOTHGRAD_NOISE = 0.15
"""Standard deviation of SmoothGrad's noise, as a share of the image's range (the paper recommends 10 to 20 %)."""
SMOOTHGRAD_BATCH = 8
"""Number of noisy images in a batch."""
SALIENCY_SIDE = 112
"""Side of the stored maps; each value is the mean over a patch of the input."""


def input_gradients(trunk: nn.Module, head: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Return `∂logit_c / ∂x` `(N, M, C, H, W)`, from one forward pass and one batched backward pass for all classes.

    trunk: images → feature maps; head: feature maps → logits; images: `(N, C, H, W)` normalized; classes: `(N, M)`
    int64.
    """
    n, m = classes.shape
    with torch.enable_grad():
        leaf = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        maps = trunk(leaf)
        logits = head(maps)
        one_hot = torch.zeros(m, *logits.shape, dtype=logits.dtype, device=logits.device)
        one_hot[torch.arange(m)[:, None], torch.arange(n)[None], classes.T] = 1
        (gradients,) = torch.autograd.grad(logits, maps, one_hot, is_grads_batched=True, retain_graph=True)
        by_class = [torch.autograd.grad(maps, leaf, g, retain_graph=j + 1 < m)[0] for j, g in enumerate(gradients)]
    return torch.stack(by_class, 1)


def saliency(trunk: nn.Module, head: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Return `max_channels |∂logit_c / ∂x|` `(N, M, H, W)`, in logits per unit of normalized colour.

    Arguments as in `input_gradients`. Source: Simonyan et al. 2014, section 3.
    """
    return input_gradients(trunk, head, images, classes).abs().amax(2)


def smooth_grad(trunk: nn.Module, head: nn.Module, image: Tensor, classes: Tensor, copies: int) -> Tensor:
    """Return `max_channels |mean of ∂logit_c / ∂x over noisy copies|` `(1, M, H, W)`.

    image: `(1, C, H, W)`; classes: `(1, M)`; copies: number of noisy images. The noise is Gaussian with a fixed seed.
    Source: Smilkov et al., SmoothGrad, 2017.
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros((), device=image.device)
    for start in range(0, copies, SMOOTHGRAD_BATCH):
        n = min(SMOOTHGRAD_BATCH, copies - start)
        noise = torch.randn(n, *image.shape[1:], generator=generator).to(image)
        noisy = image + SMOOTHGRAD_NOISE * (image.max() - image.min()) * noise
        total = total + input_gradients(trunk, head, noisy, classes.expand(n, -1)).sum(0, keepdim=True)
    return (total / copies).abs().amax(2)


class _GuidedReLU(torch.autograd.Function):
    """A ReLU whose backward pass lets only positive gradients through."""

    @staticmethod
    def forward(context: Any, x: Tensor, limit: float | None) -> Tensor:
        context.save_for_backward((x > 0) if limit is None else (x > 0) & (x < limit))
        return x.clamp(0, limit)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (is_active,) = context.saved_tensors
        return gradient.clamp(min=0) * is_active, None


def _guided_relu(x: Tensor, limit: float | None) -> Tensor:
    result = _GuidedReLU.apply(x, limit)
    assert isinstance(result, Tensor)
    return result


RELU_FUNCTIONS: dict[Callable[..., Any], float | None] = {F.relu: None, torch.relu: None, F.relu6: 6.0}
"""Functional ReLUs, and the largest value that they let through (None: any)."""


def with_guided_relus(graph: fx.GraphModule) -> fx.GraphModule:
    """Return the network with guided ReLUs: the same outputs, other gradients (guided backpropagation).

    Guided backpropagation is not saliency: it mostly restores edges of the image, and hardly depends on the class or
    the weights (Adebayo et al., NeurIPS 2018). Activations other than ReLU and ReLU6 are not changed.
    Source: Springenberg et al., ICLR workshop 2015, section 3.4.
    """
    copied = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        limit = _relu_limit(graph, node)
        if limit is not False:
            copies[node] = copied.call_function(_guided_relu, (copies[node.all_input_nodes[0]], limit))
        else:
            copies[node] = copied.node_copy(node, copies.__getitem__)
    return fx.GraphModule(graph, copied)


def _relu_limit(graph: fx.GraphModule, node: fx.Node) -> float | bool | None:
    """Return the largest value that a ReLU lets through (None: any); False for another operation."""
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        return 6.0 if isinstance(module, nn.ReLU6) else None if isinstance(module, nn.ReLU) else False
    if node.op == "call_method":
        return None if node.target in ("relu", "relu_") else False
    if node.op == "call_function" and node.target in RELU_FUNCTIONS:
        return RELU_FUNCTIONS[node.target]
    return False


class SaliencyMaps:
    """Computes the stored saliency maps of single images.

    They are, for the top class: the gradient; guided backpropagation (the gradient again if the trunk is not a traced
    graph); the gradient of the same network with random weights; and SmoothGrad, if `copies` is not 0.
    """

    def __init__(self, classifier: Classifier, copies: int) -> None:
        """copies: number of noisy images of SmoothGrad."""
        trunk, random = classifier.trunk, randomize_weights(classifier)
        self._networks: list[tuple[nn.Module, nn.Module]] = [
            (trunk, classifier.head),
            (with_guided_relus(trunk) if isinstance(trunk, fx.GraphModule) else trunk, classifier.head),
            (random.trunk.eval(), random.head.eval()),
        ]
        self._classifier, self._copies = classifier, copies

    def __call__(self, x: Tensor) -> dict[str, np.ndarray]:
        """Return the results of the image x `(1, C, H, W)`, normalized.

        `saliency/map` `(3 or 4, 112, 112)` float32: the maps in the order above; `saliency/class` int32: the top class.
        """
        trunk, head = self._classifier.trunk, self._classifier.head
        top = head(trunk(x)).argmax(1, keepdim=True)
        maps = [saliency(*network, x, top) for network in self._networks]
        if self._copies:
            maps.append(smooth_grad(trunk, head, x, top, self._copies))
        small = [F.adaptive_avg_pool2d(map_[0], SALIENCY_SIDE)[0].detach() for map_ in maps]
        return {
            "saliency/map": np.stack([map_.float().cpu().numpy() for map_ in small]),
            "saliency/class": np.array(int(top), np.int32),
        }
