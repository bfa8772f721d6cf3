"""Optional drivers: each is a row of one table, and a missing one is an error that names the extra to install."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from persisty.drivers import EXTRAS, STANDARD, driver
from persisty.errors import InvalidDeclaration

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", EXTRAS)
def test_every_row_can_be_imported(name: str) -> None:
    assert driver(name).__name__ == name


def test_every_row_names_an_extra_of_the_package_or_the_standard_library() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for name, extra in EXTRAS.items():
        standard = name.partition(".")[0] in sys.stdlib_module_names
        assert (extra == STANDARD) is standard, name
        assert extra == STANDARD or extra in extras, name


def test_a_missing_driver_is_named_in_one_line_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(InvalidDeclaration) as raised:
        driver("jwt")
    assert str(raised.value) == "jwt is not installed: pip install 'persisty[server]'"


def test_a_module_that_is_not_in_the_table_is_not_imported() -> None:
    with pytest.raises(KeyError):
        driver("json")
