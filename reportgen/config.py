"""The settings of an audit, each declared once, read from `audit.toml`, from flags, or from both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from reportgen.errors import ConfigError
from reportgen.setting_values import (
    parse_channels,
    parse_deviations,
    parse_duration,
    parse_numbers,
    parse_rate,
    parse_ray_address,
    parse_share,
    parse_size,
    parse_slices,
)


def setting(
    default: Any,
    help: str,
    choices: Sequence[str] = (),
    minimum: int | None = None,
    placeholder: str = "",
    parse: Callable[[Any], Any] | None = None,
    example: str = '""',
) -> Any:
    """Declare a setting: the one place that flag, TOML key, validation and manual are made from.

    help: a phrase for the manual and `--help`; minimum: the smallest number allowed; placeholder: what `--help` shows
    for the flag's value; parse: makes the value from what a flag or a file gives, see `reportgen.setting_values`;
    example: what `reportgen init` writes where there is no default.
    """
    about = {
        "help": help,
        "choices": tuple(choices),
        "minimum": minimum,
        "placeholder": placeholder,
        "parse": parse,
        "example": example,
    }
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class AuditConfig:
    """The settings of an audit. The field names are the keys of `audit.toml` and, with dashes, the flags.

    Paths in `audit.toml` are relative to the file; those of flags to the working folder.
    Errors: ConfigError for a value that is not allowed.
    """

    data: Path | None = setting(
        None,
        "a folder of class folders, a flat folder, a table `path,label,x0,y0,x1,y1`, or files with the images",
        example='"photos"',
    )
    model: str = setting(
        "demo",
        "`demo`, `torchvision:NAME`, `timm:NAME`, `hf:NAME` or `hf:FOLDER`, `cam:NAME` or "
        "`python:package.module:factory`",
        placeholder="SOURCE",
    )
    weights: str = setting(
        "DEFAULT",
        "a checkpoint file (.pth, .ckpt, .safetensors, …), `DEFAULT`, `random`, or of a `torchvision:` model a member "
        "of its weights enum",
    )
    annotations: Path | None = setting(
        None, "labels and boxes: a table, COCO .json, a folder of Pascal VOC or CUB, or ImageNet's LOC .csv"
    )
    masks: Path | None = setting(
        None, "masks of the objects, for PxAP: a folder of PNG files in the layout of OpenImages30k"
    )
    classes: Path | None = setting(None, "a text file with one class name a line, in the order of the model's outputs")
    outputs: str = setting(
        "classes",
        "what the model returns: `classes`, a logit for each class, one of which is right, `binary`, one logit, "
        "that of the second of two classes, `probabilities`, those of a softmax, or `multilabel`, a logit or sigmoid "
        "for each label, any number of which may be right",
        ("classes", "binary", "probabilities", "multilabel"),
    )
    layer: str | None = setting(
        None, "the module whose output is used as the feature maps (default: found in the graph)", placeholder="NAME"
    )
    head: str | None = setting(
        None,
        "`gap` or `gmp` to fit a head on the feature maps, or the name of the linear module that reads their mean "
        "(default: found in the graph)",
        placeholder="NAME",
    )
    map_function: str | None = setting(
        None,
        "`python:package.module:function` that computes the activation maps (default: CAM, or else Grad-CAM)",
        placeholder="SOURCE",
    )
    maps: Path | None = setting(
        None,
        "a folder of score maps made elsewhere, one `.npy` array (height, width) an image, instead of the network's "
        "activation maps",
        example='"scoremaps"',
    )
    layers: tuple[str, ...] = setting(
        (),
        "the layers whose units get pages (default: the first convolution and the ends of stages; see `reportgen "
        "layers`)",
        placeholder="NAME,NAME",
    )
    resize: str = setting(
        "warp",
        "`warp` squashes the whole image into the network's input; `crop` cuts its centre, as in training",
        ("crop", "warp"),
    )
    input_size: tuple[int, int] | None = setting(
        None,
        "size of the network's input in pixels: a side, or HEIGHTxWIDTH (default: that of the network)",
        placeholder="SIZE",
        parse=parse_size,
        example="224",
    )
    channels: int | None = setting(
        None,
        "channels of the network's input: 3, or 1 for grey (default: those of the network)",
        placeholder="1|3",
        parse=parse_channels,
        example="1",
    )
    mean: tuple[float, ...] = setting(
        (),
        "mean that is subtracted from pixels in [0, 1]: one number, or one a channel (default: that of the network)",
        placeholder="NUMBER,…",
        parse=parse_numbers,
        example="[0.485, 0.456, 0.406]",
    )
    std: tuple[float, ...] = setting(
        (),
        "standard deviation that pixels in [0, 1] are divided by: one number, or one a channel (default: that of the "
        "network)",
        placeholder="NUMBER,…",
        parse=parse_deviations,
        example="[0.229, 0.224, 0.225]",
    )
    interpolation: str | None = setting(
        None,
        "filter that images are resized with (default: that of the network)",
        ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"),
        example='"bicubic"',
    )
    crop_pct: float | None = setting(
        None,
        "with `resize = crop`: side of the input divided by the side that images are resized to before their centre "
        "is cut, in (0, 1], as in timm (default: that of the network)",
        placeholder="SHARE",
        parse=parse_share,
        example="0.875",
    )
    decode: str = setting(
        "exact",
        "`exact`, or `fast`, which decodes large JPEGs at a fraction of their size; pixels differ slightly",
        ("exact", "fast"),
    )
    precision: str = setting(
        "auto",
        "precision of the trunk: `fp32`, `bf16`, `fp16`, or `auto`: a low precision if the hardware supports it "
        "and a trial matches float32",
        ("auto", "fp32", "bf16", "fp16"),
    )
    runtime: str = setting(
        "auto",
        "what runs the trunk: `torch`, `onnxruntime` (on the CPU), or `auto`: ONNX Runtime on a CPU for enough images, "
        "if it is faster in a trial and agrees with PyTorch",
        ("auto", "torch", "onnxruntime"),
    )
    store_feature_maps: str = setting(
        "auto",
        "store whole feature maps: `yes`, `no`, or `auto`: if those of the data set take less than 4 GB; an "
        "earlier choice is kept while the data set grows",
        ("auto", "yes", "no"),
    )
    device: str = setting("auto", "`auto`, `cpu`, `cuda`, `cuda:0` or `mps`")
    engine: str = setting(
        "local",
        "what computes the forward pass: `local`, this process, or `ray`, the workers of a Ray cluster",
        ("local", "ray"),
    )
    ray_address: str = setting(
        "auto",
        "with `engine = ray`: `auto`, the cluster that this machine belongs to, `HOST:PORT`, or `local`, which starts "
        "Ray on this machine for the time of the run",
        placeholder="ADDRESS",
        parse=parse_ray_address,
    )
    cpus_per_worker: int | None = setting(
        None,
        "with `engine = ray`: CPU cores, and threads, of a worker (default: as many threads as this process has; "
        "another number may round differently)",
        minimum=1,
        example="8",
    )
    gpus_per_worker: int = setting(0, "with `engine = ray`: GPUs of a worker", minimum=0)
    out: Path = setting(Path("report"), "the folder that the report is written to")
    limit: int | None = setting(
        None, "use at most this many images, spread over the classes", minimum=1, example="1000"
    )
    batch_size: int = setting(32, "images in one forward pass", minimum=1)
    max_failure_rate: float | None = setting(
        None,
        "stop as soon as more than this share of the image files cannot be read, a number from 0 to 1 (default: no "
        "limit)",
        placeholder="SHARE",
        parse=parse_rate,
        example="0.01",
    )
    retry_failed: bool = setting(
        False, "try to decode files again that could not be decoded in an earlier run with the same libraries"
    )
    feature_visualization: tuple[str, ...] = setting(
        (),
        "units whose preferred input is found by optimization, as `layer4:12`; about a minute each",
        placeholder="LAYER:UNIT,…",
    )
    select: str = setting(
        "auto",
        "images that get the expensive methods, the worst first: `auto` (as many as the budget allows), `all`, a "
        "number of images per class, `failures`, `none`, or names",
    )
    budget: str = setting(
        "auto",
        "time for the expensive methods, as `90s`, `30m` or `1h30m`; `auto`: with `select = auto` as long as the "
        "forward pass took or two minutes, whichever is longer, otherwise no limit",
        placeholder="TIME",
    )
    occlusion: str = setting(
        "auto",
        "`exact`; `fast`: approximate as far as trials on a few images allow (SSIM ≥ 0.95); or `auto`: `fast` from 32 "
        "images on",
        ("auto", "exact", "fast"),
    )
    occlusion_side: int | None = setting(
        None,
        "side of the occluding square, in pixels of the network's input (default: 32, or for a smaller input than 224 "
        "pixels a seventh of its shorter side)",
        minimum=1,
        example="32",
    )
    occlusion_stride: int | None = setting(
        None,
        "distance between positions of the occluding square, in pixels (default: 8, or for a smaller input than 224 "
        "pixels a 28th of its shorter side)",
        minimum=1,
        example="8",
    )
    occlusion_fill: str = setting(
        "mean", "colour of the occluding square: `mean` of the data set, or `grey`", ("mean", "grey")
    )
    smoothgrad: int = setting(
        0,
        "noisy copies of an image whose gradients SmoothGrad averages, such as 25; 0 leaves SmoothGrad out",
        minimum=0,
    )
    top_patches: int = setting(16, "top-activating images shown for each unit", minimum=1)
    receptive_field: str = setting(
        "exact",
        "the receptive field that patches are drawn with: `exact` (analytic; measured where that is the whole image) "
        "or `effective` (always measured)",
        ("exact", "effective"),
    )
    page_limit: int = setting(
        20_000,
        "images that have a full page, at most; of more images, the failures, the images of findings, their nearest "
        "neighbours and a sample have one, and `image.html` shows the others",
        minimum=1,
    )
    image_format: str = setting(
        "jpeg",
        "format of the site's photographs: `jpeg`, or `webp`: smaller files that take longer to make",
        ("jpeg", "webp"),
    )
    history: bool = setting(
        False, "keep the headline figures of each run in `history.jsonl`, and show them on the overview"
    )
    live: bool = setting(False, "write `live.html`, a page in which the network itself runs on any image")
    live_limit: int = setting(
        60, "with `live`: size in MB, compressed, from which a network gets no such page", minimum=1
    )
    name: str | None = setting(None, "name of the data set in the report (default: the name of its folder)")
    model_name: str | None = setting(
        None, "name of the network in the report (default: its own name)", placeholder="NAME"
    )
    folds: int = setting(
        5, "with `head = gap` or `gmp`: number of folds; each is judged by a head fitted on the others", minimum=2
    )
    fit_data: Path | None = setting(
        None, "with `head = gap` or `gmp`: another data set to fit the head on, instead of folds"
    )
    features: str = setting(
        "head",
        "what nearest neighbours and embedding maps compare: `head` (the input of the last layer), `gap`, `gmp`, "
        "or one of `layers`",
        placeholder="NAME",
    )
    fresh_maps: bool = setting(
        False,
        "compute the t-SNE maps from all images, even if few have changed since the last run, whose maps a run "
        "otherwise continues",
    )
    reference: Path | None = setting(
        None, "another data set, such as the training set, to search for near-duplicates and nearest neighbours"
    )
    ood: Path | None = setting(
        None, "images that show none of the classes: how well the confidence separates them is on the page Confidence"
    )
    slices: tuple[Mapping[str, Any], ...] = setting(
        (),
        "groups of images whose errors are always shown: one table each, with a name and conditions",
        parse=parse_slices,
    )
    models: tuple[Mapping[str, Any], ...] = setting(
        (), "several networks in one audit: one table each, whose keys override those above; pages show the first"
    )

    def __post_init__(self) -> None:
        for key, about in SETTINGS.items():
            value = getattr(self, key)
            if value in (None, ()):
                continue
            if about["choices"] and value not in about["choices"]:
                allowed = ", ".join(f"`{choice}`" for choice in about["choices"])
                raise ConfigError(f"`{key}` is `{value}`", f"use one of {allowed}")
            if about["minimum"] is not None and value < about["minimum"]:
                raise ConfigError(f"`{key}` is {value}", f"use a whole number of at least {about['minimum']}")
            if about["parse"]:
                parsed(f"`{key}`", value, about["parse"])
        if self.device not in ("auto", "cpu", "mps") and not self.device.startswith("cuda"):
            raise ConfigError(f"`device` is `{self.device}`", "use `auto`, `cpu`, `cuda`, `cuda:0` or `mps`")
        if self.crop_pct and self.resize == "warp" and not self.models:
            raise ConfigError("`crop_pct` has no effect with `resize = warp`", "add `resize = crop`")
        if self.maps and self.map_function:
            raise ConfigError("`maps` and `map_function` are both given", "use one of them")
        self.budget_seconds  # noqa: B018 - a bad value is an error here already
        self.networks()  # a bad value in one of the tables is an error like any other

    @property
    def budget_seconds(self) -> float | None:
        """`budget` in seconds; None for `auto`. Errors: ConfigError if it is no time."""
        return None if self.budget == "auto" else float(parsed("`budget`", self.budget, parse_duration))

    def networks(self) -> list[AuditConfig]:
        """The settings of each network of the audit: these, with the keys of one of `models` in their place.

        Slices are of the data, not of a network."""
        if not self.models and not self.slices:
            return [self]
        return [replace(self, models=(), slices=(), **table) for table in self.models or ({},)]


SETTINGS: dict[str, Mapping[str, Any]] = {f.name: f.metadata for f in fields(AuditConfig)}
"""What each setting was declared with, see `setting`."""
DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(AuditConfig)}
GREY = (0.5, 0.5, 0.5)
"""`occlusion_fill = "grey"`: RGB in [0, 1]."""
MODEL_KEYS = (
    "model", "weights", "layer", "head", "map_function", "maps", "layers", "resize", "input_size", "channels", "mean",
    "std", "interpolation", "crop_pct", "precision", "runtime", "outputs",
)  # fmt: skip
"""Keys of a `[[models]]` table, in addition to `name`."""
ENGINE_KEYS = ("engine", "ray_address", "cpus_per_worker", "gpus_per_worker")
"""Settings of what computes: no report depends on them."""
TABLES = {
    "slices": ("# [[slices]]", '# name = "dark tabbies"', '# where = ["label = tabby", "brightness < 0.2"]'),
    "models": ("# [[models]]", '# name = "ResNet-50"', '# model = "torchvision:resnet50"'),
}
"""Settings that are tables, with an example of each. They have no flags."""
RENAMED = {
    "codes": "features",
    "patch_field": "receptive_field",
    "pictures": "image_format",
    "store_maps": "store_feature_maps",
    "synthesize": "feature_visualization",
}
"""Keys of earlier versions, and what they are called now."""


@dataclass(frozen=True)
class FitConfig:
    """The settings of a training: the arguments and flags of `reportgen fit`. rate: of the first epoch."""

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


def parsed(where: str, value: Any, parse: Callable[[Any], Any]) -> Any:
    """Return what `parse` makes of a value. where: names the setting. Errors: ConfigError for a bad value."""
    try:
        return parse(value)
    except ValueError as error:
        raise ConfigError(f"{where} is {value!r}", str(error)) from None


def override(config: AuditConfig, flags: Mapping[str, Any]) -> AuditConfig:
    """The config with every flag that was given (is not None) instead of the file's value, also in its tables.

    `--model` names one network: the file's `[[models]]` are then not audited.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    tables = () if "model" in given else config.models
    kept = tuple({key: value for key, value in table.items() if key not in given} for table in tables)
    return replace(config, **given, models=kept)
