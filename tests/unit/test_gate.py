"""`reportgen gate`: figures are those of the report, limits hold as written, chance alone rarely breaks a rule."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from reportgen.cli import cli
from reportgen.config import AuditConfig
from reportgen.errors import ConfigError
from reportgen.pipeline.run import run_audit
from reportgen.results.gate import IMAGE_FIGURES, Outcome, Rule, check_rules, read_rules
from reportgen.results.gate import _judge as judge
from reportgen.results.gate_files import gate_junit, gate_markdown
from reportgen.results.report import Report, open_report
from tests.support.reportgen_process import reportgen
from tests.support.square_images import squares
from tests.support.tiny_networks import TINY_NETWORK

SLICES = (
    {"name": "large objects", "where": ("object size > 0.2",)},
    {"name": "none", "where": ("aspect ratio > 100",)},
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    table = squares(folder / "images", each=8)
    run_audit(
        AuditConfig(
            data=table,
            classes=table.parent / "classes.txt",
            model=TINY_NETWORK,
            select="none",
            out=folder / "report",
            slices=SLICES,
        )
    )
    return folder / "report"


def with_errors(report: Report, wrong: np.ndarray) -> Report:
    """The report as if the top-1 class were wrong in just these images."""
    model = report.models[0]
    predictions = model.predictions.copy()
    labels = predictions["label"]
    predictions["top"][:, 0] = np.where(wrong, (labels + 1) % len(report.classes), labels)
    return replace(report, models=[replace(model, predictions=predictions)])


def test_figures_of_single_images_are_those_of_metrics_json(report: Path) -> None:
    metrics = json.loads((report / "metrics.json").read_text())["models"][0]
    expected = {
        "top1_error": metrics["classification"]["top1_error"],
        "gt_known_error": metrics["localization"]["gt_known_error"],
        "top1_localization_error": metrics["localization"]["top1_error"],
    }
    outcomes = check_rules(report, None, [Rule(figure, max=1) for figure in expected])
    assert [one.value for one in outcomes] == pytest.approx(list(expected.values()))
    (by_path,) = check_rules(report, None, [Rule("localization.max_box_acc_v2", min=0)])
    assert by_path.value == metrics["localization"]["max_box_acc_v2"]
    assert set(expected) <= set(IMAGE_FIGURES)


@pytest.mark.parametrize(
    ("limit", "broken"),
    [({"max": 0.25}, False), ({"max": 0.24}, True), ({"min": 0.25}, False), ({"min": 0.26}, True)],
)
def test_limits_include_their_value(report: Path, limit: dict[str, float], broken: bool) -> None:
    opened = open_report(report)
    n = len(opened.predictions)
    now = with_errors(opened, np.arange(n) < n // 4)
    assert judge(Rule("top1_error", **limit), now, None).is_broken == broken


def test_rule_of_one_label_counts_its_images_only(report: Path) -> None:
    opened = open_report(report)
    label = opened.classes[0]
    now = with_errors(opened, opened.predictions["label"] == 0)
    assert judge(Rule("top1_error", max=0, label=label), now, None).value == 1
    assert judge(Rule("top1_error", max=0, label=opened.classes[1]), now, None).value == 0


def test_increase_is_judged_on_the_images_of_both_reports(report: Path) -> None:
    opened = open_report(report)
    n = len(opened.predictions)
    before, now = with_errors(opened, np.arange(n) < 2), with_errors(opened, np.arange(n) < 12)
    grown = judge(Rule("top1_error", max_increase=0.01, significant=True), now, before)
    assert grown.is_broken
    assert (grown.value, grown.baseline) == pytest.approx((12 / n, 2 / n))
    assert not judge(Rule("top1_error", max_decrease=0.01), now, before).is_broken
    assert judge(Rule("top1_error", max_decrease=0.01), before, now).is_broken
    barely = judge(
        Rule("top1_error", max_increase=0.0, significant=True), with_errors(opened, np.arange(n) < 3), before
    )
    assert not barely.is_broken
    assert judge(replace(barely.rule, significant=False), with_errors(opened, np.arange(n) < 3), before).is_broken


def test_chance_alone_breaks_a_significant_rule_in_at_most_one_of_twenty_cases(report: Path) -> None:
    opened, random = open_report(report), np.random.default_rng(0)
    n, alarms, rule = len(opened.predictions), 0, Rule("top1_error", max_increase=0.0, significant=True)
    for _ in range(1000):
        before, now = (with_errors(opened, random.random(n) < 0.3) for _ in range(2))
        alarms += judge(rule, now, before).is_broken
    assert alarms <= 50


def test_command_prints_writes_and_exits_by_the_rules(report: Path, tmp_path: Path) -> None:
    rules = tmp_path / "gate.toml"
    rules.write_text(
        '[[rules]]\nfigure = "top1_error"\nmax = 1\n[[rules]]\nfigure = "gt_known_error"\nmin = 2\nlevel = "warn"\n'
    )
    junit, table = tmp_path / "junit.xml", tmp_path / "gate.md"
    command = ["gate", report, "--rules", rules, "--baseline", report, "--junit", junit, "--markdown", table]
    done = reportgen(*command)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok", "warning"]
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "0"
    assert table.read_text().count("\n") == 4
    failed = reportgen(*command, "--max", "top1_error=-1", "--max-increase", "top1_error=0")
    assert failed.returncode == 1
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there are no rules"),
        (["--max", "top1_error"], "is not FIGURE=VALUE"),
        (["--max", "top9_error=1"], "has no number `top9_error`"),
        (["--max-increase", "top1_error=0"], "needs a baseline"),
        (["--baseline", "nowhere", "--max", "top1_error=1"], "contains no report"),
    ],
)
def test_bad_commands_end_with_one_line(report: Path, arguments: list[str], message: str) -> None:
    done = reportgen("gate", report, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[rules]]\nmax = 1", "has no `figure`"),
        ('[[rules]]\nfigure = "top1_error"', "has 0 limits"),
        ('[[rules]]\nfigure = "top1_error"\nmax = 1\nmin = 0', "has 2 limits"),
        ('[[rules]]\nfigure = "top1_error"\nmaximum = 1', "unknown key `maximum`"),
        ('[[rules]]\nfigure = "top1_error"\nmax = "1"', "must be of type float"),
        ('[[rules]]\nfigure = "top1_error"\nmax = 1\nlevel = "fatal"', "use `error` or `warn`"),
        ('[[rules]]\nfigure = "top1_error"\nmax = 1\nsignificant = true', "has no effect"),
        ('[[rules]]\nfigure = "localization.pxap"\nmin = 1\nlabel = "cat"', "not a figure of single images"),
        ("rules = 1", "is not a list of rules"),
        ("[[rules", "is not TOML"),
    ],
)
def test_bad_rules_end_with_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_rules(path)
    assert message in f"{raised.value} {raised.value.hint}"


def test_rules_and_workflows_of_the_manual_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "site" / "docs" / "gate.md").read_text("utf-8")
    blocks = re.findall(r"```(toml|yaml)\n(.*?)```", page, re.DOTALL)
    (toml,) = (text for kind, text in blocks if kind == "toml")
    (tmp_path / "gate.toml").write_text(toml)
    assert [rule.kind for rule in read_rules(tmp_path / "gate.toml")] == ["max", "max", "max_increase"]
    github, gitlab = (yaml.safe_load(text) for kind, text in blocks if kind == "yaml")
    commands = [step["run"] for step in github["jobs"]["audit"]["steps"] if "run" in step]
    for lines in (commands, gitlab["audit"]["script"]):
        (command,) = (line for line in lines if line.startswith("reportgen gate"))
        assert CliRunner().invoke(cli, [*shlex.split(command)[1:], "--help"]).exit_code == 0


def test_hostile_names_stay_text(report: Path) -> None:
    name = "<b>|x\x1b"
    outcomes = [Outcome(Rule("top1_error", max=0, label=name), True, 1.0)]
    (case,) = ElementTree.fromstring(gate_junit(outcomes).encode()).iter("testcase")
    assert case.attrib["name"].startswith("top1_error of <b>|x")
    assert "\\<b\\>\\|x" in gate_markdown(outcomes)


def test_rule_of_a_slice_is_about_its_images(report: Path) -> None:
    opened = open_report(report)
    chosen = opened.slices["large objects"]
    assert 0 < chosen.sum() < len(chosen)
    wrong = ~IMAGE_FIGURES["top1_error"](opened)[0]
    (one,) = check_rules(report, None, [Rule("top1_error", max=1, slice="large objects")])
    figures = json.loads((report / "metrics.json").read_text())["models"][0]["slices"]["large objects"]
    (by_path,) = check_rules(report, None, [Rule("slices.large objects.top1_error", max=1)])
    assert one.value == by_path.value == figures["top1_error"] == pytest.approx(wrong[chosen].mean())
    assert one.rule.text == "top1_error in large objects, max 1"
    (change,) = check_rules(
        report, report, [Rule("top1_error", max_increase=0, slice="large objects", significant=True)]
    )
    assert (change.is_broken, change.value) == (False, one.value)
    for rule, message in (
        (Rule("top1_error", max=1, slice="large object"), "has no slice `large object`"),
        (Rule("top1_error", max=1, slice="none"), "has no image with"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_rules(report, None, [rule])
