"""Classifiers: where networks are split, what their heads are, and where weights come from."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from reportgen.config import AuditConfig
from reportgen.data.class_names import ClassNames
from reportgen.errors import ConfigError, ModelError
from reportgen.methods.randomization import randomize_weights
from reportgen.models.classifier import Classifier, Preprocessing
from reportgen.models.cut import find_feature_maps
from reportgen.models.first_convolution import first_convolution
from reportgen.models.from_module import classifier_from_module
from reportgen.models.graph import trace
from reportgen.models.linear_head import find_linear_head
from reportgen.models.sources import load_classifier
from reportgen.models.split import split


def torchvision_network(name: str) -> nn.Module:
    """With cheap random weights: torchvision's own initialisation of VGG takes seconds."""
    with torch.device("meta"):
        network = torchvision.models.get_model(name)
    network = network.to_empty(device="cpu").eval()
    random = torch.Generator().manual_seed(0)
    for key, value in network.state_dict().items():
        if not value.is_floating_point():
            value.zero_()
        elif key.endswith("running_var") or (value.ndim == 1 and key.endswith("weight")):
            value.fill_(1)
        elif value.ndim < 2:
            value.zero_()
        else:  # He's deviation, from one short row of numbers: real randomness for 130 million weights takes seconds
            row = torch.randn(10_007, generator=random) * (2 / value[0].numel()) ** 0.5
            value.copy_(row.repeat(value.numel() // 10_007 + 1)[: value.numel()].view_as(value))
    for module in network.modules():
        for key, buffer in module.named_buffers(recurse=False):
            if key == "relative_position_index":  # not a weight: what it indexes must exist
                buffer.zero_()
    return network


@pytest.mark.parametrize(
    ("name", "maps", "own", "filters"),
    [
        ("alexnet", (256, 13, 13), False, (64, 3, 11, 11)),
        ("vgg11", (512, 14, 14), False, (64, 3, 3, 3)),
        ("resnet18", (512, 7, 7), True, (64, 3, 7, 7)),
        ("googlenet", (1024, 7, 7), True, (64, 3, 7, 7)),
        ("densenet121", (1024, 7, 7), True, (64, 3, 7, 7)),
        ("mobilenet_v3_small", (576, 7, 7), False, (16, 3, 3, 3)),
        ("squeezenet1_1", (1000, 13, 13), False, (64, 3, 3, 3)),
        ("shufflenet_v2_x0_5", (1024, 7, 7), True, (24, 3, 3, 3)),
        ("convnext_tiny", (768, 7, 7), False, (96, 3, 4, 4)),
        ("swin_t", (768, 7, 7), True, (96, 3, 4, 4)),
    ],
)
@torch.inference_mode()
def test_torchvision_networks_are_split_at_their_last_feature_maps(
    name: str, maps: tuple[int, int, int], own: bool, filters: tuple[int, int, int, int]
) -> None:
    network = torchvision_network(name)
    graph = trace(network, torch.zeros(1, 3, 224, 224))
    node = find_feature_maps(graph)
    assert node.meta["shape"] == (1, *maps)
    trunk, head = split(graph, node)
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    logits, last = network(image), trunk(image)
    assert logits.std() > 0
    torch.testing.assert_close(head(last), logits)
    found = find_linear_head(head, node.meta["shape"][1:])
    assert (found is not None) is own
    if found is not None:
        torch.testing.assert_close(
            last.mean((2, 3)) @ found.weight.T + found.bias, logits, rtol=1e-3, atol=1e-3 * float(logits.std())
        )
    assert first_convolution(graph).weight.shape == filters


def test_vision_transformer_is_cut_at_the_input_of_its_last_block() -> None:
    classifier = classifier_from_module(torchvision_network("vit_b_16"), "vit_b_16")
    assert (classifier.feature_layer, classifier.feature_shape) == ("encoder.layers.encoder_layer_10", (768, 14, 14))


def small(classes: int = 4, *between: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, 2),
        nn.ReLU(),
        nn.Conv2d(5, 6, 3, 2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        *between,
        nn.Linear(6, classes),
    ).eval()


def cut(network: nn.Module, layer: str | None = None, head: str | None = None) -> Classifier:
    return classifier_from_module(network, "small", None, Preprocessing(size=32), layer, head)


def test_classifier_takes_a_named_layer_and_head() -> None:
    network = small()
    assert cut(network).feature_shape == cut(network, "3").feature_shape == (6, 7, 7)
    assert cut(network, head="6").linear_head is not None
    earlier = cut(network, "1")
    assert (earlier.feature_shape, earlier.method) == ((5, 15, 15), "grad-cam")
    with pytest.raises(ModelError, match="not all paths to the logits pass through layer `9`") as caught:
        cut(network, "9")
    assert caught.value.hint == "name one with --layer; candidates: `0`, `1`, `2`, `3`"
    with pytest.raises(ModelError, match="head `5` is not a linear layer on the mean") as caught:
        cut(network, head="5")
    assert caught.value.hint == "linear layers of the head: `6`"


def test_head_that_only_resembles_global_average_pooling_gets_grad_cam() -> None:
    assert cut(small()).method == "cam"
    assert cut(small(4, nn.Dropout())).method == "cam"
    assert cut(small(4, nn.ReLU())).method == "grad-cam"
    assert cut(small(4, nn.LayerNorm(6))).method == "grad-cam"
    scaled = small()
    scaled[4] = nn.LPPool2d(1, 7)  # the sum, not the mean
    assert cut(scaled).method == "grad-cam"


def test_head_without_a_bias_gets_zeros() -> None:
    network = small()
    network[6] = nn.Linear(6, 4, bias=False)
    own = cut(network).linear_head
    assert own is not None
    assert own.bias.tolist() == [0, 0, 0, 0]


class Residual(nn.Module):
    """Two paths round the last convolution: neither is passed by everything, their sum is."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, 4), nn.Conv2d(6, 6, 3, 1, 1)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = self.second(x) + x
        return self.fc(x.mean((2, 3)).view(x.size(0), -1))


def test_bypassed_branch_is_not_a_candidate_layer() -> None:
    found = cut(Residual().eval())
    assert (found.feature_layer, found.method) == ("add", "cam")
    with pytest.raises(ModelError, match="layer `second`") as caught:
        cut(Residual().eval(), "second")
    assert caught.value.hint is not None
    assert "`second`" not in caught.value.hint


class FromInput(nn.Module):
    """Its head takes the batch size from the network's input, as published code does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 3, 4), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.fc(y.mean(3).mean(2).view(x.shape[0], -1))


class Untraceable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) if x.sum() > 0 else x.amax((2, 3))


class NoMaps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * 32 * 32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> dict[str, str]:
        return {"answer": "cat"}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Untraceable(), "cannot trace `Untraceable`"),
        (NoMaps(), "no layer with output"),
        (Nothing(), "it returns no tensor"),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), "not a row of logits"),
        (nn.Sequential(nn.Conv2d(1, 4, 3)), r"does not run on \(1, 3, 32, 32\)"),
        (nn.Sequential(nn.Conv2d(3, 4, 64)), r"does not run on \(1, 3, 32, 32\)"),
    ],
)
def test_network_that_cannot_be_split_is_a_one_line_error(network: nn.Module, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        cut(network)
    assert "\n" not in str(caught.value)


def test_head_may_take_the_batch_size_from_the_input() -> None:
    network = FromInput().eval()
    found = cut(network)
    for count in (1, 5):
        images = torch.randn(count, 3, 32, 32)
        torch.testing.assert_close(found.head(found.trunk(images)), network(images))


# ----------------------------------------------------------------------------------------------------- weights


def test_weights_digest_changes_with_weights_and_structure() -> None:
    plain = cut(small()).weights_digest
    assert cut(small()).weights_digest == plain
    changed = small()
    with torch.no_grad():
        changed[0].weight[4, 2, 2, 2] += 1e-6
    assert cut(changed).weights_digest != plain
    strides = small()
    strides[2].stride = (1, 1)
    assert cut(strides).weights_digest != plain

    class Other(Residual):
        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return self.fc((self.second(x) - x).mean((2, 3)))

    torch.manual_seed(0)
    one = cut(Residual().eval())
    torch.manual_seed(0)
    assert cut(Other().eval()).weights_digest != one.weights_digest


@pytest.fixture(scope="module")
def shufflenet() -> nn.Module:
    torch.manual_seed(3)
    return torchvision.models.shufflenet_v2_x0_5(num_classes=7).eval()


def load(weights: Path | str, model: str = "torchvision:shufflenet_v2_x0_5", **settings: object) -> Classifier:
    return load_classifier(AuditConfig(model=model, weights=str(weights), **settings))


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}}])
def test_weights_are_loaded_from_a_pth_file(
    tmp_path: Path, shufflenet: nn.Module, wrap: Callable[[dict], dict]
) -> None:
    torch.save(wrap(shufflenet.state_dict()), tmp_path / "a.pth")
    found = load(tmp_path / "a.pth")
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(found.head(found.trunk(images)), shufflenet(images))
    assert found.class_names.names == tuple(f"class {k}" for k in range(7))
    assert str(tmp_path) not in found.source  # it is published


def test_weights_digest_ignores_the_order_in_a_safetensors_file(tmp_path: Path, shufflenet: nn.Module) -> None:
    safetensors.torch.save_file(shufflenet.state_dict(), tmp_path / "a.safetensors")
    torch.save(shufflenet.state_dict(), tmp_path / "a.pth")
    assert load(tmp_path / "a.safetensors").weights_digest == load(tmp_path / "a.pth").weights_digest


@pytest.mark.parametrize("auxiliary", [True, False])
def test_googlenet_weights_load_with_or_without_auxiliary_classifiers(tmp_path: Path, auxiliary: bool) -> None:
    network = torchvision.models.googlenet(num_classes=3, aux_logits=auxiliary, init_weights=False)
    torch.save(network.state_dict(), tmp_path / "a.pth")
    assert len(load(tmp_path / "a.pth", "torchvision:googlenet").class_names.names) == 3


def test_random_weights_are_the_same_in_every_run() -> None:
    one, other = load("random"), load("random")
    assert one.weights_digest == other.weights_digest
    assert len(one.class_names.names) == 1000
    assert one.class_names.index("n02124075") == 285


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.target,))


def test_pickle_payload_in_weights_never_runs(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    torch.save({"fc.weight": Payload(trap)}, tmp_path / "zip.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps({"fc.weight": Payload(trap)}))
    for name in ("zip.pth", "bare.pth"):
        with pytest.raises(ModelError, match="cannot read weights") as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04 no zip", bytes(range(256)) * 4, b"\x80\x02."])
def test_file_without_weights_is_a_one_line_error(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="cannot read weights") as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_or_foreign_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.pth`: no such file"):
        load(tmp_path / "a.pth")
    for other in ([1, 2], {1: torch.zeros(1)}, {"a": 1}):
        torch.save(other, tmp_path / "list.pth")
        with pytest.raises(ModelError, match="is not a state dict"):
            load(tmp_path / "list.pth")
    torch.save(small().state_dict(), tmp_path / "small.pth")
    with pytest.raises(ModelError, match=r"small\.pth` does not match the network: 282 keys are missing \("):
        load(tmp_path / "small.pth")


def test_unknown_models_and_weights_are_named() -> None:
    cases = {
        ("torchvision:resnet19", "random"): "torchvision has no classifier `resnet19`",
        ("torchvision:raft_small", "random"): "torchvision has no classifier `raft_small`",
        ("torchvision:r3d_18", "random"): "torchvision has no classifier `r3d_18`",
        ("torchvision:resnet18", "IMAGENET"): "`resnet18` has no weights `IMAGENET`",
        ("torchvision:", "random"): "unknown model `torchvision:`",
        ("keras:resnet18", "random"): "unknown model `keras:resnet18`",
        ("demo:x", "random"): "unknown model `demo:x`",
        ("python:package", "random"): "`python:package` does not name a factory",
    }
    for (model, weights), message in cases.items():
        with pytest.raises(ConfigError) as caught:
            load(weights, model)
        assert str(caught.value) == message
        assert caught.value.hint


# -------------------------------------------------------------------------------------------- the user's code


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module of the given text into the working folder; returns the spec of its `make`."""

    def write(text: str) -> str:
        name = f"code_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        (tmp_path / f"{name}.py").write_text(text)
        return f"python:{name}:make"

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return write


MODULE = """
from torch import nn
def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""
CLASSIFIER = (
    MODULE.replace("make", "net")
    + """
from reportgen.data.class_names import ClassNames
from reportgen.models.classifier import Preprocessing
from reportgen.models.from_module import classifier_from_module
def make():
    return classifier_from_module(net(), "mine", ClassNames(("a", "b", "c")), Preprocessing(size=96))
"""
)


def test_factory_may_return_a_module_or_a_classifier(own_code: Callable[[str], str], tmp_path: Path) -> None:
    found = load_classifier(AuditConfig(model=own_code(MODULE)))
    assert (found.method, found.feature_shape, len(found.class_names.names)) == ("cam", (4, 7, 7), 3)
    own = load_classifier(AuditConfig(model=own_code(CLASSIFIER)))
    assert (own.name, own.feature_shape, tuple(own.class_names.names)) == ("mine", (4, 3, 3), ("a", "b", "c"))
    (tmp_path / "names.txt").write_text("x\ny\nz\n")
    for text in (MODULE, CLASSIFIER):
        named = load_classifier(AuditConfig(model=own_code(text), classes=tmp_path / "names.txt"))
        assert tuple(named.class_names.names) == ("x", "y", "z")


def test_weights_digest_of_a_custom_classifier_covers_its_weights(own_code: Callable[[str], str]) -> None:
    def digest(text: str) -> str:
        return load_classifier(AuditConfig(model=own_code(text))).weights_digest

    text = CLASSIFIER.replace("make", "made") + (
        "import dataclasses, torch\n"
        "def make():\n"
        "    torch.manual_seed(0)\n"
        "    return dataclasses.replace(made(), weights_digest='2024-05-01')\n"
    )
    same = digest(text)
    assert len(same) == 64
    assert digest(text) == same
    assert digest(text.replace("seed(0)", "seed(1)")) != same
    assert digest(text.replace("05-01", "05-02")) != same


def test_network_without_class_names_takes_those_of_class_folders(
    own_code: Callable[[str], str], tmp_path: Path
) -> None:
    for name in ("wolf", "Ape", "cat"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.jpg").touch()
    for text, expected in ((MODULE, ("Ape", "cat", "wolf")), (CLASSIFIER, ("a", "b", "c"))):
        found = load_classifier(AuditConfig(model=own_code(text), data=tmp_path / "data"))
        assert tuple(found.class_names.names) == expected
    (tmp_path / "data" / "dog").mkdir()  # four folders for three classes
    found = load_classifier(AuditConfig(model=own_code(MODULE), data=tmp_path / "data"))
    assert tuple(found.class_names.names) == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "AttributeError: module"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def make(): raise ValueError('one\\ntwo')", r"\(ValueError: one\)$"),
        ("def make(): return 3", "returned `int`, not a module or a Classifier"),
    ],
)
def test_failing_factory_is_reported_with_its_error(own_code: Callable[[str], str], text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_classifier(AuditConfig(model=own_code(text)))


def test_number_of_class_names_must_equal_the_outputs(own_code: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("x\ny\n")
    with pytest.raises(ModelError, match="has 3 outputs but 2 class names"):
        load_classifier(AuditConfig(model=own_code(MODULE), classes=tmp_path / "names.txt"))
    with pytest.raises(ModelError, match="one logit for each of its 2 class names"):
        load_classifier(AuditConfig(model=own_code(CLASSIFIER), classes=tmp_path / "names.txt"))
    with pytest.raises(ConfigError, match="returns a Classifier, which sets layer and head"):
        load_classifier(AuditConfig(model=own_code(CLASSIFIER), layer="0"))


def test_module_without_class_names_gets_numbered_ones() -> None:
    assert cut(small()).class_names == ClassNames(("class 0", "class 1", "class 2", "class 3"))


class WithConvolutionHead(nn.Module):
    """Pooling and then a 1 × 1 convolution, as in DPN, DLA and BiT; an auxiliary layer is computed and not used."""

    def __init__(self, bias: bool = True, is_function: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Conv2d(3, 6, 3, 2), nn.ReLU())
        self.classifier, self.auxiliary = nn.Conv2d(6, 4, 1, bias=bias), nn.Linear(6, 4)
        self.is_function = is_function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.trunk(x)
        pooled = maps.mean((2, 3), keepdim=True)
        self.auxiliary(pooled.flatten(1))
        if self.is_function:
            return nn.functional.conv2d(pooled, self.classifier.weight, self.classifier.bias).flatten(1)
        return self.classifier(pooled).flatten(1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("is_function", [True, False])
def test_pooling_and_a_1x1_convolution_have_exact_activation_maps(bias: bool, is_function: bool) -> None:
    network = WithConvolutionHead(bias, is_function).eval()
    classifier = cut(network)
    assert classifier.method == "cam"
    assert classifier.linear_head is not None
    assert torch.equal(classifier.linear_head.weight, network.classifier.weight[:, :, 0, 0])
    assert cut(network, head="classifier").method == "cam"
    with pytest.raises(ModelError, match="not a linear layer on the mean"):
        cut(network, head="auxiliary")
    randomized = randomize_weights(classifier)
    assert randomized.method == "cam"
    assert randomized.linear_head is not None
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        maps = randomized.trunk(images)
        logits = maps.mean((2, 3)) @ randomized.linear_head.weight.T + randomized.linear_head.bias
        torch.testing.assert_close(randomized.head(maps), logits)
