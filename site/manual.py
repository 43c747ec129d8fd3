"""The parts of the manual that are read from the code: `python site/manual.py` writes them, a test holds them.

Each stands in its page between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import click

from reportgen.cli import cli
from reportgen.config import EXPLAINED, AuditConfig, commented_toml
from reportgen.gallery.sections import all_views

DOCS = Path(__file__).parent / "docs"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def value_of(option: click.Option) -> str:
    """What an option takes: its choices, or a word for its kind."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return f" {{{','.join(option.type.choices)}}}"
    return f" {option.metavar or option.type.name.split()[0].upper()}"


def commands() -> str:
    """Every command with its options."""
    parts = []
    for name, command in sorted(cli.commands.items()):
        context = click.Context(command, info_name=f"reportgen {name}")
        usage = " ".join(["reportgen", name, *command.collect_usage_pieces(context)])
        parts.append(f"## reportgen {name}\n\n{command.help}\n\n```text\n{usage}\n```")
        options = [p for p in command.params if isinstance(p, click.Option)]
        audits = name in ("run", "demo")
        if rows := [[f"`{o.opts[0]}{value_of(o)}`", meaning(o, audits)] for o in options]:
            parts.append(table(["option", "meaning"], rows))
    return "\n\n".join(parts)


def meaning(option: click.Option, audits: bool) -> str:
    """An audit's settings are explained in one place; other options carry their own help."""
    name = str(option.name)
    if audits and name in EXPLAINED:
        default = getattr(AuditConfig(), name)
        return EXPLAINED[name] + ("" if default in (None, ()) else f" (default `{default}`)")
    return " ".join(str(option.help).split()) + (f" Default `{option.default}`." if option.show_default else "")


def settings() -> str:
    """Every key of audit.toml."""
    rows = [
        [f"`{f.name}`", "none" if f.default in (None, ()) else f"`{f.default}`", EXPLAINED[f.name]]
        for f in fields(AuditConfig)
    ]
    return table(["key", "default", "meaning"], rows)


def toml() -> str:
    """The file that `reportgen init` writes."""
    return f"```toml\n{commented_toml()}```"


def views() -> str:
    """Every view."""
    rows = [
        [v.label, f"`{v.name}`", v.scope, v.about, ", ".join(f"`{n}`" for n in v.needs) or "–"] for v in all_views()
    ]
    return table(["view", "name", "scope", "what it shows", "arrays it reads"], rows)


PARTS: dict[str, Callable[[], str]] = {"commands": commands, "settings": settings, "toml": toml, "views": views}


def filled(page: str) -> str:
    """A page's text with every generated part as the code has it now."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n\n{found[3]}", page)


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
