"""What is asked of a network once its failures are known: it is shown the images again, with something hidden."""

from __future__ import annotations

import numpy as np
import torch

from reportgen.audit.audit import Audit
from reportgen.metrics.failures import PartTest, ranked_parts
from reportgen.metrics.localization.boxes import iou, to_input
from reportgen.metrics.localization.ilsvrc import THRESHOLD
from reportgen.models.classifier import Classifier
from reportgen.models.heads import with_head
from reportgen.pipeline.extraction import Look, Progress
from reportgen.pipeline.forward import evaluating
from reportgen.pipeline.image_loader import look_again
from reportgen.store.table import Key, Store

AT_MOST = 200
"""*Part* failures that are put to the test: the clearest."""
CHUNK = 32
"""Images of one shard."""


def part_test(audit: Audit, look: Look, device: torch.device, progress: Progress) -> PartTest | None:
    """Hides the map's box, and then the rest of the object, and notes what becomes of the label's probability.

    What is hidden gets the data set's mean colour. Answers are kept beside the store, so that a rerun asks nothing.
    None where there are no *part* failures.
    """
    boxes = [sample.boxes.astype(np.float64) for sample in audit.samples]
    rows, scores = ranked_parts(audit.kinds, audit.localization, boxes)
    rows, scores = rows[:AT_MOST], scores[:AT_MOST]
    if not len(rows):
        return None
    colour = np.asarray(audit.store["image/tiny"]).mean((0, 1, 2)).round().astype(np.uint8)
    store = Store(look.network.out / "cache", look.store.settings | _settings(audit, colour))
    ids, labels = (np.asarray(audit.store[f"samples/{name}"])[rows] for name in ("id", "label"))
    keys: list[Key] = [(i.decode("ascii"), int(k)) for i, k in zip(ids.tolist(), labels.tolist(), strict=True)]
    missing = [(int(i), key) for i, key in zip(rows, keys, strict=True) if key not in store]
    with progress("Hiding parts", len(missing), "images") as tick:
        for start in range(0, len(missing), CHUNK):
            chunk = {key: i for i, key in missing[start : start + CHUNK]}  # each content once
            answers = [a for key, i in chunk.items() if (a := _ask(audit, look, i, key, colour, device)) is not None]
            tick(len(missing[start : start + CHUNK]))
            if answers:
                store.commit(
                    {
                        "samples/id": np.array([key[0] for key, _ in answers], "S64"),
                        "samples/label": np.array([key[1] for key, _ in answers], np.int32),
                        "part/probability": np.array([p for _, p in answers], np.float32),
                    }
                )
    there = np.array([key in store for key in keys])
    if not there.any():
        return None
    store.select([key for key in keys if key in store])
    return PartTest(rows[there], scores[there], np.asarray(store["part/probability"], np.float64))


def _settings(audit: Audit, colour: np.ndarray) -> dict[str, object]:
    return {
        "experiment": "part",
        "annotations": audit.dataset.annotation_digest,
        "colour": colour.tolist(),
        "threshold": THRESHOLD,
    }


def _ask(
    audit: Audit, look: Look, i: int, key: Key, colour: np.ndarray, device: torch.device
) -> tuple[Key, list[float]] | None:
    """The label's probabilities on image i: as it is, without the box, without the rest of the object."""
    network = look.network
    image = look_again(audit.samples[i], key[0], look.classifier.preprocessing, network.resize, network.decode)
    if image is None or audit.localization is None:
        return None
    classifier = _judge(audit, look, audit.samples[i].name)
    box, true = audit.localization.boxes[i, 0], audit.samples[i].boxes.astype(np.float64)
    side, window = classifier.preprocessing.size, np.asarray(audit.windows[i], np.float64)
    nearest = true[int(iou(box, true).argmax())]
    part, whole = (_inside(to_input(b, window, side), side) for b in (box, nearest))
    shown = [
        np.where(hidden, colour[:, None, None], image.pixels) for hidden in (np.zeros_like(part), part, whole & ~part)
    ]
    with evaluating(classifier), torch.no_grad():
        batch = torch.from_numpy(np.stack(shown).astype(np.uint8)).to(device)
        logits = classifier.head(classifier.trunk(classifier.preprocessing.normalise(batch)))
        return key, torch.softmax(logits.cpu().double(), 1)[:, key[1]].tolist()


def _inside(box: np.ndarray, side: int) -> np.ndarray:
    """`(side, side)` bool of an int box."""
    mask = np.zeros((side, side), bool)
    x0, y0, x1, y1 = np.clip(box, 0, side)
    mask[y0:y1, x0:x1] = True
    return mask


def _judge(audit: Audit, look: Look, name: str) -> Classifier:
    """The network, with the fitted head that never saw this image where there are several."""
    if not look.heads or look.classifier.own is None:
        return look.classifier
    return with_head(look.classifier, look.classifier.own.pooling, look.heads[look.fold[name]], audit.classes)
