"""The commands that run networks."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reportgen.cli.options import Names, audit_options, defaulted, explained
from reportgen.cli.talk import progress, talk
from reportgen.config import AuditConfig, FitConfig, commented_toml, override, read_config
from reportgen.errors import OutputError

if TYPE_CHECKING:
    from reportgen.pipeline.run import Summary

NOTED = 5
"""Damaged shards that are told of; one cause, as a full disk, damages many."""


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help=explained("data"))
@click.option("--model", help=explained("model"))
@click.option("--weights", help=explained("weights"))
@click.option("--annotations", type=click.Path(path_type=Path), help=explained("annotations"))
@click.option("--classes", type=click.Path(path_type=Path), help=explained("classes"))
@click.option("--layer", help=explained("layer"))
@click.option("--head", help=explained("head"))
@click.option("--maps", help=explained("maps"))
@click.option("--folds", type=click.IntRange(2), help=explained("folds"))
@click.option("--fit-data", type=click.Path(path_type=Path), help=explained("fit_data"))
@click.option("--codes", metavar="NAME", help=explained("codes"))
@click.option("--reference", type=click.Path(path_type=Path), help=explained("reference"))
@click.option("--layers", type=Names(), metavar="NAME,NAME", help=explained("layers"))
@click.option("--name", help=explained("name"))
@audit_options
def run(config: Path | None, quiet: bool, **flags: Any) -> None:
    """Audits a classifier on a data set. CONFIG is an audit.toml; a flag beats it."""
    from reportgen.pipeline.run import run_audit

    settings = override(read_config(config) if config else AuditConfig(), flags)
    _close(run_audit(settings, progress(quiet)))


@click.command()
@click.argument("which", default="photos", type=click.Choice(["photos", "solar"]))
@audit_options
def demo(which: str, quiet: bool, **flags: Any) -> None:
    """Audits the embedded network on embedded photographs, or on solar cells (extra `solar`)."""
    from reportgen.pipeline.run import run_demo

    _close(run_demo(which, override(AuditConfig(select="1"), flags), progress(quiet)))


@click.command()
@click.argument("model")
@click.option("--data", required=True, type=click.Path(path_type=Path), help=explained("data"))
@click.option("--annotations", type=click.Path(path_type=Path), help=explained("annotations"))
@click.option("--classes", type=click.Path(path_type=Path), help=explained("classes"))
@defaulted("--out", "weights", click.Path(path_type=Path), "The folder of the weights.")
@defaulted("--trunk", "published", click.Choice(["published", "random"]), "The weights that the trunk begins with.")
@click.option("--train-trunk", is_flag=True, help="Train the trunk, too, at a tenth of the rate.")
@defaulted("--epochs", 10, click.IntRange(1), "How often each image is seen.")
@defaulted("--rate", 0.01, click.FloatRange(0, min_open=True), "The learning rate at the start.")
@defaulted("--batch-size", 32, click.IntRange(1), "Images a step.")
@defaulted("--seed", 0, click.IntRange(0), "Of new weights, order and framings.")
@click.option("--device", default="auto", help=explained("device"))
@click.option("--quiet", is_flag=True, help="No progress.")
def fit(quiet: bool, **flags: Any) -> None:
    """Trains MODEL, one of the CAM paper's networks (cam:NAME), or goes on where a training stopped."""
    from reportgen.pipeline.training import fit_network

    path = fit_network(FitConfig(**flags), progress(quiet))
    talk.print(f"next: reportgen run --model {flags['model']} --weights {path} --data …", markup=False, soft_wrap=True)
    click.echo(path)


@click.command()
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


@click.command()
@click.argument("model", default="demo")
@click.option("--weights", help=explained("weights"))
@click.option("--layer", help=explained("layer"))
def layers(model: str, **flags: Any) -> None:
    """Lists the layers of MODEL: name, maps, stride and receptive field; * marks those that a run looks at."""
    from reportgen.pipeline.model_info import list_layers

    for row in list_layers(override(AuditConfig(model=model), flags)):
        click.echo(row)


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
    for line in summary.set_aside[:NOTED]:
        talk.print(f"note: {line}; set aside and recomputed", markup=False, soft_wrap=True)
    if (more := len(summary.set_aside) - NOTED) > 0:
        talk.print(f"note: and {more:,} more; report.json names all of them", markup=False)
    for page in summary.outdated:
        talk.print(
            f"note: site/{page} told of the report before and is empty now; `reportgen review` fills it again",
            markup=False,
            soft_wrap=True,
        )
    for name, value in rows:
        talk.print(f"{name:<34} {value}", markup=False, soft_wrap=True)
    click.echo(os.fsencode(summary.index))  # the very bytes of the path, also where they are no text
    if bad:
        talk.print(f"note: {bad:,} of {bad + read:,} files could not be read: see left_out.csv", markup=False)
        sys.exit(3)
