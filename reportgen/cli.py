"""The command line: parse, call, print, exit code. The only module that prints or exits.

stdout is data, stderr is talk. Exit codes: 0 fine, 1 a check found something, 2 usage, configuration or internal,
3 finished but some inputs could not be read, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from reportgen import __version__
from reportgen.config import EXPLAINED, AuditConfig, FitConfig, commented_toml, override, read_config
from reportgen.errors import OutputError, ReportgenError

if TYPE_CHECKING:
    from reportgen.run import Summary

talk = Console(stderr=True, highlight=False, emoji=False)


def main() -> None:
    """The `reportgen` command."""
    signal.signal(signal.SIGTERM, _interrupt)
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

        package = str(Path(__file__).parent)
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


class _Names(click.ParamType):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        return tuple(name for part in value.split(",") if (name := part.strip()))


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that a run and a demo share, one a key of audit.toml."""
    kinds: dict[str, Any] = {
        "resize": click.Choice(["crop", "warp"]),
        "decode": click.Choice(["exact", "fast"]),
        "precision": click.Choice(["auto", "fp32", "bf16", "fp16"]),
        "store_maps": click.Choice(["auto", "yes", "no"]),
        "device": str,
        "out": click.Path(path_type=Path),
        "limit": click.IntRange(1),
        "batch_size": click.IntRange(1),
        "select": str,
        "synthesize": _Names(),
    }
    for key, kind in reversed(kinds.items()):
        function = click.option(f"--{key.replace('_', '-')}", key, type=kind, help=_help(key))(function)
    return click.option("--quiet", is_flag=True, help="No progress, only the closing lines.")(function)


def _help(key: str) -> str:
    default = next(f.default for f in AuditConfig.__dataclass_fields__.values() if f.name == key)
    text = EXPLAINED[key].replace("`", "")
    return f"{text[:1].upper()}{text[1:]}." + ("" if default in (None, ()) else f"  [default: {default}]")


def _default(name: str, default: object, kind: Any, text: str) -> Callable[..., Any]:
    """An option that shows its default."""
    return click.option(name, default=default, show_default=True, type=kind, help=text)


@cli.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help=_help("data"))
@click.option("--model", help=_help("model"))
@click.option("--weights", help=_help("weights"))
@click.option("--annotations", type=click.Path(path_type=Path), help=_help("annotations"))
@click.option("--classes", type=click.Path(path_type=Path), help=_help("classes"))
@click.option("--layer", help=_help("layer"))
@click.option("--head", help=_help("head"))
@click.option("--maps", help=_help("maps"))
@click.option("--folds", type=click.IntRange(2), help=_help("folds"))
@click.option("--fit-data", type=click.Path(path_type=Path), help=_help("fit_data"))
@click.option("--codes", metavar="NAME", help=_help("codes"))
@click.option("--reference", type=click.Path(path_type=Path), help=_help("reference"))
@click.option("--layers", type=_Names(), metavar="NAME,NAME", help=_help("layers"))
@click.option("--name", help=_help("name"))
@_settings
def run(config: Path | None, quiet: bool, **flags: Any) -> None:
    """Audits a classifier on a data set. CONFIG is an audit.toml; a flag beats it."""
    from reportgen.run import run_audit

    settings = override(read_config(config) if config else AuditConfig(), flags)
    _close(run_audit(settings, _progress(quiet)))


@cli.command()
@click.argument("which", default="photos", type=click.Choice(["photos", "solar"]))
@_settings
def demo(which: str, quiet: bool, **flags: Any) -> None:
    """Audits the embedded network on embedded photographs, or on solar cells (extra `solar`)."""
    from reportgen.run import run_demo

    _close(run_demo(which, override(AuditConfig(select="1"), flags), _progress(quiet)))


@cli.command()
@click.argument("model")
@click.option("--data", required=True, type=click.Path(path_type=Path), help=_help("data"))
@click.option("--annotations", type=click.Path(path_type=Path), help=_help("annotations"))
@click.option("--classes", type=click.Path(path_type=Path), help=_help("classes"))
@_default("--out", "weights", click.Path(path_type=Path), "The folder of the weights.")
@_default("--trunk", "published", click.Choice(["published", "random"]), "The weights that the trunk begins with.")
@click.option("--train-trunk", is_flag=True, help="Train the trunk, too, at a tenth of the rate.")
@_default("--epochs", 10, click.IntRange(1), "How often each image is seen.")
@_default("--rate", 0.01, click.FloatRange(0, min_open=True), "The learning rate at the start.")
@_default("--batch-size", 32, click.IntRange(1), "Images a step.")
@_default("--seed", 0, click.IntRange(0), "Of new weights, order and framings.")
@click.option("--device", default="auto", help=_help("device"))
@click.option("--quiet", is_flag=True, help="No progress.")
def fit(quiet: bool, **flags: Any) -> None:
    """Trains MODEL, one of the CAM paper's networks (cam:NAME), or goes on where a training stopped."""
    from reportgen.fit import fit_network

    path = fit_network(FitConfig(**flags), _progress(quiet))
    talk.print(f"next: reportgen run --model {flags['model']} --weights {path} --data …", markup=False, soft_wrap=True)
    click.echo(path)


@cli.command()
@click.argument("path", default="audit.toml", type=click.Path(path_type=Path))
def init(path: Path) -> None:
    """Writes a commented audit.toml to PATH, unless there is one."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(commented_toml())
    except FileExistsError:
        raise OutputError(f"`{path}` is there already", "name another path, or delete it first") from None
    except OSError as error:
        raise OutputError(f"cannot write `{path}` ({error.strerror})") from None
    talk.print(f"wrote `{path}`; edit it, then: reportgen run {path}", markup=False)


@cli.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
def serve(report: Path, port: int) -> None:
    """Previews a report over loopback HTTP until Ctrl-C."""
    from reportgen.gallery.serve import server

    with server(report, port) as http:
        click.echo(f"http://127.0.0.1:{http.server_address[1]}/")
        talk.print("Ctrl-C ends it")
        try:
            http.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)


@cli.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
def check(report: Path) -> None:
    """Verifies every link, picture, data file, digest and policy of a report's site; exit 1 names what is broken."""
    from reportgen.gallery.check import check_site

    faults = check_site(report)
    for fault in faults:
        click.echo(fault)
    if faults:
        talk.print(f"{len(faults):,} broken", markup=False)
        sys.exit(1)
    talk.print("all there", markup=False)


@cli.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: beside the report]")
@click.option("--single", "images", multiple=True, metavar="IMAGE", help="One HTML file of these images, to mail.")
def pack(report: Path, out: Path | None, images: tuple[str, ...]) -> None:
    """Packs a report's site into one zip that opens by double-click after unpacking, or a few images into one file."""
    from reportgen.gallery import pack as packing

    target = out or report.resolve().with_suffix(".html" if images else ".zip")
    if images:
        written = packing.single(report, images, target)
    else:
        files, size = packing.size_of(report)
        talk.print(f"packing {files:,} files, {size / 1e6:.1f} MB", markup=False)
        written = packing.pack(report, target)
    talk.print(f"{written / 1e6:.1f} MB", markup=False)
    click.echo(target)


@cli.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.argument("exports", nargs=-1, required=True, metavar="EXPORT.json...", type=click.Path(path_type=Path))
def review(report: Path, exports: tuple[Path, ...]) -> None:
    """Merges exports of the review page, of one or more people, into review.csv and the report's page reviewed.html."""
    from reportgen.gallery.review import review_report

    page = review_report(report, exports)
    talk.print(f"{len(page.rows):,} images by {len(page.reviewers)}, {page.conflicts:,} in conflict", markup=False)
    click.echo(report / "site" / "reviewed.html")


@cli.command()
@click.argument("report_a", type=click.Path(path_type=Path))
@click.argument("report_b", type=click.Path(path_type=Path))
@_default("--out", "comparison", click.Path(path_type=Path), "The folder that the comparison is written to.")
def compare(report_a: Path, report_b: Path, out: Path) -> None:
    """Compares two reports on the same images: what the second network fixes and breaks, as a site of its own."""
    from reportgen.gallery.compare import compare_reports
    from reportgen.gallery.comparison_words import heading

    talk.print(heading(compare_reports(report_a, report_b, out)), markup=False, soft_wrap=True)
    click.echo(out / "site" / "index.html")


@cli.command()
def views() -> None:
    """Lists the views that a report is made of."""
    from reportgen.views import all_views

    for view in all_views():
        click.echo(f"{view.name:<14} {view.scope:<8} {view.about}")


@cli.command()
@click.argument("what", type=click.Choice(["list", "verify", "prune"]))
@click.argument("report", default="report", type=click.Path(path_type=Path))
def cache(what: str, report: Path) -> None:
    """Lists a report's stores, verifies every byte of them, or prunes those that the last run had no use for.

    Verify exits with 1 where something is corrupt; the next run recomputes it.
    """
    from reportgen.store import cache as stores

    if what == "verify":
        faults = stores.faults(report)
        for fault in faults:
            click.echo(fault)
        sys.exit(1 if faults else 0)
    for entry in stores.entries(report) if what == "list" else stores.prune(report):
        click.echo(entry.line())


@cli.command()
@click.argument("model", default="demo")
@click.option("--weights", help=_help("weights"))
@click.option("--layer", help=_help("layer"))
def layers(model: str, **flags: Any) -> None:
    """Lists the layers of MODEL: name, maps, stride and receptive field; * marks those that a run looks at."""
    from reportgen.cards import list_layers

    for row in list_layers(override(AuditConfig(model=model), flags)):
        click.echo(row)


def _progress(quiet: bool) -> Any:
    from reportgen.passes import silent

    if quiet or not talk.is_terminal:  # bars are for people; a log gets the closing lines
        return silent

    @contextmanager
    def shown(stage: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        columns = [SpinnerColumn(), TextColumn("{task.description:<22}")]
        if total is not None:
            columns += [BarColumn(28), TextColumn("{task.completed}/{task.total} {task.fields[unit]}")]
            columns += [TextColumn("{task.fields[rate]}"), TimeRemainingColumn()]
        with Progress(*columns, console=talk, transient=True) as bar:
            task = bar.add_task(stage, total=total, unit=unit, rate="")

            def tick(steps: int = 1) -> None:
                bar.advance(task, steps)
                speed = bar.tasks[0].speed
                bar.update(task, rate=f"{speed:.0f}/s" if speed else "")

            yield tick

    return shown


def _figures(model: dict[str, Any], labelled: int) -> list[tuple[str, str]]:
    """The headline figures of one network, with their names. labelled: images with a label."""
    where = model["localization"] or {"images": 0}
    rates = (
        ("top-1 error", model["classification"]["top1_error"], labelled),
        ("top-5 error", model["classification"]["top5_error"], labelled),
        ("localization error, top-1", where.get("top1_error"), where["images"]),
        ("localization error, top-5", where.get("top5_error"), where["images"]),
        ("localization error, class given", where.get("gt_known_error"), where["images"]),
    )
    rows = [
        (name, "–" if rate is None else f"{100 * rate:.1f} %  ({round(rate * n):,} of {n:,})")
        for name, rate, n in rates
    ]
    if model["cam_identity_max_abs"] is not None:
        rows.append(("mean(CAM) + bias − logit, largest", f"{model['cam_identity_max_abs']:.1e}"))
    return rows


def _close(summary: Summary) -> None:
    """The closing lines: headline figures and times on stderr, the path of the site alone on stdout."""
    data, models = summary.metrics["dataset"], summary.metrics["models"]
    bad, read = data["unreadable"], data["images"]
    rows = [("images", f"{read:,}" + (f", {bad:,} unreadable" if bad else ""))]
    for model in models:
        if len(models) > 1:
            rows.append(("", model["name"]))
        rows += _figures(model, data["labelled"])
    speed = summary.computed / summary.seconds["extract"]
    done = f"{summary.computed:,} computed at {speed:.1f} images/s, {summary.reused:,} reused"
    rows += [("network", done), *((stage, f"{seconds:.1f} s") for stage, seconds in summary.seconds.items())]
    if summary.stood:
        rows.append(("report", "stands as it was: nothing has changed since the last run"))
    for line in summary.set_aside:
        talk.print(f"note: {line}; set aside and recomputed", markup=False, soft_wrap=True)
    for name, value in rows:
        talk.print(f"{name:<34} {value}", markup=False, soft_wrap=True)
    click.echo(os.fsencode(summary.index))  # the very bytes of the path, also where they are no text
    if bad:
        talk.print(f"note: {bad:,} of {bad + read:,} files could not be read; the report lists them", markup=False)
        sys.exit(3)
