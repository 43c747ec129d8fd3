"""The settings of an audit: one dataclass with every default, read from `audit.toml`, from flags, or both."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

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
    resize: str = "warp"
    device: str = "auto"
    out: Path = Path("report")
    limit: int | None = None
    batch_size: int = 32
    name: str | None = None

    def __post_init__(self) -> None:
        for key, allowed in CHOICES.items():
            if (value := getattr(self, key)) not in allowed:
                raise ConfigError(f"`{key}` is `{value}`", f"use one of {', '.join(f'`{a}`' for a in allowed)}")
        for key in ("limit", "batch_size"):
            if (value := getattr(self, key)) is not None and value < 1:
                raise ConfigError(f"`{key}` is {value}", "use a whole number from 1 on")
        if self.device not in ("auto", "cpu", "mps") and not self.device.startswith("cuda"):
            raise ConfigError(f"`device` is `{self.device}`", "use `auto`, `cpu`, `cuda`, `cuda:0` or `mps`")


CHOICES = {"resize": ("crop", "warp")}

EXPLAINED = {
    "data": "a folder of class folders, a flat folder, or a CSV table `path,label,x0,y0,x1,y1`",
    "model": "`demo`, `torchvision:NAME` or `python:package.module:factory`",
    "weights": "`torchvision:` only: `DEFAULT`, a member of its enum, a .pth or .safetensors file, or `random`",
    "annotations": "a CSV table with labels and boxes, its paths relative to `data`",
    "classes": "a text file with one class name a line, in the order of the model's outputs",
    "layer": "the module whose output is taken as the last maps (default: found in the graph)",
    "head": "the linear module that reads their mean (default: found in the graph)",
    "resize": "`warp` squashes the whole image into the network's square; `crop` cuts its centre, as in training",
    "device": "`auto`, `cpu`, `cuda`, `cuda:0` or `mps`",
    "out": "the folder that the report is written to",
    "limit": "take only so many images, spread over the classes",
    "batch_size": "images a forward pass",
    "name": "what the report calls the data set (default: the name of its folder)",
}


def read_config(path: Path) -> AuditConfig:
    """Reads `audit.toml`. Errors: ConfigError for the file, an unknown key (names the nearest) or a bad value."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read `{path}` ({error})", "`reportgen init` writes a commented one") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"`{path}` is not TOML: {error}") from None
    hints = get_type_hints(AuditConfig)
    values = {key: _typed(f"`{key}` in `{path}`", value, hints.get(key), key) for key, value in table.items()}
    base = path.parent
    for key, value in values.items():
        if isinstance(value, Path):
            values[key] = base / value
    if "weights" in values and (base / values["weights"]).is_file():
        values["weights"] = str(base / values["weights"])
    return AuditConfig(**values)


def _typed(where: str, value: Any, hint: Any, key: str) -> Any:
    if hint is None:
        near = difflib.get_close_matches(key, [f.name for f in fields(AuditConfig)], 1, 0.4)
        raise ConfigError(f"unknown key {where}", f"did you mean `{near[0]}`?" if near else "see `reportgen init`")
    wanted = next(t for t in (get_args(hint) or (hint,)) if t is not type(None))
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise ConfigError(f"{where} is {value!r}", f"it must be of type {wanted.__name__}")
    return value


def override(config: AuditConfig, flags: Mapping[str, Any]) -> AuditConfig:
    """The config with every flag that was given (is not None) in place of the file's value."""
    return replace(config, **{key: value for key, value in flags.items() if value is not None})


def commented_toml() -> str:
    """The text of a new `audit.toml`: each key with its explanation and default; what has none is commented out."""
    lines = ["# Settings of a reportgen audit. Run it with `reportgen run audit.toml`; a flag beats this file."]
    for field in fields(AuditConfig):
        default = field.default
        shown = "" if default is None else f'"{default}"' if isinstance(default, str | Path) else default
        example = {"data": '"photos"', "limit": "1000"}.get(field.name, '""')
        commented = default is None and field.name != "data"
        lines += ["", f"# {EXPLAINED[field.name]}", f"{'# ' if commented else ''}{field.name} = {shown or example}"]
    return "\n".join(lines) + "\n"
