"""Groups of images with a higher error than the rest."""

from __future__ import annotations

from collections.abc import Iterator

from reportgen.audit.attributes import LABEL, OBJECT_SIZE, OBJECTS, PREDICTION
from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Maps, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.audit.slices import ERRORS, FoundSlice
from reportgen.data.sampling import evenly_spaced
from reportgen.metrics.formatting import between, p_equals
from reportgen.metrics.slice_search import MIN_IMAGES
from reportgen.metrics.slices import MAX_Q

MAX_FINDINGS = 5
MAX_MAPS = 24
BY_OBJECT = (LABEL, OBJECT_SIZE, OBJECTS)
SUBJECTS = {
    "class": ("The class is wrong more often", "wrong class"),
    "box": ("The box is wrong more often", "wrong box"),
}


@finding_kind(
    "Slice",
    topic="class",
    criterion=(
        "The images with one or two attributes in common (annotations, image, object, region of the map, neighbours) "
        "have a higher error than the rest (Fisher's exact test, one-sided). A single attribute is tested on all "
        "labelled images. Pairs are searched on each half of them, and tested on the other half. A slice has at least "
        f"{MIN_IMAGES} images in each half. The p values are adjusted for all tested slices (Benjamini and Hochberg), "
        f"and at most {MAX_Q}. The {MAX_FINDINGS} slices with the largest lower bound of the excess error are listed, "
        "but for single attributes that other findings are about: classes, columns, and size and number of objects."
    ),
)
def slice_(audit: Audit) -> Iterator[Finding]:
    """At most five findings, of the first network."""
    columns = {column.column for column in audit.columns.groups}
    found = [one for one in audit.slices.found if _is_new(one, columns)]
    for one in found[:MAX_FINDINGS]:
        yield _finding(audit, one)


def _is_new(one: FoundSlice, columns: set[str]) -> bool:
    """Whether no other finding is about this slice: of confusions, columns, classes that are not localized, objects."""
    if len(one.attributes) == 1:
        return one.attributes[0] not in ({LABEL, PREDICTION, *columns} if one.error == "class" else BY_OBJECT)
    return True


def _finding(audit: Audit, one: FoundSlice) -> Finding:
    figures, (subject, wrong) = one.measured, SUBJECTS[one.error]
    part = ", in the half that was not searched" if figures.half is not None else ""
    inside, outside = figures.inside, figures.outside
    size = Size.sampled(inside, f"images with {one.name}{part}")
    share = size.interval[0] if size.interval else 0.0
    return Finding(
        slug=f"slice {one.error} {one.name}",
        headline=(
            f"{subject} with {one.name}: {inside.count:,} of {inside.n:,} images, otherwise {outside.count:,} of "
            f"{outside.n:,}"
        ),
        size=size,
        evidence=[
            Bars(
                f"{ERRORS[one.error]}{part}",
                [Bar("slice", inside.value, inside.interval, "wrong"), Bar("rest", outside.value, outside.interval)],
            ),
            Maps(evenly_spaced(one.wrong.tolist(), MAX_MAPS), (0 if one.error == "class" else -1,), one.error == "box"),
        ],
        inference=(
            f"The error is higher by {100 * figures.excess:.0f} points (95 % interval {between(figures.interval)}; "
            f"{p_equals('p', one.q)}, adjusted for {audit.slices.tested:,} slices). This does not show that the "
            "attribute is the cause."
        ),
        next_step=f"Compare images of the slice with a {wrong} and without, and collect more like them.",
        images=one.wrong.tolist(),
        figures=[
            ("error, slice", inside.value),
            ("error, rest", outside.value),
            ("images of the slice, both halves", float(len(one.images))),
        ],
        see=("Slices", "slices/index.html"),
        at_least=share * len(one.images),
        p=one.q,
        model=audit.main.info.name,
    )
