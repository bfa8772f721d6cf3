"""The Python client: type checkers and the formatter accept it, and it works with a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import APPS, PYTHON, ROOT, Token, use


def test_type_checkers_accept_the_client_and_reject_wrong_uses(folder: Path) -> None:
    sources = [str(folder / f"{name}_client.py") for name in APPS] + sorted(map(str, folder.glob("use_*.py")))
    run = subprocess.run(
        [PYTHON, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(ROOT / ".mypy_cache" / "clients"), *sources],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", APPS)
def test_the_formatter_would_change_nothing(name: str, folder: Path) -> None:
    command = [
        str(Path(PYTHON).with_name("ruff")),
        "format",
        "--isolated",
        "--line-length",
        "120",
        "--diff",
        f"{name}_client.py",
    ]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_the_whole_life_of_items(folder: Path, token: Token, tmp_path: Path) -> None:
    use([PYTHON, "use_shop.py"], folder, "shop", [token("sam", "staff"), token("ann")], tmp_path)


def test_values_of_every_type_come_back_as_they_were_given(folder: Path, token: Token, tmp_path: Path) -> None:
    use([PYTHON, "use_museum.py"], folder, "museum", [token("ann")], tmp_path)


def test_the_client_imports_nothing_of_persisty(folder: Path) -> None:
    code = "import shop_client, sys; print([one for one in sys.modules if one.startswith('persisty')])"
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("[]\n", "")
