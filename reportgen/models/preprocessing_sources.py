"""The preprocessing that a network was made for: what libraries attach to their modules, and what settings replace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_args

from PIL import Image
from torch import nn

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError, ModelError
from reportgen.models.classifier import Interpolation, Preprocessing

DEFAULTS = "the defaults of torchvision's ImageNet networks"
"""Source of the preprocessing of a network that states none."""
TIMM_KEYS = {"input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std"}
CROP_PCT = 0.875
"""`crop_pct` of networks that state none, as in timm."""
CONVNEXT_SQUASHED_SIDE = 384
"""From this side on, Hugging Face's ConvNeXT processor squashes whole images, and below it crops."""
LEVIT_SCALE = 256 / 224
"""Hugging Face's LeViT processor resizes the shorter side to its size times this number."""
NOT_SUPPORTED = ("do_pad", "do_flip_channel_order", "do_thumbnail", "do_align_long_axis", "do_split_image")
"""Steps of Hugging Face's image processors that no setting of ours describes."""


def preprocessing_for(module: nn.Module, config: AuditConfig) -> Preprocessing:
    """Return the preprocessing of a user's module: what it carries, or ImageNet's, with the settings in its place.

    Errors: ModelError for a step that is not supported, ConfigError for settings that do not fit together.
    """
    carried = preprocessing_of(module) or Preprocessing(source=DEFAULTS)
    return with_settings(with_channels(carried, input_channels(module) or carried.channels), config)


def preprocessing_of(module: nn.Module, image_processor: object | None = None) -> Preprocessing | None:
    """Return the preprocessing that a module, or else the first of its submodules that has one, carries; or None.

    It is read from the attribute `pretrained_cfg` or `default_cfg` (timm), or from the image processor of Hugging Face:
    `image_processor`, the module's attribute of this name, or the one in the folder that it was loaded from. Without
    one, the size is that of Hugging Face's `config`, where it has an `image_size`.
    Errors: ModelError for a step that is not supported.
    """
    if image_processor is not None:
        return from_image_processor(_mapping(image_processor), _class_name(image_processor))
    for path, part in module.named_modules():
        where = f" of its module `{path}`" if path else ""
        for attribute in ("pretrained_cfg", "default_cfg"):
            found = _mapping(getattr(part, attribute, None))
            if TIMM_KEYS & found.keys():
                return from_timm(found, f"`{attribute}`{where} (timm)")
        processor = getattr(part, "image_processor", None) or _stored_processor(part)
        if processor is not None and hasattr(processor, "to_dict"):
            return from_image_processor(_mapping(processor), f"{_class_name(processor)}{where}")
        if _is_of_transformers(part) and (side := getattr(getattr(part, "config", None), "image_size", None)):
            return _of_image_size(side, where)
    return None


def from_timm(cfg: Mapping[str, Any], source: str) -> Preprocessing:
    """Return the preprocessing that timm evaluates a network with, from its `pretrained_cfg`.

    As in timm's default, `test_input_size` and `test_crop_pct` are not used. The crop modes `center` and `squash` are
    supported. Errors: ModelError for another one, or for a value that is not understood.
    """
    mode = cfg.get("crop_mode") or "center"
    if mode not in ("center", "squash"):
        raise ModelError(f"crop_mode `{mode}` in {source} is not supported", "set it to `center` or `squash`")
    defaults = Preprocessing()
    try:
        channels, height, width = map(int, cfg.get("input_size") or (3, 224, 224))
        share = float(cfg.get("crop_pct") or CROP_PCT)
        preprocessing = Preprocessing(
            size=_size(height, width),
            resize_size=_size(math.floor(height / share), math.floor(width / share)),
            mean=tuple(map(float, cfg.get("mean") or defaults.mean)),
            std=tuple(map(float, cfg.get("std") or defaults.std)),
            interpolation=interpolation(cfg.get("interpolation") or "bicubic", source),
            squash=mode == "squash",
            source=source,
        )
    except (TypeError, ValueError) as error:
        raise ModelError(f"{source} is not understood ({error})", "correct it, or delete it in the factory") from None
    return with_channels(preprocessing, channels)


def from_torchvision(weights: Any) -> Preprocessing:
    """Return the preprocessing that torchvision's weights were evaluated with."""
    preset, source = weights.transforms(), f"transforms of torchvision's {weights}"
    return Preprocessing(
        size=preset.crop_size[0],
        resize_size=preset.resize_size[0],
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=interpolation(preset.interpolation.value, source),
        source=source,
    )


def from_image_processor(settings: Mapping[str, Any], source: str) -> Preprocessing:
    """Return the preprocessing of one of Hugging Face's image processors for classification, from its `to_dict()`.

    Errors: ModelError for a step that is not supported.
    """
    for step in NOT_SUPPORTED:
        if settings.get(step):
            raise ModelError(f"`{step}` of {source} is not supported", "do this in the module's `forward`")
    size, resize_size, squash = _processor_sizes(settings, source)
    mean, std = _processor_normalization(settings)
    return Preprocessing(
        size=_size(*size),
        resize_size=_size(*resize_size),
        mean=mean,
        std=std,
        interpolation=interpolation(settings.get("resample", Image.Resampling.BILINEAR), source),
        channels=len(mean),
        squash=squash,
        crop_offset="floor",
        source=source,
    )


def _processor_sizes(settings: Mapping[str, Any], source: str) -> tuple[tuple[int, int], tuple[int, int], bool]:
    """Height and width of the input, those of the scaled image, and whether it is squashed to them."""
    size, share = settings.get("size") or {}, settings.get("crop_pct")
    size = {"shortest_edge": size} if isinstance(size, int) else size
    crop = settings.get("crop_size") if settings.get("do_center_crop") else None
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    side = size.get("shortest_edge")
    if settings.get("do_resize") and "longest_edge" not in size:
        if side and share and not crop:  # ConvNeXT
            resized = side if side >= CONVNEXT_SQUASHED_SIDE else int(side / share)
            return (side, side), (resized, resized), side >= CONVNEXT_SQUASHED_SIDE
        if side and crop:
            is_levit = str(settings.get("image_processor_type", "")).startswith("Levit")
            resized = int(side / share) if share else int(LEVIT_SCALE * side) if is_levit else side
            return (crop["height"], crop["width"]), (resized, resized), False
        if "height" in size and not share:
            whole = (size["height"], size["width"])
            return ((crop["height"], crop["width"]) if crop else whole), whole, True
    raise ModelError(
        f"{source} does not resize images to one size in a way that is supported (size {size}, crop {crop})",
        "give it `size` and `crop_size`, as in torchvision's Resize and CenterCrop",
    )


def _processor_normalization(settings: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation for pixels in [0, 1]: `(pixel · factor − offset − mean) / std` is what they do."""
    means, deviations = settings.get("image_mean"), settings.get("image_std")
    if not settings.get("do_normalize"):
        means, deviations = [0.0] * 3, [1.0] * 3
    elif settings.get("include_top"):  # EfficientNet's processor divides twice
        deviations = [s * s for s in deviations or ()]
    factor = float(settings.get("rescale_factor", 1 / 255)) if settings.get("do_rescale", True) else 1.0
    offset = 1.0 if settings.get("rescale_offset") else 0.0
    white = 255 * factor
    return tuple((m + offset) / white for m in means or ()), tuple(s / white for s in deviations or ())


def _of_image_size(image_size: int | Sequence[int], where: str) -> Preprocessing:
    """The default preprocessing at another size."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    resized = _size(math.floor(height / CROP_PCT), math.floor(width / CROP_PCT))
    source = f"`image_size` of `config`{where} (transformers), otherwise {DEFAULTS}"
    return Preprocessing(size=_size(height, width), resize_size=resized, source=source)


def _is_of_transformers(part: nn.Module) -> bool:
    return type(part).__module__.startswith("transformers.")


def _stored_processor(part: nn.Module) -> object | None:
    """The image processor of a Hugging Face module that was loaded from a folder or the local cache; None without."""
    name = getattr(part, "name_or_path", "")
    if not name or not _is_of_transformers(part):
        return None
    from transformers import AutoImageProcessor  # the module is of this package

    try:
        processor: object = AutoImageProcessor.from_pretrained(name, local_files_only=True)  # type: ignore[no-untyped-call,unused-ignore]
        return processor
    except (OSError, ValueError):  # no such file
        return None


def with_settings(preprocessing: Preprocessing, config: AuditConfig) -> Preprocessing:
    """Return the preprocessing with `input_size`, `channels`, `mean`, `std`, `interpolation` and `crop_pct` of the
    settings in its place.

    Without `crop_pct`, another `input_size` keeps the share of the scaled image that is cut.
    Errors: ConfigError if `mean` or `std` has another number of channels.
    """
    p = with_channels(preprocessing, config.channels or preprocessing.channels)
    size = height, width = config.input_size or (p.height, p.width)
    if config.crop_pct:
        resized = (math.floor(height / config.crop_pct), math.floor(width / config.crop_pct))
    else:
        resized = (p.resized[0] * height // p.height, p.resized[1] * width // p.width)
    for key, values in (("mean", config.mean), ("std", config.std)):
        if len(values) > p.channels:
            raise ConfigError(
                f"`{key}` has {len(values)} numbers, but the network reads grey images", "give one number"
            )
    keys = ("input_size", "channels", "mean", "std", "interpolation", "crop_pct")
    given = ", ".join(f"`{key}`" for key in keys if getattr(config, key))
    sources = [p.source, f"{given} from the settings" if given else ""]
    return replace(
        p,
        size=_size(*size),
        resize_size=_size(*resized),
        mean=_per_channel(config.mean or p.mean, p.channels),
        std=_per_channel(config.std or p.std, p.channels),
        interpolation=cast(Interpolation, config.interpolation or p.interpolation),
        source="; ".join(filter(None, sources)),
    )


def with_channels(preprocessing: Preprocessing, channels: int) -> Preprocessing:
    """Return the preprocessing for 1 or 3 channels. A grey image is normalized with the average over RGB."""
    mean, std = (_per_channel(values, channels) for values in (preprocessing.mean, preprocessing.std))
    return replace(preprocessing, channels=channels, mean=mean, std=std)


def input_channels(module: nn.Module) -> int | None:
    """Return the channels that a module reads, 1 or 3, by its first convolution; None if that has others."""
    first = next((m for m in module.modules() if isinstance(m, nn.Conv2d)), None)
    return first.in_channels if first is not None and first.in_channels in (1, 3) else None


def interpolation(value: object, source: str) -> Interpolation:
    """Return Pillow's name of a filter, from its name or its number. Errors: ModelError for others."""
    name = next((known.name for known in Image.Resampling if known == value), str(value)).lower()
    if name not in get_args(Interpolation):
        known = ", ".join(f"`{known}`" for known in get_args(Interpolation))
        raise ModelError(f"interpolation `{value}` in {source} is not supported", f"use one of {known}")
    return cast(Interpolation, name)


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == channels:
        return values
    return (sum(values) / len(values),) * channels


def _size(height: int, width: int) -> int | tuple[int, int]:
    return height if height == width else (height, width)


def _mapping(value: object) -> Mapping[str, Any]:
    """A dict, or an object with `to_dict` as one (timm's PretrainedCfg, an image processor); else an empty one."""
    to_dict = getattr(value, "to_dict", None)
    found = to_dict() if callable(to_dict) else value
    return found if isinstance(found, Mapping) else {}


def _class_name(image_processor: object) -> str:
    return f"`{type(image_processor).__name__}` (transformers)"
