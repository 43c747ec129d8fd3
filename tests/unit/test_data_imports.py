"""Heavy libraries are imported only where they are needed: not by the data package, nor by commands without work."""

import json
import subprocess
import sys

import pytest


def test_data_package_imports_no_heavy_library(tmp_path) -> None:
    code = (
        "import sys, pathlib, reportgen.data.readers.dataset, reportgen.data.decoding, reportgen.data.demo as demo\n"
        "try: demo.make_demo_photos(pathlib.Path(sys.argv[1]))\n"
        "except demo.ConfigError: pass\n"
        "print(sorted({'torch', 'torchvision', 'skimage', 'sklearn', 'scipy', 'elpv_dataset'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("argument", ["--help", "views"])
def test_commands_without_work_import_no_heavy_library(argument: str) -> None:
    """They take a fraction of a second; each of these libraries takes longer to import."""
    code = (
        "import sys\n"
        "from reportgen.cli import cli\n"
        "cli.main([sys.argv[1]], standalone_mode=False)\n"
        "heavy = {'torch', 'torchvision', 'sklearn', 'openTSNE', 'scipy', 'contourpy', 'skimage', 'onnxruntime'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert done.stdout


def test_run_imports_torchvision_only_for_networks_that_need_it(tmp_path) -> None:
    """It takes as long as torch itself, and delays the first report."""
    code = (
        "import sys, reportgen.pipeline.run\n"
        "from reportgen.config import AuditConfig\n"
        "from reportgen.models.sources import load_classifier\n"
        "load_classifier(AuditConfig(model='python:tests.support.tiny_networks:network'))\n"
        "print('torchvision' in sys.modules)\n"
        "load_classifier(AuditConfig(model='torchvision:resnet18', weights='random'))\n"
        "print('torchvision' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue\n"


def test_commands_for_finished_reports_import_no_torch(demo_report, tmp_path) -> None:
    commands = [
        ["check", demo_report],
        ["pack", demo_report, "--out", tmp_path / "report.zip"],
        ["pack", demo_report, "--single", "chelsea", "--out", tmp_path / "report.html"],
        ["export", demo_report, "--to", "csv", "--out", tmp_path / "table.csv"],
        ["export", demo_report, "--to", "coco", "--out", tmp_path / "coco"],
        ["compare", demo_report, demo_report, "--out", tmp_path / "comparison"],
        ["cache", "list", demo_report],
        ["cache", "verify", demo_report],
        ["init", tmp_path / "audit.toml"],
    ]
    code = (
        "import json, sys\n"
        "from reportgen.cli import cli\n"
        "for command in json.loads(sys.argv[1]):\n"
        "    try: cli.main(command, standalone_mode=False)\n"
        "    except SystemExit as end: assert end.code == 0, command\n"
        "    assert not {'torch', 'torchvision'} & set(sys.modules), command\n"
    )
    given = json.dumps([[str(part) for part in command] for command in commands])
    done = subprocess.run([sys.executable, "-c", code, given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
