"""Stored activations and gradients, compared with the plain network and with cases worked by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from reportgen.draw.colormap import diverging, inferno
from reportgen.draw.mosaic import N_COLOURS, Sheet, draw_sheet
from reportgen.gallery.components.channel_maps import dequantized, shared_scale
from reportgen.methods.activations import MAX_VALUES, Activations, coarseness, quantize_per_channel
from reportgen.models.classifier import Classifier
from reportgen.models.from_module import classifier_from_module
from reportgen.models.layers import find_layers, parameters_before


class InPlace(nn.Module):
    """Normalisations whose outputs an in-place ReLU overwrites, a residual, and a branch that leads nowhere near."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Conv2d(3, 5, 3, 2), nn.BatchNorm2d(5), nn.Conv2d(5, 5, 3, 1, 1)
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.a(x)))
        return self.fc(F.relu(self.b(x) + x).mean((2, 3)))


def classifier() -> Classifier:
    torch.manual_seed(0)
    made = classifier_from_module(InPlace().eval(), "in place")
    made.trunk.eval()
    return made


def by_hand(network: Classifier, x: Tensor) -> tuple[int, dict[str, Tensor], dict[str, Tensor]]:
    """Top class, values and gradients of three layers, each operation written out."""
    net = network.trunk
    get = net.get_submodule
    a = get("a")(x.clone().requires_grad_())
    norm = get("norm")(a)
    relu = norm.clamp(min=0)
    b = get("b")(relu)
    last = (b + relu).clamp(min=0)
    logits = network.head(last)[0]
    values = {"a": a, "norm": norm, "b": b}
    gradients = torch.autograd.grad(logits.max(), list(values.values()))
    return int(logits.argmax()), values, dict(zip(values, gradients, strict=True))


def test_activations_and_gradients_equal_those_of_the_plain_network() -> None:
    network = classifier()
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    kept = Activations(network, ["a", "norm", "b"])(x)
    top, values, gradients = by_hand(network, x)
    assert kept["activations/class"] == top
    for name in ("a", "norm", "b"):
        for what, expected in (("activations", values[name]), ("gradients", gradients[name])):
            plain = expected.detach()[0].numpy()
            ends = kept[f"{what}/{name}/range"]
            np.testing.assert_allclose(ends, np.stack([plain.min((1, 2)), plain.max((1, 2))], 1), rtol=1e-4, atol=1e-7)
            shown = dequantized(kept[f"{what}/{name}/map"], ends)
            step = (ends[:, 1] - ends[:, 0])[:, None, None] / 255
            assert (np.abs(shown - plain) <= 0.51 * step + 1e-7).all()
        np.testing.assert_allclose(
            kept[f"activations/{name}/activity"], np.abs(values[name].detach()[0].numpy()).mean((1, 2)), rtol=1e-4
        )


def test_activation_gradient_predicts_the_change_of_the_logit() -> None:
    """A nudge of one value of the last maps under a GAP head: w / (h·w) of it arrives at the logit."""
    network = classifier()
    assert network.linear_head is not None
    kept = Activations(network, [network.feature_layer])(torch.randn(1, 3, 224, 224))
    ends = kept[f"gradients/{network.feature_layer}/range"]
    expected = network.linear_head.weight[int(kept["activations/class"])].detach().numpy() / np.prod(
        network.feature_shape[1:]
    )
    np.testing.assert_allclose(ends, np.stack([expected, expected], 1), rtol=1e-5)


def test_large_activations_are_stored_as_block_means_with_their_range() -> None:
    assert coarseness(64, 112, 112) == 2
    assert coarseness(1280, 7, 7) == 1
    assert coarseness(2, 1, MAX_VALUES) == 2
    maps = torch.arange(4 * 600 * 600).reshape(4, 600, 600).float()
    codes, ends = quantize_per_channel(maps)
    side = coarseness(4, 600, 600)
    assert side == 3
    means = maps.reshape(4, 200, 3, 200, 3).mean((2, 4)).numpy()
    assert ends.tolist() == [[float(m.min()), float(m.max())] for m in maps]
    np.testing.assert_allclose(dequantized(codes.numpy(), ends.numpy()), means, atol=360_000 / 255)


def test_flat_and_non_finite_channels_quantize_to_zero() -> None:
    codes, ends = quantize_per_channel(torch.tensor([[[2.0, 2.0]], [[float("nan"), 1.0]]]))
    assert codes.tolist() == [[[0, 0]], [[0, 0]]]
    assert ends[0].tolist() == [2, 2]
    assert np.isnan(ends[1].numpy()).any()


def test_layer_without_influence_has_no_gradient() -> None:
    class Unread(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 3, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.a(x)
            return self.fc((self.b(x) * 0 + F.max_pool2d(x, 3, 2)).mean((2, 3)))

    network = classifier_from_module(Unread().eval(), "unread")
    kept = Activations(network, ["b"])(torch.randn(1, 3, 224, 224))
    assert (kept["gradients/b/range"] == 0).all()
    assert (kept["activations/b/range"] != 0).any()


def test_parameter_counts_match_values_by_hand() -> None:
    """3·5·9 + 5 of the convolution, 5 + 5 of the normalisation, 5·5·9 + 5 of the second convolution."""
    network = classifier()
    assert not isinstance(network.trunk, nn.Sequential)
    found = {
        layer.name: sum(parameters_before(network.trunk, layer.node).values())
        for layer in find_layers(network.trunk, network.head)
    }
    assert (found["a"], found["norm"], found["b"]) == (140, 150, 150 + 230)


def test_sheet_has_each_tile_in_its_place_and_clear_gaps() -> None:
    shares = np.zeros((5, 2, 3))
    shares[4] = 1
    shares[3, 1, 2] = 0.5
    sheet = Sheet.square(5, 2, 3)
    assert sheet == Sheet(3, 3, 2, 1, 5)
    with Image.open(io.BytesIO(draw_sheet(shares, inferno(), sheet))) as picture:
        pixels = np.asarray(picture.convert("RGBA"))
    assert pixels.shape == (5, 11, 4)
    ends = [tuple(int(v) for v in inferno()[k]) for k in (0, 255)]
    assert tuple(pixels[0, 0, :3]) == ends[0]
    assert (pixels[3:, 4:7, :3] == ends[1]).all()
    middle = inferno()[np.linspace(0, 255, N_COLOURS).round().astype(int)][round(0.5 * (N_COLOURS - 1))]
    assert tuple(pixels[4, 2, :3]) == tuple(middle)
    clear = pixels[..., 3] == 0
    assert clear[2].all()
    assert clear[:, 3].all()
    assert clear[3:, 8:].all()
    assert not clear[3:, :3].any()


def test_layer_without_an_activation_function_is_drawn_on_the_signed_scale() -> None:
    colours, shares, _ = shared_scale(np.array([-2.0, 0, 4]), -2, 4)
    assert (colours == diverging()).all()
    assert shares.tolist() == [0.25, 0.5, 1]
    for low, values, expected in ((0.0, [0, 1, 4], [0, 0.25, 1]), (-0.25, [-0.25, 4], [0, 1]), (4.0, [4], [0])):
        colours, shares, _ = shared_scale(np.array(values), low, 4)
        assert (colours == inferno()).all()
        assert shares.tolist() == expected


def test_signed_scale_is_dark_at_zero_and_equally_light_on_both_sides() -> None:
    lightness = diverging().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert lightness.argmin() in (127, 128)
    assert (np.diff(lightness[:127]) <= 0).all()
    assert (np.diff(lightness[129:]) >= 0).all()
    assert np.abs(lightness - lightness[::-1]).max() < 40
    blue, orange = diverging()[40].astype(int), diverging()[215].astype(int)
    assert blue[2] > blue[0] + 50
    assert orange[0] > orange[2] + 50


@pytest.mark.parametrize("layers", [[], ["b"]])
def test_activations_contain_the_named_layers_only(layers: list[str]) -> None:
    kept = Activations(classifier(), layers)(torch.randn(1, 3, 224, 224))
    assert {name.split("/")[1] for name in kept} == {"class", *layers}
