"""Vision transformers whose logits read a class token, compared with hooks on the plain module."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reportgen.errors import ModelError
from reportgen.methods.activation_maps import activation_maps
from reportgen.methods.occlusion.occluder import make_occluder
from reportgen.methods.randomization import randomize_weights
from reportgen.models.class_tokens import TokenLayout, all_tokens, patch_maps, with_class_tokens
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.from_module import classifier_from_module
from reportgen.models.heads import FittedHead, replace_head
from reportgen.pipeline.forward import ForwardPass

CHANNELS, PATCH, ROWS, COLUMNS, CLASSES = 16, 4, 6, 9, 5
SIZE, COUNT = (PATCH * ROWS, PATCH * COLUMNS), ROWS * COLUMNS


class Block(nn.Module):
    """Attention of a head and a layer for each token, with residuals. axis: of the tokens."""

    def __init__(self, axis: int = 1) -> None:
        super().__init__()
        self.axis = axis
        self.norm1, self.norm2 = nn.LayerNorm(CHANNELS), nn.LayerNorm(CHANNELS)
        self.attention = nn.MultiheadAttention(CHANNELS, 2, batch_first=axis == 1)
        self.mlp = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + F.gelu(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    """class_tokens: their number; place: `first` or `last`; axis: 1 for `(N, n, C)`, 0 for `(n, N, C)`."""

    def __init__(self, class_tokens: int = 1, place: str = "first", axis: int = 1, with_mean: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.place, self.axis, self.with_mean = place, axis, with_mean
        self.patches = nn.Conv2d(3, CHANNELS, PATCH, PATCH)
        self.tokens = nn.Parameter(torch.randn(1, class_tokens, CHANNELS))
        self.position = nn.Parameter(torch.randn(1, COUNT + class_tokens, CHANNELS) / 4)
        self.blocks = nn.Sequential(*(Block(axis) for _ in range(3)))
        self.norm, self.fc = nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS * (1 + with_mean), CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        parts = [self.tokens.expand(len(x), -1, -1), patches]
        tokens = torch.cat(parts if self.place == "first" else parts[::-1], 1) + self.position
        tokens = self.blocks(tokens if self.axis == 1 else tokens.transpose(0, 1))
        tokens = self.norm(tokens if self.axis == 1 else tokens.transpose(0, 1))
        n = self.tokens.shape[1]
        read = tokens[:, :n] if self.place == "first" else tokens[:, -n:]
        read = read.mean(1)
        if self.with_mean:
            read = torch.cat((read, tokens[:, n:].mean(1)), 1)
        return self.fc(read)


class ClassAttention(VisionTransformer):
    """As CaiT: the class token enters after the blocks, and reads the patch tokens twice."""

    def __init__(self) -> None:
        super().__init__(1)
        self.position = nn.Parameter(torch.randn(1, COUNT, CHANNELS) / 4)
        self.readers = nn.ModuleList(nn.MultiheadAttention(CHANNELS, 2, batch_first=True) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.blocks(self.patches(x).flatten(2).transpose(1, 2) + self.position)
        token = self.tokens.expand(len(x), -1, -1)
        for reader in self.readers:
            both = torch.cat((token, patches), 1)
            token = token + reader(token, both, both, need_weights=False)[0]
        return self.fc(self.norm(token)[:, 0])


class Rounds(VisionTransformer):
    """The class tokens of all blocks: after the input of the first one, patch tokens are mixed again and again."""

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.tokens.expand(len(x), -1, -1), patches), 1) + self.position
        read = []
        for block in self.blocks:
            tokens = block(tokens)
            read.append(tokens[:, 0])
        return self.fc(self.norm(torch.stack(read, 1).mean(1)))


def cut(network: nn.Module, layer: str | None = None) -> Classifier:
    return classifier_from_module(network, "network", None, Preprocessing(size=SIZE), layer)


def hooked(network: VisionTransformer, layer: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """Patch tokens `(N, C, h, w)` of a module's output, and Grad-CAM of all classes `(N, K, h, w)`, by hooks alone."""
    outputs: list[Tensor] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: outputs.append(output))
    logits = network(images)
    handle.remove()
    tokens = outputs[-1] if network.axis == 1 else outputs[-1].transpose(0, 1)
    first = tokens.shape[1] - COUNT if network.place == "first" else 0

    def as_maps(values: Tensor) -> Tensor:
        return values[:, first : first + COUNT].reshape(-1, ROWS, COLUMNS, CHANNELS).permute(0, 3, 1, 2).detach()

    maps, cams = as_maps(tokens), []
    for k in range(CLASSES):
        (gradient,) = torch.autograd.grad(logits[:, k].sum(), outputs[-1], retain_graph=True)
        alpha = as_maps(gradient if network.axis == 1 else gradient.transpose(0, 1)).sum((2, 3), keepdim=True)
        cams.append((alpha * maps).sum(1))
    return maps, torch.stack(cams, 1)


NETWORKS: dict[str, tuple[Callable[[], VisionTransformer], str]] = {
    "class token": (VisionTransformer, "blocks.1"),
    "class token and distillation token": (lambda: VisionTransformer(2), "blocks.1"),
    "class token last": (lambda: VisionTransformer(place="last"), "blocks.1"),
    "batch second": (lambda: VisionTransformer(axis=0), "blocks.1"),
    "class token and mean": (lambda: VisionTransformer(with_mean=True), "blocks.1"),
    "class attention": (ClassAttention, "blocks"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_are_those_of_hooks_on_the_input_of_the_last_block(name: str) -> None:
    make, layer = NETWORKS[name]
    network = make().eval()
    images = torch.randn(3, 3, *SIZE)
    classifier = cut(make())
    assert (classifier.method, classifier.feature_layer) == ("grad-cam", layer)
    assert classifier.feature_shape == (CHANNELS, ROWS, COLUMNS)
    maps, cams = hooked(network, layer, images)
    with torch.no_grad():
        output = classifier.trunk(images)
        torch.testing.assert_close(classifier.feature_maps(output), maps)
        torch.testing.assert_close(classifier.head(output), network(images))
        classes = torch.arange(CLASSES).expand(3, CLASSES)
        torch.testing.assert_close(activation_maps(classifier, images, output, classes), cams, rtol=1e-4, atol=1e-5)
    assert cams.std() > 0.01


def test_logits_depend_on_the_class_token_in_the_output_of_the_trunk() -> None:
    classifier = cut(VisionTransformer())
    output = classifier.trunk(torch.randn(1, 3, *SIZE)).detach()
    changed = output.clone()
    changed[:, CHANNELS:] += torch.randn(changed[:, CHANNELS:].shape)
    assert not torch.allclose(classifier.head(changed), classifier.head(output))


def test_forward_pass_stores_the_patch_tokens_alone() -> None:
    network = VisionTransformer().eval()
    classifier = cut(VisionTransformer())
    pixels = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    forward = ForwardPass(classifier, store_feature_maps=True)
    arrays = forward(pixels, [0, None])
    images = classifier.preprocessing.normalize(pixels)
    maps, cams = hooked(network, "blocks.1", images)
    torch.testing.assert_close(arrays["maps"], maps, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(arrays["features/gap"], maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(arrays["features/gmp"], maps.amax((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(forward.maxima(pixels)["blocks.1"], maps.amax((2, 3)), rtol=1e-4, atol=1e-5)
    top = cams[torch.arange(2), arrays["cam/class"][:, 0].long()]
    torch.testing.assert_close(arrays["cam/map"][:, 0], top, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        recorded: list[Tensor] = []
        network.fc.register_forward_hook(lambda module, inputs, output: recorded.append(inputs[0]))
        torch.testing.assert_close(arrays["logits"], network(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(arrays["features/code"], recorded[0], rtol=1e-4, atol=1e-5)


def test_occlusion_is_that_of_the_module() -> None:
    network = VisionTransformer().eval()
    occluder = make_occluder(cut(VisionTransformer()), 8, 8, (0.5, 0.5, 0.5))
    image = torch.randn(1, 3, *SIZE)
    result = occluder(image, 2)
    hidden = image.clone()
    y, x = occluder.grid.rows[1], occluder.grid.columns[1]
    grey = [(0.5 - m) / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    hidden[:, :, y : y + 8, x : x + 8] = torch.tensor(grey)[:, None, None]
    with torch.no_grad():
        expected = network(hidden).softmax(1)[0, 2]
    assert result["occlusion/probability"][1, 1] == pytest.approx(float(expected), rel=1e-4)
    maps, _ = hooked(network, "blocks.1", image)
    assert int(result["occlusion/unit"]) == int(maps[0].sum((1, 2)).argmax())


def test_fitted_head_reads_the_pooled_patch_tokens() -> None:
    classifier = cut(VisionTransformer())
    weight, bias = torch.randn(3, CHANNELS), torch.randn(3)
    fitted = replace_head(classifier, "gap", FittedHead(weight, bias, 1.0, {}, 1, 0.0), ["a", "b", "c"])
    images = torch.randn(2, 3, *SIZE)
    maps, _ = hooked(VisionTransformer().eval(), "blocks.1", images)
    with torch.no_grad():
        torch.testing.assert_close(fitted.head(fitted.trunk(images)), F.linear(maps.mean((2, 3)), weight, bias))


def test_random_weights_keep_the_cut() -> None:
    classifier = cut(VisionTransformer())
    random = randomize_weights(classifier)
    images = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        output = random.trunk(images)
        maps = activation_maps(random, images, output, torch.zeros(2, 1, dtype=torch.long))
    assert maps.shape == (2, 1, ROWS, COLUMNS)
    assert not torch.allclose(output, classifier.trunk(images))


def test_blocks_that_mix_patch_tokens_again_are_refused() -> None:
    with pytest.raises(ModelError, match="mixes positions"):
        cut(Rounds())


def test_earlier_block_can_be_named() -> None:
    network, images = VisionTransformer().eval(), torch.randn(1, 3, *SIZE)
    classifier = cut(VisionTransformer(), "blocks.0")
    maps, _ = hooked(network, "blocks.0", images)
    with torch.no_grad():
        torch.testing.assert_close(classifier.feature_maps(classifier.trunk(images)), maps)


def test_block_whose_patch_tokens_are_not_read_is_refused() -> None:
    with pytest.raises(ModelError, match=r"do not depend on the patch tokens of layer `blocks\.2`") as caught:
        cut(VisionTransformer(), "blocks.2")
    assert caught.value.hint == "name an earlier block with --layer"


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("first", "others"), [(0, 0), (1, 1), (2, 5), (0, 3)])
def test_tokens_survive_the_way_through_the_output_of_the_trunk(axis: int, first: int, others: int) -> None:
    layout = TokenLayout(axis, (2, 3), first, 6 + others)
    tokens = torch.randn(4, 6 + others, 7).movedim(1, axis)
    maps = patch_maps(tokens, layout)
    assert maps.shape == (4, 7, 2, 3)
    torch.testing.assert_close(maps[1, :, 1, 2], tokens.movedim(axis, 1)[1, first + 5])
    packed = with_class_tokens(maps, tokens, layout)
    torch.testing.assert_close(packed[:, :7], maps)
    torch.testing.assert_close(all_tokens(packed, 7, layout), tokens)
