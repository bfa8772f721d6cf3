"""The server responds to pages of other origins, on REST and GraphQL."""

from __future__ import annotations

import pytest

from persisty import App, InvalidDeclaration
from persisty.hosting.server import Server

from .test_server import ask

PAGE = {"origin": "https://app.example.com"}
ASKS = {**PAGE, "access-control-request-method": "POST", "authorization": "Bearer nonsense"}


@pytest.mark.parametrize("path", ["/api/message", "/graphql", "/actions/statistics", "/health"])
def test_a_page_of_a_configured_origin_gets_a_response(
    messenger: App, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSISTY_CORS_ORIGINS", PAGE["origin"])
    asked = ask(messenger, "OPTIONS", path, headers=ASKS)
    assert (asked.status_code, asked.content) == (204, b"")
    assert asked.headers["access-control-allow-origin"] == PAGE["origin"]
    answer = ask(messenger, "GET", path, headers=PAGE)
    assert answer.headers["access-control-allow-origin"] == PAGE["origin"]
    monkeypatch.delenv("PERSISTY_CORS_ORIGINS")
    assert "access-control-allow-origin" not in ask(messenger, "GET", path, headers=PAGE).headers


def test_an_invalid_origin_stops_the_server(messenger: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSISTY_CORS_ORIGINS", "example.com")
    with pytest.raises(InvalidDeclaration):
        Server(messenger)
