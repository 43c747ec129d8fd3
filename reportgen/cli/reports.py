"""The commands for finished reports."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from reportgen.cli.console import console
from reportgen.cli.options import defaulted


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 picks a free one."
)
def serve(report: Path, port: int) -> None:
    """Preview a report over loopback HTTP until Ctrl-C."""
    from reportgen.gallery.core.serve import server

    with server(report, port) as http:
        click.echo(f"http://127.0.0.1:{http.server_address[1]}/")
        console.print("press Ctrl-C to stop")
        try:
            http.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
def check(report: Path) -> None:
    """Verify that a report's site is complete.

    Checks every link, picture, data file, digest and policy, and that no file was changed or added since the build.
    Exits with 1 if anything is broken.
    """
    from reportgen.gallery.core.check import check_site

    faults, pages, files = check_site(report)
    for fault in faults:
        click.echo(fault)
    if faults:
        console.print(f"{len(faults):,} faults", markup=False)
        sys.exit(1)
    console.print(f"site is complete: {pages:,} pages, {files:,} files", markup=False)


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: next to the report]")
@click.option(
    "--single", "images", multiple=True, metavar="IMAGE", help="Write one HTML file with this image; repeat for more."
)
def pack(report: Path, out: Path | None, images: tuple[str, ...]) -> None:
    """Pack a report into one file: a zip, or one HTML page of a few images."""
    from reportgen.gallery.core import pack as packing

    folder = report.resolve()
    target = out or folder.parent / f"{folder.name}{'.html' if images else '.zip'}"
    if images:
        written = packing.single(report, images, target)
    else:
        files, size = packing.size_of(report)
        console.print(f"packing {files:,} files, {size / 1e6:.1f} MB", markup=False)
        written = packing.pack(report, target)
    console.print(f"{written / 1e6:.1f} MB", markup=False)
    click.echo(target)


@click.command()
@click.argument("report", default="report", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    type=click.Choice(["coco", "csv", "parquet", "tensorboard"]),
    help="Format: COCO files, one table as CSV or Parquet, or TensorBoard's Embedding Projector.",
)
@click.option("--out", type=click.Path(path_type=Path), help="File or folder to write.  [default: next to the report]")
def export(report: Path, to: str, out: Path | None) -> None:
    """Export a report's results to the format of another program.

    Nothing that exists is overwritten.
    """
    from reportgen.results.export.export import export_report

    click.echo(os.fsencode(export_report(report, to, out)))


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@click.argument("exports", nargs=-1, required=True, metavar="EXPORT.json...", type=click.Path(path_type=Path))
def review(report: Path, exports: tuple[Path, ...]) -> None:
    """Merge exports of the review page.

    Writes review.csv and the report's page merged_reviews.html.
    """
    from reportgen.gallery.pages.merged_reviews import review_report

    merged = review_report(report, exports)
    console.print(
        f"{len(merged.rows):,} images by {len(merged.reviewers)} reviewers, {merged.n_conflicts:,} in conflict",
        markup=False,
    )
    click.echo(report / "site" / "merged_reviews.html")


@click.command()
@click.argument("report_a", type=click.Path(path_type=Path))
@click.argument("report_b", type=click.Path(path_type=Path))
@defaulted("--out", "comparison", click.Path(path_type=Path), "Folder that the comparison is written to.")
def compare(report_a: Path, report_b: Path, out: Path) -> None:
    """Compare two reports on the same images.

    Writes a site of its own: what the second network fixes and breaks.
    """
    from reportgen.gallery.comparison.overview import heading
    from reportgen.gallery.comparison.site import compare_reports

    console.print(heading(compare_reports(report_a, report_b, out)), markup=False, soft_wrap=True)
    click.echo(out / "site" / "index.html")


@click.command()
def views() -> None:
    """List the pages, sections and kinds of findings that a report is made of."""
    from reportgen.gallery.core.registry import all_pages, all_sections
    from reportgen.gallery.pages.findings import finding_kinds

    for page in all_pages():
        click.echo(f"{page.name:<18} {'page':<8} {page.about}")
    for section in all_sections():
        click.echo(f"{section.name:<18} {section.scope:<8} {section.about}")
    for kind in finding_kinds():
        click.echo(f"{kind.name:<18} {'finding':<8} {kind.title}: {kind.criterion}")


@click.command()
@click.argument("what", type=click.Choice(["list", "verify", "prune"]))
@click.argument("report", default="report", type=click.Path(path_type=Path))
def cache(what: str, report: Path) -> None:
    """List, verify or prune the stores of a report.

    `list` shows them, `verify` reads every byte, `prune` deletes those that the last run did not use. `verify` exits
    with 1 if a store is corrupt; the next run recomputes it.
    """
    from reportgen.store import inventory

    if what == "verify":
        faults = inventory.find_faults(report)
        for fault in faults:
            click.echo(fault)
        sys.exit(1 if faults else 0)
    for entry in inventory.cache_entries(report) if what == "list" else inventory.prune(report):
        click.echo(entry.summary_line())
