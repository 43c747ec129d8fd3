"""Options that several commands share; those of an audit are explained where its audit_options are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from reportgen.config import EXPLAINED, AuditConfig


class Names(click.ParamType):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        return tuple(name for part in value.split(",") if (name := part.strip()))


def audit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that a run and a demo share, one a key of audit.toml."""
    kinds: dict[str, Any] = {
        "resize": click.Choice(["crop", "warp"]),
        "decode": click.Choice(["exact", "fast"]),
        "precision": click.Choice(["auto", "fp32", "bf16", "fp16"]),
        "store_maps": click.Choice(["auto", "yes", "no"]),
        "pictures": click.Choice(["jpeg", "webp"]),
        "device": str,
        "out": click.Path(path_type=Path),
        "limit": click.IntRange(1),
        "batch_size": click.IntRange(1),
        "select": str,
        "synthesize": Names(),
    }
    for key, kind in reversed(kinds.items()):
        function = click.option(f"--{key.replace('_', '-')}", key, type=kind, help=explained(key))(function)
    return click.option("--quiet", is_flag=True, help="No progress, only the closing lines.")(function)


def explained(key: str) -> str:
    default = next(f.default for f in AuditConfig.__dataclass_fields__.values() if f.name == key)
    text = EXPLAINED[key].replace("`", "")
    return f"{text[:1].upper()}{text[1:]}." + ("" if default in (None, ()) else f"  [default: {default}]")


def defaulted(name: str, default: object, kind: Any, text: str) -> Callable[..., Any]:
    """An option that shows its default."""
    return click.option(name, default=default, show_default=True, type=kind, help=text)
