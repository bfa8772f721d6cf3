"""Settings: from the environment, and from nowhere else."""

from __future__ import annotations

import pytest

from persisty import settings


def test_defaults() -> None:
    assert settings.load({}) == settings.Settings()
    assert settings.Settings().stage == "dev"
    assert settings.Settings().log_level == "INFO"


def test_every_variable_is_a_setting_and_every_setting_a_variable() -> None:
    given = {name: f"value of {name}" for name in settings.VARIABLES}
    loaded = settings.load(given)
    assert {f"PERSISTY_{name.upper()}" for name in settings.Settings.__struct_fields__} == set(settings.VARIABLES)
    for name in settings.Settings.__struct_fields__:
        assert getattr(loaded, name) == f"value of PERSISTY_{name.upper()}"


def test_an_empty_variable_counts_as_unset() -> None:
    assert settings.load({"PERSISTY_STAGE": "", "PERSISTY_URL": ""}) == settings.Settings()


def test_the_process_environment_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_STAGE", "prod")
    assert settings.load().stage == "prod"
