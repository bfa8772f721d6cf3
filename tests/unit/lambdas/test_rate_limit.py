"""The rate limit of a function counts callers by subject, else by the address that the HTTP API reports."""

from __future__ import annotations

import json
from typing import Any

from lambdas.http_event import answered
from lambdas.http_surface import surrounded
from persisty import App, public, stored
from persisty.api.rest.endpoint import Rest
from persisty.settings import Settings


@stored(access=public)
class Tile:
    id: str


def test_an_address_beyond_its_limit_gets_429_and_another_does_not() -> None:
    app = App("tiles", items=[Tile], url="memory://")
    handle = surrounded(Rest(app).handle, app, Settings(rate_limit="2/h"))

    def ask(address: str) -> dict[str, Any]:
        http = {"method": "GET", "sourceIp": address}
        return answered(handle, {"rawPath": "/api/tile", "requestContext": {"http": http}})

    assert [ask("192.0.2.1")["statusCode"] for _ in range(3)] == [200, 200, 429]
    refused = ask("192.0.2.1")
    assert (json.loads(refused["body"])["code"], int(refused["headers"]["retry-after"]) > 0) == ("rate_limited", True)
    assert ask("192.0.2.2")["statusCode"] == 200


def test_without_a_limit_nothing_is_counted() -> None:
    app = App("tiles", items=[Tile], url="memory://")
    handle = surrounded(Rest(app).handle, app, Settings())
    event = {"rawPath": "/api/tile", "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}}}
    assert {answered(handle, event)["statusCode"] for _ in range(5)} == {200}
