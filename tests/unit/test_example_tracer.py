"""Networks whose `forward` asks for shapes are traced with examples, and give the same logits for any batch."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from reportgen.errors import ModelError
from reportgen.models.batch_size import TraceError
from reportgen.models.example_tracer import trace_with_examples
from reportgen.models.graph import trace

SIDE = 24


class Network(nn.Module):
    """A convolution, something that torch.fx cannot trace, a pooled linear head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.fc = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Linear(8, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        nn.init.uniform_(self.norm.running_mean)

    def between(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.between(self.norm(self.conv(x))).mean((2, 3)))


class SamePadding(Network):
    """As TensorFlow's convolutions: the padding depends on the size."""

    def between(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        below, right = (max((-(-n // 2) - 1) * 2 + 3 - n, 0) for n in (height, width))
        if below > 0 or right > 0:
            x = F.pad(x, (right // 2, right - right // 2, below // 2, below - below // 2))
        return F.max_pool2d(x, 3, 2)


class Standardized(Network):
    """Weight standardization: the convolution's weights are computed from the parameter."""

    def between(self, x: Tensor) -> Tensor:
        weight = self.conv.weight.repeat(1, 3, 1, 1)[:, : x.shape[1]]
        if weight.shape[1] != x.shape[1]:
            raise ValueError
        mean, var = weight.mean((1, 2, 3), keepdim=True), weight.var((1, 2, 3), keepdim=True)
        return F.conv2d(x, (weight - mean) / var.sqrt(), padding=1)


class ClassToken(Network):
    """A token is added for each image, a mask is made for the batch, and values are assigned."""

    def between(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        tokens = torch.cat((self.token.expand(batch, -1, -1), x.flatten(2).transpose(1, 2)), dim=1)
        tokens = tokens + torch.zeros(batch, tokens.shape[1], 1) + torch.ones(len(x), 1, 1)
        tokens[:, 0] = tokens[:, 1:].mean(1)
        if tokens.shape[1] % 2:
            tokens = tokens[:, 1:] * tokens[:, :1]
        return tokens.transpose(1, 2).reshape(batch, channels, height, width)


class Windows(Network):
    """Positions in windows become rows of the batch, as in a Swin transformer."""

    def between(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        size = next(s for s in (5, 4, 3) if h % s == 0)
        windows = x.view(n, c, h // size, size, w // size, size).permute(0, 2, 4, 3, 5, 1).reshape(-1, size * size, c)
        windows = torch.softmax(windows, 1) * windows.shape[0] / n
        assert windows.size(0) == n * (h // size) * (w // size)
        back = windows.view(-1, h // size, w // size, size, size, c)
        return back.permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


class Parts(Network):
    """A loop over a tensor's parts, `isinstance`, `len`, and a value stored for later."""

    stored: Tensor | None = None

    def between(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.dtype != torch.float32 or x.device.type != "cpu" or x.ndim != 4:
            raise TypeError
        first, *others = x.chunk(4, 1)
        if self.stored is None or self.stored.shape[-1] != x.shape[-1]:
            self.stored = torch.linspace(0, 1, x.shape[-1])
        values, _ = x.max(1, keepdim=True)
        rows = [row * len(others) for row in others]
        return torch.cat([first + self.stored, *rows], 1) * values + (self.token > 0).any().float()


MODULES = [SamePadding, Standardized, ClassToken, Windows, Parts]


@pytest.mark.parametrize("kind", MODULES)
@torch.no_grad()
def test_traced_network_gives_the_logits_of_the_module_for_any_batch(kind: type[Network]) -> None:
    module = kind().eval()
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the module does with torch.fx's proxies
        fx.symbolic_trace(copy.deepcopy(module))
    graph = trace(module, torch.zeros(1, 3, SIDE, SIDE))
    for batch in (1, 2, 5):
        images = torch.randn(batch, 3, SIDE, SIDE)
        torch.testing.assert_close(graph(images), module(images), rtol=0, atol=0)
    assert {"conv", "norm", "fc"} <= {str(node.target) for node in graph.graph.nodes if node.op == "call_module"} | {
        path for node in graph.graph.nodes for path in node.meta.get("nn_module_stack", {})
    }


@pytest.mark.parametrize("kind", MODULES)
def test_module_is_the_same_after_it_was_traced(kind: type[Network]) -> None:
    module = kind().eval()
    before = {name: (set(vars(part)), set(part._buffers)) for name, part in module.named_modules()}
    trace(module, torch.zeros(1, 3, SIDE, SIDE))
    assert {name: (set(vars(part)), set(part._buffers)) for name, part in module.named_modules()} == before
    assert all(type(value) is not fx.Proxy for part in module.modules() for value in vars(part).values())
    module(torch.zeros(2, 3, 16, 16)) if kind is not Windows else None


class Decides(Network):
    def between(self, x: Tensor) -> Tensor:
        return x * 2 if x.mean() > 0 else x


class ReadsAValue(Network):
    def between(self, x: Tensor) -> Tensor:
        return x * max(x.amax().item(), 1.0)


class LoopsOverImages(Network):
    def between(self, x: Tensor) -> Tensor:
        return torch.stack([x[i] / (1 + i) for i in range(len(x))])


class NumbersTheImages(Network):
    def between(self, x: Tensor) -> Tensor:
        return x * torch.arange(len(x)).view(-1, 1, 1, 1) if x.shape[1] else x


class Autocast(Network):
    def between(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return F.conv2d(x, torch.ones(8, 8, 1, 1)).float() if x.shape[1] else x


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Decides, "decides by values of the image"),
        (ReadsAValue, r"reads values of the image \(`.item\(\)`\)"),
        (LoopsOverImages, "other operations for another number of images"),
        (NumbersTheImages, "other constants for another number of images"),
        (Autocast, "uses autocast"),
    ],
)
def test_network_without_one_graph_for_all_images_is_refused(kind: type[Network], reason: str) -> None:
    with pytest.raises(TraceError, match=reason):
        trace_with_examples(kind().eval(), (3, SIDE, SIDE))
    with pytest.raises(ModelError, match=reason) as caught:
        trace(kind(), torch.zeros(1, 3, SIDE, SIDE))
    assert caught.value.hint
