"""A deployment has the allowed origins, and routes for preflights."""

from __future__ import annotations

import pytest

from persisty import App, InvalidDeclaration, public, settings, stored
from persisty.deploy.plan import plan_of
from persisty.deploy.resources import Plan

PAGES = "https://app.example.com http://localhost:3000"


@stored(access=public)
class Note:
    id: str


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def planned() -> Plan:
    return plan_of(App("notes", items=[Note], url="memory://"), "examples.messenger.app:app")


def test_functions_have_the_variable_of_allowed_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all("PERSISTY_CORS_ORIGINS" not in function.environment for function in planned().functions)
    monkeypatch.setenv("PERSISTY_CORS_ORIGINS", PAGES)
    origins = {function.name: function.environment.get("PERSISTY_CORS_ORIGINS") for function in planned().functions}
    assert origins == {"rest": PAGES, "graphql_http": PAGES, "appsync": None}


def test_an_invalid_origin_stops_the_synth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_CORS_ORIGINS", "example.com")
    with pytest.raises(InvalidDeclaration):
        planned()


def test_every_route_accepts_every_method_and_rest_rejects_unknown_ones() -> None:
    assert {route.method for route in planned().routes} == {"ANY"}


def test_no_route_ends_with_a_slash_which_an_http_api_refuses() -> None:
    paths = {route.path for route in planned().routes}
    assert {"/api", "/api/{proxy+}"} <= paths
    assert not [path for path in paths if path.endswith("/")]
