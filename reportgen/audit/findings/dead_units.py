"""Units that are the same in every image."""

from __future__ import annotations

from collections.abc import Iterator

from reportgen.audit.audit import Audit
from reportgen.audit.findings.finding import Bar, Bars, Finding, Size
from reportgen.audit.findings.registry import finding_kind
from reportgen.metrics.formatting import counted
from reportgen.metrics.top_patches import DEAD_RANGE


@finding_kind(
    "Dead units",
    topic="internals",
    criterion=(
        f"A unit's maximum is the same in every image: its range is at most {DEAD_RANGE:g} of its magnitude. The "
        "number of units is exact. No image is affected, so this finding comes last."
    ),
    multilabel=True,
)
def dead_unit(audit: Audit) -> Iterator[Finding]:
    """At most one finding, with all recorded layers of the first network."""
    layers = {layer.name: audit.main.units[layer.name] for layer in audit.main.info.layers}
    dead = {name: sum(unit.is_dead for unit in units) for name, units in layers.items()}
    count, total = sum(dead.values()), sum(map(len, layers.values()))
    if not count:
        return
    listed = ", ".join(f"{n:,} in {name}" for name, n in dead.items() if n)
    yield Finding(
        slug="dead units",
        headline=f"{counted(count, 'unit is dead', 'units are dead')}: {listed}",
        size=Size(count, total, "recorded units"),
        evidence=[Bars("Share of dead units", [Bar(name, n / len(layers[name])) for name, n in dead.items() if n])],
        inference=f"Over these {len(audit.samples):,} images, their outputs carry no information about the image.",
        next_step="Check whether they are active on other data. If not, the layer can be made narrower.",
        figures=[(f"dead units in {name}", float(n)) for name, n in dead.items() if n],
        see=("Units", "units/index.html"),
        model=audit.main.info.name,
    )
