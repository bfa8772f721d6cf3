"""`persisty init` writes a project that passes its own tests and type checks, and overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from persisty.cli.init import Template, files_of

from .conftest import Persisty

ROOT = Path(__file__).parents[3]


def run(folder: Path, *arguments: str) -> str:
    """Run a Python module in a project, and return what it prints."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PERSISTY_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder, env={**variables, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("template", list(Template))
def test_a_new_project_passes_its_own_tests_and_has_no_mistakes(
    template: Template, tmp_path: Path, persisty: Persisty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = persisty("init", "my-shop", "--template", template)
    assert done.code == 0
    assert "persisty serve --seed my_shop.seeds:seed" in done.out
    folder = tmp_path / "my-shop"
    assert (folder / ".gitignore").is_file()
    assert "passed" in run(folder, "pytest", "-p", "no:cacheprovider")
    assert "my_shop.app:app: no mistakes" in run(folder, "persisty", "check")
    assert "my-shop" in run(folder, "persisty", "shell", "-c", "print(app.name)")


TIMED = """

@action(access_control=nobody, triggers=AfterCreate({item}))
def notice() -> None:
    \"\"\"Notice a new item.\"\"\"


@action(access_control=nobody, triggers=Cron("0 3 * * *"))
def purge() -> None:
    \"\"\"Purge items at night.\"\"\"


@action(access_control=nobody, triggers=Queue("mails"))
def mail(to: str) -> None:
    \"\"\"Send a mail.\"\"\"
"""


def test_a_project_passes_its_tests_after_a_trigger_a_timer_and_a_queue_were_added(tmp_path: Path) -> None:
    for name, text in files_of(Template.FULL, "shop").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    actions = tmp_path / "shop/actions.py"
    imported = "from persisty import AfterCreate, Cron, Queue, nobody\n"
    actions.write_text(actions.read_text() + "\n\n" + imported + TIMED.format(item="Purchase"))
    assert "passed" in run(tmp_path, "pytest", "-p", "no:cacheprovider")


def test_a_project_requires_the_version_that_has_written_it() -> None:
    """The registry has releases before it, which lack its extras."""
    project = tomllib.loads(files_of(Template.MINIMAL, "shop")["pyproject.toml"])["project"]
    assert project["dependencies"] == [f"persisty[server]>={version('persisty')}"]


@pytest.mark.parametrize("template", list(Template))
def test_the_code_of_a_new_project_passes_ruff(template: Template, tmp_path: Path) -> None:
    for name, text in files_of(template, "shop").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for command in (["check"], ["format", "--check"]):
        run(tmp_path, "ruff", *command, ".")


@pytest.mark.parametrize("template", list(Template))
def test_the_code_of_a_new_project_passes_mypy(template: Template, tmp_path: Path) -> None:
    for name, text in files_of(template, "shop").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    run(tmp_path, "mypy", "--strict", "shop", "--cache-dir", str(ROOT / ".mypy_cache"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("My_Shop", "kebab case"), ("2shop", "kebab case"), ("json", "hide another"), ("class", "hide another")],
)
def test_an_invalid_name_of_a_package_is_rejected(name: str, expected: str, tmp_path: Path, persisty: Persisty) -> None:
    done = persisty("init", str(tmp_path / name))
    assert (done.code, expected in done.err) == (2, True)
    assert not (tmp_path / name).exists()


def test_existing_files_are_reported_and_not_changed(tmp_path: Path, persisty: Persisty) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    done = persisty("init", str(folder))
    assert done.code == 2
    assert "/README.md: The file exists" in done.err
    assert [one.name for one in folder.iterdir()] == ["README.md"]
    assert (folder / "README.md").read_text() == "mine"


def test_an_empty_folder_may_exist(tmp_path: Path, persisty: Persisty, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    assert persisty("init", ".").code == 0
    assert (folder / "shop" / "app.py").is_file()
