"""`audit.toml`: reading it, and writing a commented one."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from reportgen.config import DEFAULTS, MODEL_KEYS, RENAMED, SETTINGS, TABLES, AuditConfig, parsed
from reportgen.errors import ConfigError
from reportgen.setting_values import as_url


def read_toml(path: Path, hint: str) -> dict[str, Any]:
    """Read a TOML file. hint: the way out if it cannot be read. Errors: ConfigError."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read `{path}` ({cause})", hint) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"`{path}` is not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"`{path}` cannot be read: its lists are nested too deep") from None


def read_config(path: Path) -> AuditConfig:
    """Read `audit.toml`. Errors: ConfigError for the file, an unknown key (names the nearest) or a bad value."""
    table = read_toml(path, "`reportgen init` writes a commented one")
    models = table.pop("models", [])
    if not isinstance(models, list) or not all(isinstance(model, dict) for model in models):
        raise ConfigError(
            f"`models` in `{path}` is not a list of tables", "begin each network with a line `[[models]]`"
        )
    known = list(SETTINGS)
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
        if isinstance(value, Path) and not as_url(value):
            values[key] = base / value
    weights = values.get("weights", "DEFAULT")
    if weights not in ("DEFAULT", "random") and (base / weights).exists():
        values["weights"] = str(base / values["weights"])
    return values


def _typed(where: str, value: Any, hint: Any, key: str, known: Sequence[str]) -> Any:
    if key not in known:
        if RENAMED.get(key) in known:
            raise ConfigError(f"unknown key {where}", f"it is now called `{RENAMED[key]}`")
        near = difflib.get_close_matches(key, known, 1, 0.4)
        raise ConfigError(f"unknown key {where}", f"did you mean `{near[0]}`?" if near else "see `reportgen init`")
    if key in SETTINGS and (parse := SETTINGS[key]["parse"]):
        return parsed(where, value, parse)
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{where} is {value!r}", 'it must be a list of strings, as `["a", "b"]`')
        return tuple(value)
    wanted = next(t for t in (get_args(hint) or (hint,)) if t is not type(None))
    if wanted is Path and isinstance(value, str):
        return Path(value)
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise ConfigError(f"{where} is {value!r}", f"it must be of type {wanted.__name__}")
    return value


def commented_toml() -> str:
    """The text of a new `audit.toml`: each key with its explanation and default; keys without a default are commented
    out."""
    lines = ["# Settings of a reportgen audit. Run it with `reportgen run audit.toml`; flags override this file."]
    for key, default in DEFAULTS.items():
        if key in TABLES:  # they are declared last, as TOML needs them
            lines += ["", f"# {SETTINGS[key]['help']}", *TABLES[key]]
            continue
        shown = list(default) if isinstance(default, tuple) else default
        quoted = f'"{shown}"' if isinstance(shown, str | Path) else json.dumps(shown)
        is_missing = default is None or (default == () and SETTINGS[key]["parse"])
        value = SETTINGS[key]["example"] if is_missing else quoted
        commented = "# " if is_missing and key != "data" else ""
        lines += ["", f"# {SETTINGS[key]['help']}", f"{commented}{key} = {value}"]
    return "\n".join(lines) + "\n"
