"""The entry point: help, version, unknown commands, and the modules that each start loads."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from persisty.cli.main import COMMANDS

from .conftest import Persisty

ROOT = Path(__file__).parents[3]


def test_help_names_every_command_with_its_line(persisty: Persisty) -> None:
    done = persisty("--help")
    assert done.code == 0
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name}" in done.out
        assert summary in done.out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_own_help(name: str, persisty: Persisty) -> None:
    done = persisty(name, "--help")
    command = import_module(f"persisty.cli.{COMMANDS[name][0]}").command
    assert done.code == 0
    assert f"persisty {name} " in done.out
    assert command.__doc__.strip().partition("\n")[0] in done.out


def test_no_command_and_an_unknown_one_are_usage_errors(persisty: Persisty) -> None:
    assert persisty().code == 2
    done = persisty("exprot")
    assert done.code == 2
    assert "No such command 'exprot'" in done.err


def test_the_version_is_that_of_the_package(persisty: Persisty) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert persisty("--version") == (0, f"{declared}\n", "")


@pytest.mark.parametrize(
    ("arguments", "never"),
    [
        ("['--help']", {"rich", "sqlalchemy", "starlette", "persisty.cli.serve", "persisty.cli.import_file"}),
        ("['import', '--help']", {"sqlalchemy", "starlette", "uvicorn", "boto3", "servey", "persisty.cli.serve"}),
    ],
)
def test_a_command_imports_only_its_own_modules(arguments: str, never: set[str]) -> None:
    script = (
        "import sys\nfrom persisty.cli.main import main\n"
        f"try: main({arguments})\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(run.stderr.split()) & never == set()


def test_the_module_and_the_console_script_are_the_same_command() -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["persisty"]
    module, _, function = script.partition(":")
    assert getattr(import_module(module), function).__name__ == "main"
    run = subprocess.run(
        [sys.executable, "-m", "persisty", "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.count(".")) == (0, 2)
