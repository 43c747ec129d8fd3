"""The command line: parse, call, print, exit code. The only package that prints or exits.

Data goes to stdout, messages go to stderr. Exit codes: 0 success, 1 a check found something, 2 usage, configuration or
internal error, 3 finished but some inputs are unreadable, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any, NoReturn

import click

from reportgen import __version__
from reportgen.cli.audits import demo, extract, fit, init, layers, run
from reportgen.cli.console import console
from reportgen.cli.gate import gate
from reportgen.cli.reports import cache, check, compare, export, pack, review, serve, views
from reportgen.errors import ReportgenError


def main() -> None:
    """The `reportgen` command."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.unraisablehook = _repeat_interrupt
    warnings.filterwarnings("ignore", module="PIL")  # of headers; those of decoding are part of a file's reason
    try:
        sys.exit(cli.main(sys.argv[1:] or ["--help"], standalone_mode=False))
    except click.exceptions.Abort:
        _stop("interrupted", "run the same command again to resume", 130)
    except KeyboardInterrupt:
        _stop("interrupted", "run the same command again to resume", 130)
    except click.ClickException as error:
        _stop(_plain(error.format_message()), f"see `{_command(error)} --help`", 2)
    except ReportgenError as error:
        _stop(str(error), error.hint, error.exit_code)
    except Exception as error:
        _stop_internal(error)


def _stop_internal(error: Exception) -> NoReturn:
    """End with one line for a defect of reportgen, and with `--debug` with its traceback before that line."""
    logging.getLogger("reportgen").debug("internal error", exc_info=error)
    package = str(Path(__file__).parent.parent)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename.startswith(package) or f.filename.endswith(".html")] or list(frames)
    reason = " ".join(str(error).split())
    _stop(
        f"internal: {type(error).__name__}: {reason} ({Path(ours[-1].filename).name}, line {ours[-1].lineno})",
        "this is a defect of reportgen; please report it with the command and the traceback that "
        "`reportgen --debug …` prints",
        2,
    )


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def _repeat_interrupt(lost: Any) -> None:
    """Repeat an interrupt that came while an object was being deleted: an exception cannot leave a destructor."""
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    while True:
        try:
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()  # a signal also ends a sleep
            return
        except KeyboardInterrupt:  # it came before this function had returned, which an exception cannot leave either
            continue


def _plain(text: str) -> str:
    """A message of click in our form: lower case, no final period."""
    text = " ".join(text.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _command(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "reportgen"


def _stop(message: str, hint: str | None, code: int) -> NoReturn:
    console.print("[red]error:[/red]", end=" ")
    console.print(_line(message), markup=False, soft_wrap=True)
    if hint:
        console.print(f"\nhint: {_line(hint)}", markup=False, soft_wrap=True)
    sys.exit(code)


def _line(text: str) -> str:
    """The text as one line of printable characters."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", prog_name="reportgen", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Print a log, and the traceback of an internal error.")
def cli(debug: bool) -> None:
    """Run a CNN image classifier over a data set and write a model audit.

    The audit is a static site: what the network gets right and wrong, where it looks, what its units detect.
    """
    if debug:
        logging.basicConfig(format="%(relativeCreated)8.0f ms %(name)s: %(message)s", stream=sys.stderr)
        logging.getLogger("reportgen").setLevel(logging.DEBUG)


for command in (run, extract, demo, fit, init, layers, serve, check, gate, pack, export, review, compare, views, cache):
    cli.add_command(command)
