"""The command line: parse, call, print, exit code. The only package that prints or exits.

stdout is data, stderr is talk. Exit codes: 0 fine, 1 a check found something, 2 usage, configuration or internal,
3 finished but some inputs could not be read, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import click

from reportgen import __version__
from reportgen.cli.audits import demo, fit, init, layers, run
from reportgen.cli.reports import cache, check, compare, pack, review, serve, views
from reportgen.cli.talk import talk
from reportgen.errors import ReportgenError


def main() -> None:
    """The `reportgen` command."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = _say_again
    try:
        sys.exit(cli.main(sys.argv[1:] or ["--help"], standalone_mode=False))
    except click.exceptions.Abort:
        _stop("interrupted", "run the same command again to go on where it stopped", 130)
    except KeyboardInterrupt:
        _stop("interrupted", "run the same command again to go on where it stopped", 130)
    except click.ClickException as error:
        _stop(_plain(error.format_message()), f"see `{_command(error)} --help`", 2)
    except ReportgenError as error:
        _stop(str(error), error.hint, error.exit_code)
    except Exception as error:
        import traceback

        package = str(Path(__file__).parent.parent)
        frames = traceback.extract_tb(error.__traceback__)
        trace = [f for f in frames if f.filename.startswith(package) or f.filename.endswith(".html")][-1]
        said = " ".join(str(error).split())
        _stop(
            f"internal: {type(error).__name__}: {said} ({Path(trace.filename).name}, line {trace.lineno})",
            "this is a defect of reportgen; please report it with the command that you ran",
            2,
        )


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _say_again(lost: Any) -> None:
    """An interrupt that comes while an object is being deleted cannot leave from there: it comes again right after."""
    if lost.exc_type is KeyboardInterrupt:
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()  # a signal ends a sleep, too
    else:
        sys.__unraisablehook__(lost)


def _plain(text: str) -> str:
    """click's message as one of ours: lower case, no final period."""
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _command(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "reportgen"


def _stop(message: str, hint: str | None, code: int) -> NoReturn:
    talk.print("[red]error:[/red]", end=" ")
    talk.print(_line(message), markup=False, soft_wrap=True)
    if hint:
        talk.print(f"\nhint: {_line(hint)}", markup=False, soft_wrap=True)
    sys.exit(code)


def _line(text: str) -> str:
    """One line that no name or library can break or colour."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", prog_name="reportgen", message="%(prog)s %(version)s")
def cli() -> None:
    """Runs a CNN image classifier over a data set, looks inside it, and writes a static model audit."""


for command in (run, demo, fit, init, layers, serve, check, pack, review, compare, views, cache):
    cli.add_command(command)
