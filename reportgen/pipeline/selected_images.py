"""The costly looks of a run: what is computed for chosen images only, each kind in a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.audit.audit import Audit, CloseLook
from reportgen.config import GREY, AuditConfig
from reportgen.errors import ConfigError
from reportgen.methods.activations import Activations
from reportgen.methods.effective_field import Asked, GradientMass, held
from reportgen.methods.occlusion.occluder import Occluder, occluder
from reportgen.methods.saliency_maps import Salience
from reportgen.metrics.top_patches import recomputed_wrong
from reportgen.models.classifier import Classifier
from reportgen.pipeline.extraction import Progress
from reportgen.pipeline.feature_visualization import synthesized
from reportgen.pipeline.forward import Pass, evaluating
from reportgen.pipeline.image_loader import Framed, in_threads, look_again
from reportgen.pipeline.selection import choose, spread
from reportgen.store.table import Key, Store

PROBED = 24
"""Units of a layer whose gradients tell its effective field, evenly over the layer."""
SHARD = 16
"""Images whose results are committed together: what an interrupted run loses at most."""
AHEAD = 8
"""Images that are decoded before their turn."""
TRIALS = 4
"""Images whose whole maps decide how far the fast occlusion may go."""
Arrays = dict[str, np.ndarray]
See = Callable[[Framed, Tensor], Arrays]
"""What one image gives: arrays without an image axis. The tensor is its normalised input `(1, 3, S, S)`."""


@dataclass(frozen=True)
class Subject:
    """What looks are made of: one network with its settings, and the images that it has seen."""

    classifier: Classifier
    network: AuditConfig
    device: torch.device
    audit: Audit
    out: Path

    def keys(self) -> list[Key]:
        """Where the stores have each of the audit's samples."""
        ids, labels = (np.asarray(self.audit.store[f"samples/{what}"]) for what in ("id", "label"))
        return [(i.decode("ascii"), int(y)) for i, y in zip(ids.tolist(), labels.tolist(), strict=True)]


def look_at(
    subject: Subject, kind: str, settings: Mapping[str, Any], rows: Sequence[int], see: See, tick: Callable[[], object]
) -> tuple[Store, list[int]]:
    """`see` of the samples in these rows, computed or found in the store of this kind and these settings.

    Returns the store with rows selected, and which of the samples they belong to: a file that has changed since the
    pass is left out.
    """
    store = Store(subject.out / "cache", {**subject.audit.store.settings, "aliases": {}, "look": kind, **settings})
    keys = subject.keys()
    with evaluating(subject.classifier):
        for shard in _shards(_missing(subject, store, rows, keys, see, tick)):
            store.commit(shard)
    there = [row for row in rows if keys[row] in store]
    store.select([keys[row] for row in there])
    return store, there


def _missing(
    subject: Subject, store: Store, rows: Sequence[int], keys: list[Key], see: See, tick: Callable[[], object]
) -> Iterator[Arrays]:
    files: dict[Key, list[int]] = {}
    for row in rows:
        if keys[row] in store:
            tick()
        else:
            files.setdefault(keys[row], []).append(row)
    how = (subject.classifier.preprocessing, subject.network.resize, subject.network.decode)

    def framed(key: Key) -> Framed | None:
        """From the first of the files with these bytes that still has them."""
        found = (look_again(subject.audit.samples[row], key[0], *how) for row in files[key])
        return next((one for one in found if one is not None), None)

    threads = max(2, torch.get_num_threads())
    for key, image in zip(files, in_threads(framed, files, threads, AHEAD), strict=True):
        if image is not None:
            pixels = torch.tensor(image.pixels)[None].to(subject.device)
            arrays = see(image, subject.classifier.preprocessing.normalise(pixels))
            yield arrays | {"samples/id": np.array(key[0], "S64"), "samples/label": np.array(key[1], "i4")}
        for _ in files[key]:
            tick()


def _shards(images: Iterator[Arrays]) -> Iterator[Arrays]:
    waiting: list[Arrays] = []
    for arrays in images:
        waiting.append(arrays)
        if len(waiting) == SHARD:
            yield {name: np.stack([a[name] for a in waiting]) for name in waiting[0]}
            waiting = []
    if waiting:
        yield {name: np.stack([a[name] for a in waiting]) for name in waiting[0]}


def winners(audit: Audit) -> list[int]:
    """The images among the top patches of any unit."""
    images = [unit.images for units in audit.units.values() for unit in units]
    return np.unique(np.concatenate(images)).tolist() if images else []


def unconfirmed(subject: Subject, tick: Callable[[], object]) -> set[tuple[str, int, int]]:
    """(layer, unit, image) of the top patches whose value their image alone, in a batch of one, does not reach."""

    def see(image: Framed, x: Tensor) -> Arrays:
        maxima = forward.maxima(torch.tensor(image.pixels)[None].to(subject.device))
        return {f"units/{layer.name}/max": maxima[layer.name][0].cpu().numpy() for layer in layers}

    forward = Pass(subject.classifier, subject.network.layers, subject.network.precision)
    layers = subject.audit.card.layers
    store, rows = look_at(subject, "alone", {}, winners(subject.audit), see, tick)
    place = {row: i for i, row in enumerate(rows)}
    found = set()
    for layer in layers:
        alone = np.asarray(store[f"units/{layer.name}/max"])
        for u, unit in enumerate(subject.audit.units[layer.name]):
            kept = [j for j, image in enumerate(unit.images) if int(image) in place]
            again = np.array([alone[place[int(unit.images[j])], u] for j in kept])
            for j in np.flatnonzero(recomputed_wrong(unit.values[kept], again)):
                found.add((layer.name, u, int(unit.images[kept[j]])))
    return found


def with_effective_fields(subject: Subject, progress: Progress) -> Audit:
    """The audit with its layers' fields cut to where the gradient of some units is, in the image each fires most in."""
    audit, layers, keys = subject.audit, subject.audit.card.layers, subject.keys()
    asked: dict[Key, list[Asked]] = {}
    rows = set()
    for number, layer in enumerate(layers):
        alive = [u for u, unit in enumerate(audit.units[layer.name]) if len(unit.images) and not unit.dead]
        for u in spread(alive, PROBED):
            unit = audit.units[layer.name][u]
            where = int(unit.where[0])
            asked.setdefault(keys[unit.images[0]], []).append((number, u, where, layer.origin(where)))
            rows.add(int(unit.images[0]))
    if not rows:
        return audit
    mass = GradientMass(subject.classifier, [layer.name for layer in layers])

    def see(image: Framed, x: Tensor) -> Arrays:
        key = (image.id, -1 if image.label is None else image.label)
        return {"field/mass": mass(x, asked[key])}

    with progress("Measuring effective fields", len(rows), "images") as tick:
        settings = {"units": [[list(key), units] for key, units in sorted(asked.items())]}
        store, there = look_at(subject, "field", settings, sorted(rows), see, tick)
    if not there:  # no file is as it was: the exact fields stay
        return audit
    total = np.asarray(store["field/mass"]).sum(0)
    fields = [(held(down), held(across)) for down, across in total]
    cut = [replace(layer, effective=both) for layer, both in zip(layers, fields, strict=True)]
    return replace(audit, card=replace(audit.card, layers=cut))


def look_closer(subject: Subject, progress: Progress) -> Audit:
    """The audit with what is computed for chosen images only."""
    audit = subject.audit
    with progress("Checking top patches", len(winners(audit)), "images") as tick:
        audit = replace(audit, unconfirmed=frozenset(unconfirmed(subject, tick)))
    if subject.network.patch_field == "effective":
        audit = with_effective_fields(replace(subject, audit=audit), progress)
        subject = replace(subject, audit=audit)
    wanted = synthesized(audit, subject.classifier, subject.network, subject.out, progress)
    audit = replace(audit, preferred=wanted)
    if subject.network.select == "none":
        return audit
    occlusion = _occlusion(subject, progress)
    rows, copies, layers = list(occlusion.rows), subject.network.smoothgrad, [one.name for one in audit.card.layers]
    salience, activations = Salience(subject.classifier, copies), Activations(subject.classifier, layers)
    with progress("Taking gradients", len(rows), "images") as tick:
        saliency = _close_look(subject, "saliency", {"copies": copies}, rows, lambda _, x: salience(x), tick)
    with progress("Keeping activations", len(rows), "images") as tick:
        kept = _close_look(subject, "activations", {"layers": layers}, rows, lambda _, x: activations(x), tick)
    return replace(audit, looks={"occlusion": occlusion, "saliency": saliency, "activations": kept})


def _close_look(
    subject: Subject, kind: str, settings: Mapping[str, Any], rows: Sequence[int], see: See, tick: Callable[[], object]
) -> CloseLook:
    store, there = look_at(subject, kind, settings, rows, see, tick)
    return CloseLook(store, {row: i for i, row in enumerate(there)})


def _occlusion(subject: Subject, progress: Progress) -> CloseLook:
    audit, network = subject.audit, subject.network
    fill = fill_colour(audit, network.occlusion_fill)
    try:
        ready = occluder(subject.classifier, network.occlusion_side, network.occlusion_stride, fill)
    except ValueError as error:
        raise ConfigError(str(error), "choose a smaller `occlusion_side`") from None
    settings = {
        "side": network.occlusion_side,
        "rows": list(ready.squares.rows),
        "columns": list(ready.squares.columns),
        "fill": list(fill),
        "note": ready.note,
    }
    if network.occlusion == "fast":
        ready = _calibrated(subject, ready, settings, progress)
    failed = np.array([kind not in ("right", "unlabelled") for kind in audit.kinds])
    names = [sample.name for sample in audit.samples]
    rows = choose(network.select, names, audit.labels, failed, ready.seconds)
    way: dict[str, Any] = {"way": "plain" if ready.note else "incremental"}
    if ready.shortcut:
        way |= {"shortcut": asdict(ready.shortcut), "arithmetic": ready.arithmetic}
        way |= {"similarity": round(ready.similarity, 4), "trials": TRIALS}

    def see(image: Framed, x: Tensor) -> Arrays:
        return ready(x, image.label)

    with progress("Occluding", len(rows), "images", ready.seconds * len(rows)) as tick:
        return _close_look(subject, "occlusion", {**settings, **way}, rows, see, tick)


def _calibrated(subject: Subject, ready: Occluder, settings: Mapping[str, Any], progress: Progress) -> Occluder:
    """With the shortcut that a few images, evenly over the data set, allow."""
    rows = spread(range(len(subject.audit.samples)), TRIALS)
    ways = {"caps": list(ready.quick_ways), "arithmetic": ready.arithmetic}

    def see(image: Framed, x: Tensor) -> Arrays:
        return ready.trial(x, image.label)

    with progress("Calibrating the fast occlusion", len(rows), "images") as tick:
        store, _ = look_at(subject, "occlusion trial", {**settings, **ways}, rows, see, tick)
    return ready.calibrated(np.asarray(store["trial/probability"]))


def fill_colour(audit: Audit, fill: str) -> tuple[float, float, float]:
    """The square's colour, RGB in [0, 1]: the mean colour of the data set's thumbnails, or grey.

    To the nearest twentieth: a few images more or less hardly ever move that, so what is kept of the others stays.
    """
    if fill == "grey":
        return GREY
    mean = np.asarray(audit.store["image/tiny"]).mean((0, 1, 2)) / 255
    r, g, b = (round(20 * float(v)) / 20 for v in mean)
    return r, g, b
