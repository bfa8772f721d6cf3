"""Optional drivers: each is a row of one table, and a missing one is an error that names the extra to install."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from persisty.aws.credentials import provider
from persisty.drivers import EXTRAS, STANDARD, driver
from persisty.errors import BackendUnavailable, InvalidDeclaration
from persisty.settings import AwsEnvironment

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


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("sqlite://", "sqlalchemy", "sql"),
        ("dynamodb://eu-west-1?transport=boto3", "boto3", "aws"),
    ],
)
def test_an_engine_names_the_extra_of_its_driver(url: str, module: str, extra: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from persisty.backends import connect; connect({url!r}, app='a', stage='b')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = f"{url.partition('://')[0]} needs {module}: pip install 'persisty[{extra}]'"
    assert done.stderr.splitlines()[-1].endswith(f"InvalidDeclaration: {said}"), done.stderr


def test_missing_credentials_name_the_extra_that_finds_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(BackendUnavailable, match=r"botocore is not installed: pip install 'persisty\[aws\]'"):
        provider(AwsEnvironment())
