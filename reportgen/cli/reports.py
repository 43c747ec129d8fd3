"""The commands for finished reports."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reportgen.cli.options import defaulted
from reportgen.cli.talk import talk


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
def serve(report: Path, port: int) -> None:
    """Previews a report over loopback HTTP until Ctrl-C."""
    from reportgen.gallery.core.serve import server

    with server(report, port) as http:
        click.echo(f"http://127.0.0.1:{http.server_address[1]}/")
        talk.print("Ctrl-C ends it")
        try:
            http.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
def check(report: Path) -> None:
    """Verifies every link, picture, data file, digest and policy of a report's site; exit 1 names what is broken."""
    from reportgen.gallery.core.check import check_site

    faults = check_site(report)
    for fault in faults:
        click.echo(fault)
    if faults:
        talk.print(f"{len(faults):,} broken", markup=False)
        sys.exit(1)
    talk.print("all there", markup=False)


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: beside the report]")
@click.option("--single", "images", multiple=True, metavar="IMAGE", help="One HTML file of these images, to mail.")
def pack(report: Path, out: Path | None, images: tuple[str, ...]) -> None:
    """Packs a report's site into one zip that opens by double-click after unpacking, or a few images into one file."""
    from reportgen.gallery.core import pack as packing

    folder = report.resolve()
    target = out or folder.parent / f"{folder.name}{'.html' if images else '.zip'}"
    if images:
        written = packing.single(report, images, target)
    else:
        files, size = packing.size_of(report)
        talk.print(f"packing {files:,} files, {size / 1e6:.1f} MB", markup=False)
        written = packing.pack(report, target)
    talk.print(f"{written / 1e6:.1f} MB", markup=False)
    click.echo(target)


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.argument("exports", nargs=-1, required=True, metavar="EXPORT.json...", type=click.Path(path_type=Path))
def review(report: Path, exports: tuple[Path, ...]) -> None:
    """Merges exports of the review page, of one or more people, into review.csv and the report's page reviewed.html."""
    from reportgen.gallery.pages.merged_reviews import review_report

    page = review_report(report, exports)
    talk.print(f"{len(page.rows):,} images by {len(page.reviewers)}, {page.conflicts:,} in conflict", markup=False)
    click.echo(report / "site" / "reviewed.html")


@click.command()
@click.argument("report_a", type=click.Path(path_type=Path))
@click.argument("report_b", type=click.Path(path_type=Path))
@defaulted("--out", "comparison", click.Path(path_type=Path), "The folder that the comparison is written to.")
def compare(report_a: Path, report_b: Path, out: Path) -> None:
    """Compares two reports on the same images: what the second network fixes and breaks, as a site of its own."""
    from reportgen.gallery.comparison.sentences import heading
    from reportgen.gallery.comparison.site import compare_reports

    talk.print(heading(compare_reports(report_a, report_b, out)), markup=False, soft_wrap=True)
    click.echo(out / "site" / "index.html")


@click.command()
def views() -> None:
    """Lists the views that a report is made of."""
    from reportgen.gallery.sections import all_views

    for view in all_views():
        click.echo(f"{view.name:<14} {view.scope:<8} {view.about}")


@click.command()
@click.argument("what", type=click.Choice(["list", "verify", "prune"]))
@click.argument("report", default="report", type=click.Path(path_type=Path))
def cache(what: str, report: Path) -> None:
    """Lists a report's stores, verifies every byte of them, or prunes those that the last run had no use for.

    Verify exits with 1 where something is corrupt; the next run recomputes it.
    """
    from reportgen.store import inventory as stores

    if what == "verify":
        faults = stores.faults(report)
        for fault in faults:
            click.echo(fault)
        sys.exit(1 if faults else 0)
    for entry in stores.entries(report) if what == "list" else stores.prune(report):
        click.echo(entry.line())
