"""The settings of an audit: one dataclass with every default, read from `audit.toml`, from flags, or both."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from reportgen.errors import ConfigError


@dataclass(frozen=True)
class AuditConfig:
    """Everything that a run can be told. The field names are the keys of `audit.toml` and, with dashes, the flags.

    Paths of `audit.toml` are relative to the file; those of flags to the working folder.
    """

    data: Path | None = None
    model: str = "demo"
    weights: str = "DEFAULT"
    annotations: Path | None = None
    classes: Path | None = None
    layer: str | None = None
    head: str | None = None
    maps: str | None = None
    layers: tuple[str, ...] = ()
    resize: str = "warp"
    decode: str = "exact"
    precision: str = "auto"
    store_maps: str = "auto"
    device: str = "auto"
    out: Path = Path("report")
    limit: int | None = None
    batch_size: int = 32
    synthesize: tuple[str, ...] = ()
    select: str = "auto"
    occlusion: str = "exact"
    occlusion_side: int = 32
    occlusion_stride: int = 8
    occlusion_fill: str = "mean"
    smoothgrad: int = 0
    top_patches: int = 16
    patch_field: str = "exact"
    pictures: str = "jpeg"
    name: str | None = None
    model_name: str | None = None
    folds: int = 5
    fit_data: Path | None = None
    codes: str = "head"
    reference: Path | None = None
    models: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for key, allowed in CHOICES.items():
            if (value := getattr(self, key)) not in allowed:
                raise ConfigError(f"`{key}` is `{value}`", f"use one of {', '.join(f'`{a}`' for a in allowed)}")
        for key, least in (
            ("limit", 1),
            ("batch_size", 1),
            ("folds", 2),
            ("occlusion_side", 1),
            ("occlusion_stride", 1),
            ("smoothgrad", 0),
            ("top_patches", 1),
        ):
            if (value := getattr(self, key)) is not None and value < least:
                raise ConfigError(f"`{key}` is {value}", f"use a whole number from {least} on")
        if self.device not in ("auto", "cpu", "mps") and not self.device.startswith("cuda"):
            raise ConfigError(f"`device` is `{self.device}`", "use `auto`, `cpu`, `cuda`, `cuda:0` or `mps`")
        self.networks()  # a bad value in one of the tables is an error like any other

    def networks(self) -> list[AuditConfig]:
        """The settings of each network of the audit: these, with one of `models` in place of the keys it names."""
        return [replace(self, models=(), **table) for table in self.models] if self.models else [self]


GREY = (0.5, 0.5, 0.5)
"""`occlusion_fill = "grey"`: RGB in [0, 1]."""

CHOICES = {
    "occlusion": ("exact", "fast"),
    "occlusion_fill": ("mean", "grey"),
    "patch_field": ("exact", "effective"),
    "resize": ("crop", "warp"),
    "decode": ("exact", "fast"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "store_maps": ("auto", "yes", "no"),
    "pictures": ("jpeg", "webp"),
}
MODEL_KEYS = ("model", "weights", "layer", "head", "maps", "layers", "resize", "precision")
"""What a `[[models]]` table may say, beside `name`."""

EXPLAINED = {
    "data": "a folder of class folders, a flat folder, or a CSV table `path,label,x0,y0,x1,y1`",
    "model": "`demo`, `torchvision:NAME`, `cam:NAME` or `python:package.module:factory`",
    "weights": "`torchvision:` only: `DEFAULT`, a member of its enum, a .pth or .safetensors file, or `random`",
    "annotations": "labels and boxes: a CSV table, COCO .json, a folder of Pascal VOC or CUB, or ImageNet's LOC .csv",
    "classes": "a text file with one class name a line, in the order of the model's outputs",
    "layer": "the module whose output is taken as the last maps (default: found in the graph)",
    "head": "`gap` or `gmp`: fitted here on the last maps; or the linear module that reads their mean (default: found)",
    "maps": "`python:package.module:function` that draws the maps (default: CAM, or Grad-CAM)",
    "layers": "the layers that are looked into (default: first convolution and ends of stages; see `reportgen layers`)",
    "resize": "`warp` squashes the whole image into the network's square; `crop` cuts its centre, as in training",
    "decode": "`exact`, or `fast`: large JPEGs at a fraction of their size; pixels differ a little",
    "precision": "of the trunk: `fp32`, `bf16`, `fp16`, or `auto`: low where hardware has it and it is seen to agree",
    "store_maps": "keep the last maps whole: `yes`, `no`, or `auto`: if those of the whole data set are under 4 GB; "
    "what was decided earlier stays while images are added by less than that",
    "device": "`auto`, `cpu`, `cuda`, `cuda:0` or `mps`",
    "out": "the folder that the report is written to",
    "limit": "take only so many images, spread over the classes",
    "batch_size": "images a forward pass",
    "synthesize": "units whose preferred input is found by optimisation, as `layer4:12`; about a minute each",
    "select": "images that get the costly looks: `auto`, `all`, a number (of each class), `failures`, `none`, or names",
    "occlusion": "`exact`, or `fast`: approximate, as far as trials on a few images find the maps alike (SSIM ≥ 0.95)",
    "occlusion_side": "side of the square that hides a part of the network's input, in its pixels",
    "occlusion_stride": "by how many pixels that square moves",
    "occlusion_fill": "its colour: `mean` of the data set, or `grey`",
    "smoothgrad": "noisy copies of an image whose gradients are averaged (SmoothGrad, say 25); 0: not drawn",
    "top_patches": "images kept a unit: those in which it fires most",
    "patch_field": "the part of the image that units are drawn with: `exact`, all they see; `effective`, what counts",
    "pictures": "what the site's photographs are: `jpeg`, or `webp`: fewer bytes, but longer to make",
    "name": "what the report calls the data set (default: the name of its folder)",
    "model_name": "what the report calls the network (default: its own name)",
    "folds": "`head = gap` or `gmp`: parts of the data set, each judged by a head fitted on the others",
    "fit_data": "`head = gap` or `gmp`: another data set to fit the head on, in place of folds",
    "codes": "what neighbours and maps compare: `head` (what its last layer reads), `gap`, `gmp`, or one of `layers`",
    "reference": "another data set, such as the training set, searched for what is like the images of this one",
    "models": "several networks in one audit: a table each, whose keys go before those above; pages show the first",
}


@dataclass(frozen=True)
class FitConfig:
    """What a training can be told: the arguments and flags of `reportgen fit`. rate: of the first epoch."""

    model: str
    data: Path
    annotations: Path | None = None
    classes: Path | None = None
    out: Path = Path("weights")
    trunk: str = "published"
    train_trunk: bool = False
    epochs: int = 10
    rate: float = 0.01
    batch_size: int = 32
    device: str = "auto"
    seed: int = 0


def read_config(path: Path) -> AuditConfig:
    """Reads `audit.toml`. Errors: ConfigError for the file, an unknown key (names the nearest) or a bad value."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read `{path}` ({cause})", "`reportgen init` writes a commented one") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"`{path}` is not TOML: {error}") from None
    models = table.pop("models", [])
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise ConfigError(f"`models` in `{path}` is no list of tables", "begin each network with a line `[[models]]`")
    known = [field.name for field in fields(AuditConfig)]
    return AuditConfig(
        **_values(table, path, known), models=tuple(_network(model, path, n) for n, model in enumerate(models, 1))
    )


def _network(table: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    """One `[[models]]` table; its `name` is the network's, not the data set's."""
    values = _values(table, path, ["name", *MODEL_KEYS], f" of [[models]] {number}")
    return {"model_name" if key == "name" else key: value for key, value in values.items()}


def _values(table: Mapping[str, Any], path: Path, known: Sequence[str], of: str = "") -> dict[str, Any]:
    """The values of a table, each of its type, paths relative to the file."""
    hints = get_type_hints(AuditConfig)
    values = {
        key: _typed(f"`{key}`{of} in `{path}`", value, hints.get(key), key, known) for key, value in table.items()
    }
    base = path.parent
    for key, value in values.items():
        if isinstance(value, Path):
            values[key] = base / value
    if "weights" in values and (base / values["weights"]).is_file():
        values["weights"] = str(base / values["weights"])
    return values


def _typed(where: str, value: Any, hint: Any, key: str, known: Sequence[str]) -> Any:
    if key not in known:
        near = difflib.get_close_matches(key, known, 1, 0.4)
        raise ConfigError(f"unknown key {where}", f"did you mean `{near[0]}`?" if near else "see `reportgen init`")
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{where} is {value!r}", 'it must be a list of texts, as `["a", "b"]`')
        return tuple(value)
    wanted = next(t for t in (get_args(hint) or (hint,)) if t is not type(None))
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ConfigError(f"{where} is {value!r}", f"it must be of type {wanted.__name__}")
    return value


def override(config: AuditConfig, flags: Mapping[str, Any]) -> AuditConfig:
    """The config with every flag that was given (is not None) in place of the file's value, in its tables, too.

    `--model` names one network: the file's `[[models]]` are not audited.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    tables = () if "model" in given else config.models
    kept = tuple({key: value for key, value in table.items() if key not in given} for table in tables)
    return replace(config, **given, models=kept)


def commented_toml() -> str:
    """The text of a new `audit.toml`: each key with its explanation and default; what has none is commented out."""
    lines = ["# Settings of a reportgen audit. Run it with `reportgen run audit.toml`; a flag beats this file."]
    for field in fields(AuditConfig):
        default = field.default
        if field.name == "models":  # tables come last in TOML
            lines += [
                "",
                f"# {EXPLAINED[field.name]}",
                "# [[models]]",
                '# name = "ResNet-50"',
                '# model = "torchvision:resnet50"',
            ]
            continue
        example = {"data": '"photos"', "limit": "1000"}.get(field.name, '""')
        shown = list(default) if isinstance(default, tuple) else default
        value = example if shown is None else f'"{shown}"' if isinstance(shown, str | Path) else shown
        commented = default is None and field.name != "data"
        lines += ["", f"# {EXPLAINED[field.name]}", f"{'# ' if commented else ''}{field.name} = {value}"]
    return "\n".join(lines) + "\n"
