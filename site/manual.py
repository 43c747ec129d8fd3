"""Generate the parts of the manual that follow from the code: `python site/manual.py`. A test finds stale parts.

Each part is in its page, between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from reportgen.cli import cli
from reportgen.config import DEFAULTS, SETTINGS
from reportgen.config_file import commented_toml
from reportgen.data.demo_photos import PHOTOS
from reportgen.gallery.core.registry import all_pages, all_sections
from reportgen.gallery.pages.findings import finding_kinds

DOCS = Path(__file__).parent / "docs"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
AUDIT_COMMANDS = ("run", "demo")
"""Commands whose flags are settings."""


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commands() -> str:
    """Every command with its arguments and options."""
    parts = []
    for name, command in sorted(cli.commands.items()):  # a context without the group's settings would spoil its `-h`
        context = click.Context(command, info_name=f"reportgen {name}", **cli.context_settings)
        usage = " ".join(["reportgen", name, *command.collect_usage_pieces(context)])
        parts.append(f"## reportgen {name}\n\n{inspect.cleandoc(command.help or '')}\n\n```text\n{usage}\n```")
        options = [p for p in command.params if isinstance(p, click.Option)]
        if options:
            rows = [[f"`{option.opts[0]}{_value(option)}`", _meaning(option, name)] for option in options]
            parts.append(table(["option", "meaning"], rows))
    return "\n\n".join(parts)


def _value(option: click.Option) -> str:
    """What an option takes: its choices, or a word for its type."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return f" {{{','.join(option.type.choices)}}}"
    return f" {option.metavar or option.type.name.split()[0].upper()}"


def _meaning(option: click.Option, command: str) -> str:
    """The help of an option with its default. Flags that are settings have the text of the setting, with its marks."""
    name = str(option.name)
    if command in AUDIT_COMMANDS and name in SETTINGS:
        return _sentence(str(SETTINGS[name]["help"])) + _default(DEFAULTS[name])
    text = " ".join(str(option.help).split())
    return text + (f" Default `{option.default}`." if option.show_default and "default:" not in text else "")


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}."


def _default(value: object) -> str:
    return "" if value in (None, ()) or value is False else f" Default `{value}`."


def _toml(value: object) -> str:
    """A default as `audit.toml` has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings() -> str:
    """Every key of audit.toml."""
    rows = [
        [f"`{key}`", "none" if default in (None, ()) else f"`{_toml(default)}`", str(SETTINGS[key]["help"])]
        for key, default in DEFAULTS.items()
    ]
    return table(["key", "default", "meaning"], rows)


def toml() -> str:
    """The file that `reportgen init` writes."""
    return f"```toml\n{commented_toml()}```"


def pages() -> str:
    """Every registered page."""
    rows = [
        [f"`{p.name}`", f"`{p.url}`", " › ".join(dict.fromkeys(p.nav)) if p.nav else "–", p.about, _arrays(p.requires)]
        for p in all_pages()
    ]
    return table(["name", "address", "navigation", "what it shows", "requires"], rows)


def sections() -> str:
    """Every registered section."""
    rows = [[f"`{s.name}`", s.scope, s.layer or "–", s.about, _arrays(s.requires)] for s in all_sections()]
    return table(["name", "page", "viewer layer", "what it shows", "requires"], rows)


def photos() -> str:
    """Every photograph of the demo."""
    rows = [
        [photo.name, f"`{photo.package}/{photo.file}`", photo.licence, photo.label or "–", str(len(photo.boxes) or "–")]
        for photo in PHOTOS
    ]
    return table(["photograph", "file", "licence (photographer)", "ImageNet class", "boxes"], rows)


def _arrays(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def findings() -> str:
    """Every kind of finding."""
    rows = [[kind.title, f"`{kind.name}`", kind.criterion] for kind in finding_kinds()]
    return table(["finding", "kind", "criterion"], rows)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "settings": settings,
    "toml": toml,
    "pages": pages,
    "sections": sections,
    "findings": findings,
    "photos": photos,
}


def filled(page: str) -> str:
    """A page's text with every generated part as the code has it now."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n\n{part[3]}", page)


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
