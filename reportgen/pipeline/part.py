"""A part of a data set: which of its files one of several processes runs through the network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.setting_values import as_url

HINT = "give --part, such as `--part 3/16`"


@dataclass(frozen=True)
class Part:
    """Part `number`, from 1, of `count`."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"there is no part {self.number} of {self.count}", "parts are counted from 1")

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"

    def units(self, files: int, unit: int) -> range:
        """Return the units of this part: consecutive ones, as many as of every other part, or one more.

        files: number of files of the data set; unit: number of files in each unit but the last.
        """
        units = -(-files // unit)
        return range(units * (self.number - 1) // self.count, units * self.number // self.count)


WHOLE = Part(1, 1)


def parts_of_one_unit(files: int, unit: int) -> list[Part]:
    """Return the parts of so many files that have one unit each. unit: number of files in each unit but the last."""
    count = -(-files // unit)
    return [Part(number, count) for number in range(1, count + 1)]


def parse_part(text: str) -> Part:
    """Return the part that `3/16` names. Errors: ConfigError."""
    if not (match := re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)):
        raise ConfigError(f"`--part` is `{text}`", "use the number of the part and that of all parts, such as 3/16")
    return Part(int(match[1]), int(match[2]))


def part_of_environment(environment: Mapping[str, str], parts: int | None = None) -> Part:
    """Return the part of this process in a Slurm array, an indexed job of Kubernetes, or a job of torchrun.

    parts: how many there are, where the environment does not state it. Errors: ConfigError.
    """
    if "SLURM_ARRAY_TASK_ID" in environment:
        return _part_of_slurm(environment, parts)
    if "JOB_COMPLETION_INDEX" in environment:
        if parts is None:
            raise ConfigError(
                "the number of parts is not known: Kubernetes states only the index", "give --parts: `completions`"
            )
        return Part(_number(environment, "JOB_COMPLETION_INDEX") + 1, parts)
    if "RANK" in environment and "WORLD_SIZE" in environment:
        return Part(_number(environment, "RANK") + 1, parts or _number(environment, "WORLD_SIZE"))
    raise ConfigError("no part is named, and this is no job of Slurm, Kubernetes or torchrun", HINT)


def _part_of_slurm(environment: Mapping[str, str], parts: int | None) -> Part:
    names = ("ID", "MIN", "MAX", "STEP", "COUNT")
    task, first, last, step, count = (_number(environment, f"SLURM_ARRAY_TASK_{name}") for name in names)
    if first + (count - 1) * step != last:
        raise ConfigError("the numbers of the Slurm array have gaps, so they are not the parts", HINT)
    return Part((task - first) // step + 1, parts or count)


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "1" if name.endswith("_STEP") else "")
    if not re.fullmatch(r"\d{1,9}", text) or (name.endswith("_STEP") and text == "0"):
        raise ConfigError(f"the environment variable `{name}` is `{text}`, not a number", HINT)
    return int(text)


def check_data_is_shared(config: AuditConfig) -> None:
    """Raise ConfigError for a data set that is named by a URL: parts read from a folder that all of them see."""
    for name in ("data", "reference", "ood", "annotations", "classes"):
        if as_url(getattr(config, name) or ""):
            raise ConfigError(f"`{name}` is a URL", "name a folder that all parts share, such as a mounted bucket")
