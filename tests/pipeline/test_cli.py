"""The command line: exit codes, output streams, messages, hostile names, reruns and interrupts."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from reportgen import __version__
from reportgen.cli import _repeat_interrupt, cli, main
from reportgen.cli.console import progress
from reportgen.config import AuditConfig
from reportgen.data.demo_photos import PHOTOS
from reportgen.store.files import exclusive_run
from tests.support.demo import IMAGES, LABELLED
from tests.support.html import read_html
from tests.support.reportgen_process import ROOT, Done, reportgen, start
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

Command = Callable[..., Done]
TINY = ("--model", TINY_NETWORK, "--select", "none", "--quiet")


def error_of(done: Done, code: int = 2) -> str:
    """stderr of a run that stopped as it should: one line, perhaps a hint, nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert not lines[0].endswith(".")
    assert len(lines) == 1 or (len(lines) == 3 and lines[1] == "" and lines[2].startswith("hint: ")), done.stderr
    return done.stderr


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """`reportgen` as in a process of its own, but quicker: in this one, in the test's folder."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["reportgen", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        stdout, stderr = capfd.readouterr()
        return Done(arguments, ended.value.code or 0, stdout, stderr)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])  # the working folder is put there for `python:` models
    monkeypatch.setenv("NO_COLOR", "1")
    before = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, before)


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Modification time and bytes of every file below a folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


# ----------------------------------------------------------------------------------------------------- arguments


def unwrapped(text: str) -> str:
    """The text without white space: help is broken into lines, also at hyphens."""
    return "".join(text.split())


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_help_of_every_command_lists_its_options(name: str) -> None:
    command = cli.commands[name]
    result = CliRunner().invoke(cli, [name, "-h"])
    assert result.exit_code == 0
    shown = unwrapped(result.output)
    assert shown.startswith(f"Usage:cli{name}")
    assert unwrapped(command.help or "?") in shown
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    for option in options:
        assert option.opts[0] in shown
        assert unwrapped(option.help or "?") in shown


def test_help_of_the_program_lists_every_command() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    for name, command in cli.commands.items():
        line = next(line for line in shown.splitlines() if line.split()[:1] == [name])
        assert line.split(name, 1)[1].strip().rstrip(".")[:20] in (command.help or "")


def test_every_setting_but_tables_is_an_option_of_run() -> None:
    options = {parameter.name for parameter in cli.commands["run"].params if isinstance(parameter, click.Option)}
    assert options == {field.name for field in fields(AuditConfig)} - {"models", "slices"} | {"quiet"}


def test_version_and_views_print_their_lines() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"reportgen {__version__}\n"
    listed = CliRunner().invoke(cli, ["views"]).output
    names = {line.split()[0] for line in listed.splitlines()}
    assert names >= {"class_maps", "filters", "localization", "occlusion", "confusion"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--resize", "x"], "error: invalid value for '--resize': 'x' is not one of 'crop', 'warp'"),
        (["run", "--limit", "0"], "error: invalid value for '--limit'"),
        (["run", "--nonsense"], "error: no such option"),
        (["walk"], "error: no such command 'walk'"),
    ],
)
def test_unparsable_arguments_are_one_line_errors(here: Command, arguments: list[str], message: str) -> None:
    assert error_of(here(*arguments)).startswith(message)


def test_command_line_without_a_command_prints_help(here: Command) -> None:
    done = here()
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ")


def test_init_writes_the_file_once(here: Command, tmp_path: Path) -> None:
    done = here("init")
    assert (done.returncode, done.stdout) == (0, "")
    before = files_of(tmp_path)
    assert "`audit.toml` exists" in error_of(here("init"))
    assert files_of(tmp_path) == before
    assert "cannot write `no/audit.toml`" in error_of(here("init", "no/audit.toml"))


# --------------------------------------------------------------------------------------------------- a small run


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Nine pictures of squares, one broken file and one that is no image, through the whole job."""
    folder = tmp_path_factory.mktemp("small")
    table = squares(folder / "data", each=3)
    (folder / "data" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with table.open("a") as rows:
        rows.write("bad.png,red,,,,\nmissing.png,red,,,,\nred-0.png,red,200,0,300,50\n")
    done = reportgen(
        "run", "--data", table, *TINY, "--classes", folder / "data" / "classes.txt", "--out", folder / "report"
    )
    return folder, done


def test_run_with_unreadable_files_exits_with_3_and_lists_them(small: tuple[Path, Done]) -> None:
    folder, done = small
    assert done.returncode == 3, done.stderr
    assert done.stdout == f"{folder / 'report' / 'site' / 'index.html'}\n"
    assert "note: 1 of 10 files is unreadable: see left_out.csv; --retry-failed decodes them again" in done.stderr
    metrics = json.loads((folder / "report" / "metrics.json").read_text())
    assert metrics["dataset"] == {
        "name": "data",
        "images": 9,
        "labelled": 9,
        "with_boxes": 9,
        "unreadable": 1,
        "classes": 3,
    }
    provenance = json.loads((folder / "report" / "report.json").read_text())
    assert provenance["counts"]["found"] == 10 == provenance["counts"]["read"] + provenance["counts"]["unreadable"]
    assert [row[0] for row in provenance["unreadable"]] == ["bad.png"]
    about = read_html(folder / "report" / "site" / "provenance.html")
    assert "left_out.csv" not in about  # the page says it all
    assert "1 file could not be read" in read_html(folder / "report" / "site" / "images" / "index.html")
    with open(folder / "report" / "left_out.csv", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert [(what, name) for what, name, _ in rows] == [
        ("unreadable", "bad.png"), ("refused", "table.csv:12"), ("refused", "red-0.png"),
    ]  # fmt: skip
    for text in ("bad.png", "missing.png", "box 200 0 300 50 lies outside of the image of 96 × 96"):
        assert text in about
        assert any(text in " ".join(row) for row in rows)


def test_page_lists_the_first_of_many_unreadable_files(here: Command, tmp_path: Path) -> None:
    squares(tmp_path / "data", each=2)
    for n in range(103):
        (tmp_path / "data" / f"bad-{n:03d}.png").write_bytes(b"no picture")
    done = here("run", "--data", tmp_path / "data", *TINY, "--out", tmp_path / "report")
    assert done.returncode == 3, done.stderr
    site = tmp_path / "report" / "site"
    about = parse(site / "provenance.html").text
    assert "bad-099.png" in about
    assert "bad-100.png" not in about
    assert "3 more are in left_out.csv" in " ".join(about.split())
    assert "bad-102.png" in (site / "data" / "left_out.csv").read_text()
    assert "bad-" not in read_html(site / "images" / "index.html")
    assert done.stderr.count("bad-") == 0
    assert here("check", tmp_path / "report").returncode == 0


def test_rerun_reuses_everything_and_writes_nothing(small: tuple[Path, Done]) -> None:
    folder, _ = small
    before = files_of(folder / "report")
    arguments = ("--data", folder / "data" / "table.csv", *TINY, "--classes", folder / "data" / "classes.txt")
    done = reportgen("run", *arguments, "--out", folder / "report")
    assert done.returncode == 3
    assert "0 computed" in done.stderr
    assert "9 reused" in done.stderr
    after = files_of(folder / "report")
    # the lock is taken again, and the list of used stores is begun again
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {".lock", "cache/used"}


def test_site_contains_no_path_of_the_machine(small: tuple[Path, Done]) -> None:
    folder, _ = small
    for name, (_, data) in files_of(folder / "report" / "site").items():
        assert os.fsencode(folder) not in data, name


# ------------------------------------------------------------------------------------------------------- refusals


def test_run_without_data_is_a_one_line_error(here: Command, tmp_path: Path) -> None:
    done = here("run")
    assert error_of(done) == "error: no data set is named\n\nhint: give --data DIR_OR_TABLE, or `data` in audit.toml\n"
    gone = here("run", *TINY, "--data", "gone", "--out", "r")
    assert error_of(gone).startswith("error: data `gone` does not exist\n\nhint: ")
    (tmp_path / "empty").mkdir()
    empty = here("run", *TINY, "--data", "empty", "--out", "r")
    assert "has no images" in error_of(empty)
    (tmp_path / "audit.toml").write_text('dat = "x"\n')
    assert "did you mean `data`?" in error_of(here("run", "audit.toml"))


def test_run_on_broken_files_only_is_an_error(here: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(b"nothing")
    done = here("run", *TINY, "--data", "data", "--out", "r")
    assert "none of the 1 files could be read, the first because `a.png`" in error_of(done)
    assert not (tmp_path / "r" / "site").exists()


def test_unwritable_output_is_refused_before_the_model_is_loaded(here: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "trap.py").write_text("raise SystemError('the model was loaded')\n")
    for out in ("file", "file/report"):
        done = here("run", "--data", ".", "--model", "python:trap:make", "--out", out)
        assert "cannot write" in error_of(done)
        assert "the model was loaded" not in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_run_leaves_a_foreign_site_untouched(here: Command, tmp_path: Path) -> None:
    squares(tmp_path / "data", each=1)
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("my own page")
    note = tmp_path / ".mine.txt.tmp"
    note.write_text("mine")
    done = here("run", "--data", "data", *TINY, "--out", ".")
    assert "`site` exists and is not a report" in error_of(done)
    assert (page.read_text(), note.read_text()) == ("my own page", "mine")
    page.unlink()
    assert here("run", "--data", "data", *TINY, "--out", ".").returncode == 0
    assert note.read_text() == "mine"


def test_second_run_on_a_folder_stops_with_one_line(here: Command, tmp_path: Path) -> None:
    squares(tmp_path / "data", each=1)
    with exclusive_run(tmp_path / "report"):
        done = here("run", "--data", "data", *TINY, "--out", "report")
    assert error_of(done) == ("error: another run is writing to `report`\n\nhint: wait for it, or name another --out\n")


SLOW = """
import time
from torch import nn
class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.5)
        return x
def make():
    from tests.support.tiny_networks import network
    return nn.Sequential(Leaf(), *network())
class Leaf(nn.Identity):
    pass
Leaf.__module__ = "torch.nn.leaf"
Leaf.forward = Slow.forward
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_exits_with_130_and_resumes(here: Command, tmp_path: Path, number: signal.Signals) -> None:
    squares(tmp_path / "data", each=90, side=32)
    (tmp_path / "slow.py").write_text(SLOW)
    arguments = ("run", "--data", "data", "--model", "python:slow:make", "--batch-size", "64", "--out", "report")
    arguments += ("--select", "none")
    process = start(*arguments, cwd=tmp_path)
    shards = tmp_path / "report" / "cache"
    try:
        while not list(shards.rglob("[0-9]*.npz")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)  # 5 s is the promise, on a machine with nothing else to do
    finally:
        process.kill()
    assert (process.returncode, stdout) == (130, "")
    assert stderr.lstrip() == "error: interrupted\n\nhint: run the same command again to resume\n"
    assert not list((tmp_path / "report").rglob(".*.tmp"))
    if number == signal.SIGTERM:
        return  # the rerun is the same
    (tmp_path / "slow.py").write_text(SLOW.replace("0.5", "0.0"))
    again = here(*arguments)
    assert again.returncode == 0, again.stderr
    assert " 0 reused" not in again.stderr


LATE = """
import os, signal, sys, time
from reportgen import cli
class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
def work(*_, **__):
    Late()
    time.sleep(60)
cli.cli.main = work
cli.main()
"""


def test_interrupt_during_a_destructor_is_not_lost() -> None:
    handled = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=50, preexec_fn=handled)
    assert done.returncode == 130, done.stderr
    assert done.stderr.lstrip().startswith("error: interrupted\n")
    assert "Traceback" not in done.stderr


def test_interrupt_while_another_is_repeated_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, the repeated one comes before the function that repeats it has returned."""
    started: list[tuple[object, ...]] = []

    class Timer:
        def __init__(self, *given: object) -> None:
            started.append(given)

        def start(self) -> None:
            if len(started) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr("threading.Timer", Timer)
    _repeat_interrupt(SimpleNamespace(exc_type=KeyboardInterrupt))
    assert started == [(0.01, os.kill, (os.getpid(), signal.SIGINT))] * 2


FAILING = """
import reportgen.pipeline.run
from reportgen import cli
reportgen.pipeline.run.run_audit = lambda *_: {}["gone"]
cli.main()
"""


@pytest.mark.parametrize("debug", [False, True])
def test_internal_error_is_one_line_and_debug_prints_its_traceback(tmp_path: Path, debug: bool) -> None:
    arguments = [*(["--debug"] if debug else []), "run", "--data", "."]
    done = subprocess.run(
        [sys.executable, "-c", FAILING, *arguments], capture_output=True, text=True, timeout=50, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    assert ("Traceback (most recent call last)" in done.stderr) is debug
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: internal: KeyError: 'gone' (")
    assert debug or len(done.stderr.splitlines()) == 3


# --------------------------------------------------------------------------------------------------- hostile names

NAMES = [
    b"new\nline.png",
    b"quote'\"<b>.png",
    b"=HYPERLINK(1).png",
    b"\xff\xfe broken.png",
    "\u202egnp.exe.png".encode(),
    "cafe\u0301.png".encode(),
    "caf\u00e9.png".encode(),
    b"new\\nline.png",
    b"-leading.png",
    b"CON.png",
    b"trailing. .png",
    b"\x1b[31mred.png",
    b"%2e%2e#?.png",
    b"x" * 240 + b".png",
    b"{{ 7*7 }}.png",
    b"</script><script>alert(1)</script>.png".replace(b"/", b"\\"),
]
CLASSES = ["<b>x</b>", "=1+1", "\u202eevil"]


class Skeleton(HTMLParser):
    """Tags and attribute names of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(path: Path) -> Skeleton:
    page = Skeleton()
    page.feed(path.read_text("utf-8"))
    return page


def audit_of_names(here: Command, folder: Path, names: list[bytes], classes: list[str]) -> Path:
    """A report of one picture a name, each in the folder of a class in turn."""
    random = np.random.default_rng(0)
    for number in range(len(classes)):
        (folder / "data" / str(number)).mkdir(parents=True)
    for number, name in enumerate(names):
        path = os.path.join(os.fsencode(folder / "data" / str(number % len(classes))), name)
        with open(path, "wb") as file:
            Image.fromarray(random.integers(0, 255, (40, 40, 3)).astype(np.uint8)).save(file, "PNG")
    (folder / "classes.txt").write_text("\n".join(classes) + "\n")
    done = here(
        "run", "--data", folder / "data", *TINY, "--classes", folder / "classes.txt", "--out", folder / "report"
    )
    assert done.returncode == 0, done.stderr
    return folder / "report"


def test_hostile_names_change_no_markup_of_the_site(here: Command, tmp_path: Path) -> None:
    hostile = audit_of_names(here, tmp_path / "hostile", NAMES, CLASSES)
    in_the_same_order = [b"%03d.png" % sorted(NAMES).index(name) for name in NAMES]
    benign = audit_of_names(here, tmp_path / "benign", in_the_same_order, ["a", "b", "c"])
    whole = here("check", hostile)
    assert (whole.returncode, whole.stdout) == (0, "")
    pages = sorted(path.relative_to(benign) for path in (benign / "site").rglob("*.html"))
    assert len(pages) == len(list((hostile / "site").rglob("*.html")))
    for page in pages:
        is_named_by_class = page.parent.name == "findings" and page.name != "index.html"
        if not page.name[0].isdigit() and not is_named_by_class:
            assert parse(hostile / page).tags == parse(benign / page).tags, page
    text = parse(hostile / "site" / "classes" / "index.html").text
    assert "<b>x</b>" in text
    assert "\\u202eevil" in text  # a direction mark would reverse the text next to it
    for path in hostile.joinpath("site").rglob("*"):
        assert path.name.isascii()
        assert len(path.name) <= 100

    with open(hostile / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["name"] for row in rows}) == len(NAMES)
    assert all(value.isprintable() for row in rows for value in row.values())
    assert all(row[key][:1] not in "=+-@" for row in rows for key in ("name", "label", "class1") if row[key])
    names = {row["name"].split("/", 1)[1] for row in rows}
    assert {"new\\nline.png", "new\\nline.png~"} & names
    assert "\\udcff\\udcfe broken.png" in names
    assert {row["label"] for row in rows} == {"<b>x</b>", "'=1+1", "\\u202eevil"}


@pytest.mark.filterwarnings("error::RuntimeWarning")  # they would be printed on stderr
def test_nan_logits_of_some_images_are_flagged_and_count_as_wrong(here: Command, tmp_path: Path) -> None:
    squares(tmp_path / "data", each=2)  # the red ones come after the four images that a network is checked on
    (tmp_path / "nan.py").write_text(
        "import torch\nfrom tests.support.tiny_networks import network\n"
        "class NanForRed(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.network = network()\n"
        "        self.network[8].bias.data[2] = 10  # red, for every image\n"
        "    def forward(self, x):\n"
        "        red = x[:, :1].mean((2, 3), keepdim=True)\n"
        "        return self.network(x + 0 / red.neg().clamp(min=0))\n"
    )
    arguments = ("--model", "python:nan:NanForRed", "--classes", "data/classes.txt", "--out", "report")
    done = here("run", "--data", "data/table.csv", *arguments)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    model = json.loads((tmp_path / "report" / "metrics.json").read_text())["models"][0]
    assert model["classification"]["top1_error"] == 1.0
    assert 0 <= model["cam_identity_max_abs"] < 1e-4
    found = re.search(
        r"(\d) top-1 maps have no positive or no finite value", parse(tmp_path / "report/site/index.html").text
    )
    assert found
    assert int(found[1]) >= 2


def test_network_with_nan_weights_is_refused_in_one_line(here: Command, tmp_path: Path) -> None:
    squares(tmp_path / "data", each=2)
    (tmp_path / "nan_weights.py").write_text(
        "from tests.support.tiny_networks import network\n"
        "def make():\n    net = network()\n    net[8].weight.data[:] = float('nan')\n    return net\n"
    )
    arguments = ("--model", "python:nan_weights:make", "--classes", "data/classes.txt", "--out", "report")
    done = here("run", "--data", "data/table.csv", *arguments)
    assert done.returncode == 2
    assert "`8.weight` of `make` has 48 of 48 values that are NaN or infinite" in " ".join(done.stderr.split())


# -------------------------------------------------------------------------------------------------------- the demo


def test_demo_metrics_have_every_key(demo_report: Path) -> None:
    metrics = json.loads((demo_report / "metrics.json").read_text())
    assert list(metrics) == ["schema", "dataset", "models", "gap_and_gmp"]
    assert metrics["gap_and_gmp"] is None  # it takes two fitted heads
    assert metrics["schema"] == 2
    assert metrics["dataset"] == {
        "name": "demo photographs",
        "images": IMAGES,
        "labelled": LABELLED,
        "with_boxes": LABELLED,
        "unreadable": 0,
        "classes": len({photo.label for photo in PHOTOS if photo.label}),
    }
    (model,) = metrics["models"]
    identity, relative = model.pop("cam_identity_max_abs"), model.pop("cam_identity_relative")
    assert 0 <= identity < 1e-4
    assert 0 <= relative < 1e-4
    assert {key: model[key] for key in ("name", "head", "method", "resize")} == {
        "name": "efficientnet_lite0",
        "head": "own",
        "method": "cam",
        "resize": "warp",
    }
    assert set(model) == {
        "name", "head", "method", "resize", "precision", "precision_agreement", "runtime", "runtime_trial",
        "classification", "multilabel", "confidence", "background", "localization", "slices", "ood",
    }  # fmt: skip
    tried = model["precision_agreement"]  # only where the hardware has low-precision matrix units
    assert model["precision"] in (("fp32", "bf16", "fp16") if tried else ("fp32",))
    assert {key: model["localization"][key] for key in ("recipe", "threshold", "iou")} == {
        "recipe": "paper",
        "threshold": 0.2,
        "iou": 0.5,
    }
    for name in ("metrics.json", "predictions.csv", "localization.csv"):
        assert (demo_report / name).read_bytes() == (demo_report / "site" / "data" / name).read_bytes()


def slow_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_demo_errors_follow_from_its_csv_files(demo_report: Path) -> None:
    """From the CSVs and the demo's own table of boxes alone, by the definitions."""
    (model,) = json.loads((demo_report / "metrics.json").read_text())["models"]
    with open(demo_report / "predictions.csv", newline="") as file:
        predictions = {row["name"]: row for row in csv.DictReader(file)}
    with open(demo_report / "localization.csv", newline="") as file:
        guesses = list(csv.DictReader(file))
    with open(demo_report / "demo" / "photos.csv", newline="") as file:
        labels: dict[str, str] = {}
        true: dict[str, list[list[float]]] = defaultdict(list)
        for row in csv.DictReader(file):
            if row["label"]:
                labels[row["path"]] = row["label"]
                true[row["path"]].append([float(row[corner]) for corner in ("x0", "y0", "x1", "y1")])
    assert {name: row["label"] for name, row in predictions.items() if row["label"]} == labels
    top1 = [row["label"] != row["class1"] for row in predictions.values() if row["label"]]
    top5 = [row["label"] not in [row[f"class{k}"] for k in range(1, 6)] for row in predictions.values() if row["label"]]
    assert model["classification"] == {"top1_error": sum(top1) / len(top1), "top5_error": sum(top5) / len(top5)}

    fits: dict[str, dict[int, bool]] = {name: {} for name in true}
    for guess in guesses:
        box = [float(guess[corner]) for corner in ("x0", "y0", "x1", "y1")]
        found = max(slow_iou(box, other) for other in true[guess["name"]])
        assert float(guess["iou"]) == pytest.approx(found, abs=2e-3)
        assert (guess["fits"] == "1") is (found >= 0.5)
        fits[guess["name"]][int(guess["rank"])] = found >= 0.5 and guess["class"] == labels[guess["name"]]
    where = model["localization"]
    assert where["top1_error"] == sum(not ranks[1] for ranks in fits.values()) / len(fits)
    assert where["top5_error"] == sum(not any(ranks[k] for k in range(1, 6)) for ranks in fits.values()) / len(fits)
    assert where["gt_known_error"] == sum(not ranks[0] for ranks in fits.values()) / len(fits)
    for row in predictions.values():
        kind = "unlabelled" if not row["label"] else "class" if row["class1"] != row["label"] else None
        assert kind in (None, row["kind"])
        assert (row["kind"] == "right") is (row["name"] in fits and fits[row["name"]][1])


def test_demo_overview_describes_its_photographs(demo_report: Path) -> None:
    text = " ".join(parse(demo_report / "site" / "index.html").text.split())
    assert f"These are {len(PHOTOS)} photographs of different scenes" in text


def test_metrics_of_unlabelled_data_are_null(here: Command, tmp_path: Path) -> None:
    squares(tmp_path / "data", each=1)
    (tmp_path / "data" / "table.csv").unlink()
    done = here("run", "--data", "data", *TINY, "--limit", "2", "--out", "report")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["dataset"] | {"name": "data"} == {
        "name": "data",
        "images": 2,
        "labelled": 0,
        "with_boxes": 0,
        "unreadable": 0,
        "classes": 0,
    }
    (model,) = metrics["models"]
    assert model["classification"] == {"top1_error": None, "top5_error": None}
    assert model["localization"] is None


def test_log_announces_stages_that_take_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    for seconds in (90, 540):
        with progress(quiet=False)("Occluding", 2_000, "images", seconds) as tick:
            tick()
    assert capsys.readouterr().err == "occluding: 2,000 images, about 9 min unless cached\n"
