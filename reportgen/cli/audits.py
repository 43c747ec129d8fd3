"""The commands that run networks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reportgen.cli.console import console, progress
from reportgen.cli.options import DEMO_SETTINGS, audit_options, defaulted, help_text, quiet_option
from reportgen.config import AuditConfig, FitConfig, override
from reportgen.config_file import commented_toml, read_config
from reportgen.errors import OutputError

if TYPE_CHECKING:
    from reportgen.pipeline.summary import RunSummary

MAX_NOTES = 5
"""Notes that are printed; one cause, such as a full disk, damages many shards."""


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@audit_options()
@quiet_option
def run(config: Path | None, quiet: bool, **flags: Any) -> None:
    """Audit a classifier on a data set. CONFIG is an audit.toml; flags override it."""
    from reportgen.pipeline.run import run_audit

    settings = override(read_config(config) if config else AuditConfig(), flags)
    _close(run_audit(settings, progress(quiet), _announcement(quiet)))


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--part", metavar="NUMBER/COUNT", help="The part, such as 3/16  [default: that of the job].")
@click.option("--parts", type=click.IntRange(1), help="Number of parts, if the job does not state it (Kubernetes).")
@audit_options()
@quiet_option
def extract(config: Path | None, part: str | None, parts: int | None, quiet: bool, **flags: Any) -> None:
    """Run one part of a data set through the network.

    For jobs of several processes or machines that share a folder; `reportgen run` with the same settings then writes
    the report. CONFIG is an audit.toml; flags override it. Without --part, the part is that of the process in a Slurm
    array, an indexed job of Kubernetes, or a job of torchrun.
    """
    from reportgen.pipeline.part import parse_part, part_of_environment
    from reportgen.pipeline.run import extract_part

    chosen = parse_part(part) if part else part_of_environment(os.environ, parts)
    settings = override(read_config(config) if config else AuditConfig(), flags)
    for done in extract_part(settings, chosen, progress(quiet)):
        line = f"part {chosen.number} of {chosen.count}: {done.computed:,} images computed, {done.reused:,} reused"
        click.echo(f"{line}, {len(done.unreadable):,} unreadable")


@click.command()
@click.argument("which", default="photos", type=click.Choice(["photos", "solar"]))
@audit_options(*DEMO_SETTINGS)
@quiet_option
def demo(which: str, quiet: bool, **flags: Any) -> None:
    """Audit an embedded network on embedded images.

    WHICH is `photos`, or `solar` for solar cells (needs the extra `solar`).
    """
    from reportgen.pipeline.run import demo_config, run_demo

    _close(run_demo(which, override(demo_config(which, flags["limit"]), flags), progress(quiet), _announcement(quiet)))


@click.command()
@click.argument("model")
@click.option("--data", required=True, type=click.Path(path_type=Path), help=help_text("data"))
@click.option("--annotations", type=click.Path(path_type=Path), help=help_text("annotations"))
@click.option("--classes", type=click.Path(path_type=Path), help=help_text("classes"))
@defaulted("--out", "weights", click.Path(path_type=Path), "Folder that the weights are written to.")
@defaulted("--trunk", "published", click.Choice(["published", "random"]), "Initial weights of the trunk.")
@click.option("--train-trunk", is_flag=True, help="Train the trunk as well, at a tenth of the learning rate.")
@defaulted("--epochs", 10, click.IntRange(1), "Number of epochs.")
@defaulted("--rate", 0.01, click.FloatRange(0, min_open=True), "Initial learning rate.")
@defaulted("--batch-size", 32, click.IntRange(1), "Images in one step.")
@defaulted("--seed", 0, click.IntRange(0), "Seed of new weights, image order and augmentation.")
@click.option("--device", default="auto", help=help_text("device"))
@click.option("--quiet", is_flag=True, help="Show no progress.")
def fit(quiet: bool, **flags: Any) -> None:
    """Train a network of the CAM paper (cam:NAME).

    An interrupted training is resumed.
    """
    from reportgen.pipeline.training import fit_network

    path = fit_network(FitConfig(**flags), progress(quiet))
    console.print(
        f"next: reportgen run --model {flags['model']} --weights {path} --data …", markup=False, soft_wrap=True
    )
    click.echo(path)


@click.command()
@click.argument("path", default="audit.toml", type=click.Path(path_type=Path))
def init(path: Path) -> None:
    """Write a commented audit.toml."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(commented_toml())
    except FileExistsError:
        raise OutputError(f"`{path}` exists", "name another path, or delete it first") from None
    except OSError as error:
        raise OutputError(f"cannot write `{path}` ({error.strerror})") from None
    console.print(f"wrote `{path}`; edit it, then: reportgen run {path}", markup=False)


@click.command()
@click.argument("model", default="demo")
@audit_options("weights", "layer", "input_size", "channels")
def layers(model: str, **flags: Any) -> None:
    """List the layers of a network.

    One line a layer: name, size of its feature maps, stride and receptive field; * marks those that a run records.
    """
    from reportgen.pipeline.model_info import list_layers

    for row in list_layers(override(AuditConfig(model=model), flags)):
        click.echo(row)


def _figures(model: dict[str, Any], labelled: int) -> list[tuple[str, str]]:
    """The headline figures of one network, with their names. labelled: number of images with a label."""
    if several := model["multilabel"]:
        names = {"map": "mean average precision", "micro_f1": "micro F1", "exact_match": "images with all labels right"}
        return [
            (name, "–" if several[key] is None else f"{several[key]:.3f}  ({several['images']:,} images)")
            for key, name in names.items()
        ]
    where = model["localization"] or {"images": 0}
    rates = (
        ("top-1 error", model["classification"]["top1_error"], labelled),
        ("top-5 error", model["classification"]["top5_error"], labelled),
        ("top-1 localization error", where.get("top1_error"), where["images"]),
        ("top-5 localization error", where.get("top5_error"), where["images"]),
        ("GT-known localization error", where.get("gt_known_error"), where["images"]),
    )
    rows = [
        (name, "–" if rate is None else f"{100 * rate:.1f} %  ({round(rate * n):,} of {n:,})")
        for name, rate, n in rates
    ]
    if model["cam_identity_relative"] is not None:
        deviations = f"{model['cam_identity_relative']:.1e} standard deviations of the logits"
        rows.append(("largest |mean(CAM) + bias − logit|", deviations))
    return rows


def _announcement(quiet: bool) -> Callable[[RunSummary], None]:
    """What prints the address of the first report, while the run goes on; nothing if quiet."""

    def announce(summary: RunSummary) -> None:
        if not quiet:
            console.print(
                f"the report can be opened: {os.fsdecode(summary.index)}\nThe run adds results to it, the worst "
                "mistakes first. Reload to see more; Ctrl-C keeps what is there.",
                markup=False,
                soft_wrap=True,
            )

    return announce


def _close(summary: RunSummary) -> None:
    """Print headline figures and times on stderr, and the path of the site on stdout."""
    data, models = summary.metrics["dataset"], summary.metrics["models"]
    bad, read = data["unreadable"], data["images"]
    rows = [("images", f"{read:,}" + (f", {bad:,} unreadable" if bad else ""))]
    for model in models:
        if len(models) > 1:
            rows.append(("", model["name"]))
        rows += _figures(model, data["labelled"])
    speed = f" at {summary.computed / summary.seconds['extract']:.1f} images/s" if summary.computed else ""
    done = f"{summary.computed:,} computed{speed}, {summary.reused:,} reused"
    rows += [("network", done), *((stage, f"{seconds:.1f} s") for stage, seconds in summary.seconds.items())]
    if summary.is_fresh:
        rows.append(("report", "up to date; nothing was rebuilt"))
    for line in summary.set_aside[:MAX_NOTES]:
        console.print(f"note: {line}", markup=False, soft_wrap=True)
    if (more := len(summary.set_aside) - MAX_NOTES) > 0:
        console.print(f"note: {more:,} more notes are in report.json", markup=False)
    if summary.said:
        name, text = next(iter(summary.said.items()))
        line = f"decoders complained about {len(summary.said):,} images that they could decode: see report.json"
        console.print(f"note: {line}; the first, `{name}`: {text}", markup=False, soft_wrap=True)
    for line in summary.notes:
        console.print(f"note: {line}", markup=False, soft_wrap=True)
    for page in summary.cleared:
        console.print(
            f"note: site/{page} was outdated and has been cleared; `reportgen review` fills it again",
            markup=False,
            soft_wrap=True,
        )
    for name, value in rows:
        console.print(f"{name:<34} {value}", markup=False, soft_wrap=True)
    click.echo(os.fsencode(summary.index))  # the exact bytes of the path, even where they are not text
    if bad:
        line = f"note: {bad:,} of {bad + read:,} files {'is' if bad == 1 else 'are'} unreadable: see left_out.csv"
        console.print(f"{line}; --retry-failed decodes them again", markup=False, soft_wrap=True)
        sys.exit(3)
