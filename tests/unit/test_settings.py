"""Settings are read from the environment only."""

from __future__ import annotations

import pytest

from persisty import App, InvalidDeclaration, settings, stored


def test_defaults() -> None:
    assert settings.load({}) == settings.Settings()
    assert settings.Settings().stage == "dev"
    assert settings.Settings().log_level == "INFO"


def test_every_variable_is_a_setting_and_every_setting_a_variable() -> None:
    choices = {f"PERSISTY_{name.upper()}": values[-1] for name, values in settings.CHOICES.items()}
    given = {name: f"value of {name}" for name in settings.VARIABLES} | choices
    loaded = settings.load(given)
    assert {f"PERSISTY_{name.upper()}" for name in settings.Settings.__struct_fields__} == set(settings.VARIABLES)
    for name in settings.Settings.__struct_fields__:
        assert getattr(loaded, name) == given[f"PERSISTY_{name.upper()}"]


def test_an_empty_variable_counts_as_unset() -> None:
    assert settings.load({"PERSISTY_STAGE": "", "PERSISTY_URL": ""}) == settings.Settings()


def test_the_process_environment_is_read_at_each_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_STAGE", "prod")
    assert settings.load().stage == "prod"


@pytest.mark.parametrize(("name", "given"), [("cache", "ON"), ("metrics", "off"), ("log_level", "debug")])
def test_a_choice_is_accepted_in_any_case(name: str, given: str) -> None:
    assert getattr(settings.load({f"PERSISTY_{name.upper()}": given}), name) in settings.CHOICES[name]


@pytest.mark.parametrize("name", settings.CHOICES)
def test_an_invalid_choice_is_rejected_with_the_variable_and_its_values(name: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        settings.load({f"PERSISTY_{name.upper()}": "maybe"})
    [fault] = caught.value.faults
    assert (fault.path, fault.found) == (f"/PERSISTY_{name.upper()}", "maybe")
    assert fault.expected == "one of " + ", ".join(settings.CHOICES[name])


def test_an_app_rejects_a_cache_setting_that_is_neither_on_nor_off(monkeypatch: pytest.MonkeyPatch) -> None:
    @stored
    class Thing:
        id: str

    monkeypatch.setenv("PERSISTY_CACHE", "maybe")
    with pytest.raises(InvalidDeclaration, match="PERSISTY_CACHE"):
        App("things", items=[Thing], url="memory://")
