"""Training of one of the CAM paper's networks on a data set: `reportgen fit`."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from reportgen import __version__
from reportgen.config import FitConfig
from reportgen.data.class_names import ClassNameCollector, ClassNames, read_class_file
from reportgen.data.decoding import check_decoding, digest
from reportgen.data.groups import assign_folds, connected_groups
from reportgen.data.isolated import Isolated
from reportgen.data.mirror import urls_in_messages
from reportgen.data.readers.dataset import read_dataset
from reportgen.data.samples import Sample
from reportgen.errors import ConfigError, DataError, ImageError, ModelError
from reportgen.models.cam_networks import cam_network
from reportgen.models.inference import out_of_memory_as_error, pick_device, use_all_cores
from reportgen.models.sources.cam_source import check_cam_network
from reportgen.pipeline.progress import Progress, silent
from reportgen.pipeline.remote_settings import with_local_paths
from reportgen.pipeline.training_loop import Training, batches, order_of
from reportgen.store.files import exclusive_run, write_atomic

HELD_OUT_SHARE = 10
"""One in so many images, by groups, is held out: the learning curve shows the loss on them too."""
STEPS_PER_CHECKPOINT = 100
CHECKPOINT, WEIGHTS = "checkpoint.pt", "weights.safetensors"


def fit_network(config: FitConfig, progress: Progress = silent) -> Path:
    """Train the network, or resume its training, and return the file with its weights. Errors: ReportgenError."""
    name = config.model.removeprefix("cam:")
    check_cam_network(name)
    use_all_cores()
    device = pick_device(config.device)
    with exclusive_run(config.out), out_of_memory_as_error(), urls_in_messages():
        config = with_local_paths(config, progress)
        with progress("Reading the data set", None, ""):
            class_names = _class_names(config)
            samples, ids = _readable(config, class_names)
        groups = connected_groups(ids, [sample.group for sample in samples])
        labels = [sample.label for sample in samples if sample.label is not None]
        part = assign_folds(labels, groups.tolist(), HELD_OUT_SHARE, config.seed)
        rows, held = np.flatnonzero(part != 0), np.flatnonzero(part == 0)
        if not len(rows) or not len(held) or len(set(labels)) < 2:
            raise DataError(
                f"{len(samples)} labelled images of {len(set(labels))} classes are too few to train on",
                f"give at least {HELD_OUT_SHARE} images, of two classes",
            )
        with progress("Loading the trunk", None, ""):
            network = _network(name, len(class_names.names), config)
        training = Training(network, config.epochs, config.rate, config.train_trunk, device)
        key = _key(config, class_names, samples, ids)
        _resume(training, config.out / CHECKPOINT, key)
        size, seed = config.batch_size, config.seed
        steps = -(-len(rows) // size)
        with progress("Training", config.epochs * steps, "steps") as tick:
            tick(training.epoch * steps + training.step)
            while training.epoch < config.epochs:
                order = rows[order_of(len(rows), training.epoch, seed)][training.step * size :]
                for pixels, y in batches(samples, order, size, training.preprocessing, (seed, training.epoch)):
                    training.learn(pixels, y)
                    tick()
                    if training.step % STEPS_PER_CHECKPOINT == 0:
                        _save(training, config.out / CHECKPOINT, key)
                training.end_epoch(batches(samples, held, size, training.preprocessing, None))
                _save(training, config.out / CHECKPOINT, key)
        return _finish(training, config, class_names)


def _class_names(config: FitConfig) -> ClassNames:
    """The names of the file `classes`, or every label of the data set, sorted."""
    if config.classes:
        return ClassNames(read_class_file(config.classes))
    listing = ClassNameCollector(())
    read_dataset(config.data, listing, config.annotations)
    return ClassNames(tuple(sorted(listing.collected)))


def _readable(config: FitConfig, class_names: ClassNames) -> tuple[list[Sample], list[str]]:
    """The labelled images that can be decoded, and the digests of their bytes."""
    samples, ids = [], []
    with Isolated(1) as processes:
        for sample in read_dataset(config.data, class_names, config.annotations).samples:
            if sample.label is None:
                continue
            try:
                data = sample.read()
            except ImageError:
                continue
            if processes.call(check_decoding, data, sample.name).error is None:
                samples.append(sample)
                ids.append(digest(data))
    return samples, ids


def _network(name: str, classes: int, config: FitConfig) -> Any:
    try:
        return cam_network(name, classes, config.trunk == "published", config.seed)
    except Exception as error:  # no connection, a broken download, a full disk
        raise ModelError(
            f"the weights of the trunk could not be loaded ({str(error).splitlines()[0]})", "give --trunk random"
        ) from error


def _key(config: FitConfig, class_names: ClassNames, samples: Sequence[Sample], ids: Sequence[str]) -> str:
    """SHA-256 of everything that the weights depend on."""
    settings = {k: v for k, v in asdict(config).items() if k not in ("data", "annotations", "classes", "out")}
    images = [[s.label, identity, s.group] for s, identity in zip(samples, ids, strict=True)]
    text = json.dumps([settings, class_names.names, images, __version__, torch.__version__])
    return hashlib.sha256(text.encode()).hexdigest()


def _save(training: Training, path: Path, key: str) -> None:
    buffer = io.BytesIO()
    torch.save({"key": key, **training.state()}, buffer)
    write_atomic(path, buffer.getvalue())


def _resume(training: Training, path: Path, key: str) -> None:
    """Load the checkpoint, if there is one. Errors: ConfigError for a damaged one, or one of another training."""
    if not path.exists():
        return
    try:
        state = torch.load(path, map_location=training.device, weights_only=True)
        if state["key"] != key:
            raise ConfigError(
                f"`{path}` is the checkpoint of a training with other settings or images",
                "name another folder with --out, or delete it to start again",
            )
        training.load(state)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise ConfigError(
            f"cannot read the checkpoint `{path}` ({str(error).splitlines()[0]})", "delete it to start again"
        ) from None


def _finish(training: Training, config: FitConfig, class_names: ClassNames) -> Path:
    """Write the weights with the class names and the learning curve into one file."""
    about = {"model": config.model, "classes": list(class_names.names), "curve": training.curve}
    state = {name: tensor.cpu().contiguous() for name, tensor in training.network.state_dict().items()}
    # one metadata entry: the order of several is not fixed
    data = safetensors.torch.save(state, {"reportgen": json.dumps(about)})
    write_atomic(config.out / WEIGHTS, data)
    return config.out / WEIGHTS
