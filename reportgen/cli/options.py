"""Options that several commands share. Those of an audit are generated from its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import click

from reportgen.config import DEFAULTS, SETTINGS, TABLES, AuditConfig

DEMO_SETTINGS = (
    "resize", "decode", "precision", "runtime", "store_feature_maps", "device", "out", "limit", "batch_size",
    "feature_visualization", "select", "budget", "occlusion", "occlusion_side", "occlusion_stride", "occlusion_fill",
    "smoothgrad", "top_patches", "receptive_field", "image_format", "live", "live_limit",
)  # fmt: skip
"""Settings that make sense for the demo, whose data and network are given."""


class Parsed(click.ParamType[Any]):
    """A value that a setting's `parse` makes from the text."""

    name = "value"

    def __init__(self, parse: Callable[[str], Any]) -> None:
        self.parse = parse

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(f"`{value}`: {error}", param, ctx)


class Names(click.ParamType[tuple[str, ...]]):
    """Names separated by commas."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        return tuple(name for part in value.split(",") if (name := part.strip()))


def audit_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the flags of these settings; of all settings that can be flags if none is named."""
    chosen = names or tuple(name for name in SETTINGS if name not in TABLES)

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(chosen):
            function = _option(name)(function)
        return function

    return add


def quiet_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--quiet`."""
    return click.option("--quiet", is_flag=True, help="Show no progress, only the closing lines.")(function)


def _option(name: str) -> Callable[..., Any]:
    about, flag = SETTINGS[name], f"--{name.replace('_', '-')}"
    if get_type_hints(AuditConfig)[name] is bool:
        return click.option(f"{flag}/--no-{name}", name, default=None, help=help_text(name))
    return click.option(
        flag,
        name,
        type=_type_of(name),
        metavar=about["placeholder"] or None,
        help=help_text(name),
    )


def _type_of(name: str) -> Any:
    """The click type of a setting, from its annotation, choices, minimum and parser."""
    about, hint = SETTINGS[name], get_type_hints(AuditConfig)[name]
    if about["choices"]:
        return click.Choice(about["choices"])
    if about["parse"]:
        return Parsed(about["parse"])
    if get_origin(hint) is tuple:
        return Names()
    types = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)]
    if types == [Path]:
        return click.Path(path_type=Path)
    return click.IntRange(about["minimum"]) if types == [int] else str


def help_text(name: str) -> str:
    """The help of a setting, with its default."""
    text, default = SETTINGS[name]["help"].replace("`", ""), DEFAULTS[name]
    return f"{text}." + ("" if default in (None, ()) or default is False else f"  [default: {default}]")


def defaulted(name: str, default: object, kind: Any, text: str) -> Callable[..., Any]:
    """An option that shows its default."""
    return click.option(name, default=default, show_default=True, type=kind, help=text)
