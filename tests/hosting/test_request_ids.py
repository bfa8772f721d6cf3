"""Every response has the id of its request. A client's own id is used if it has only plain characters."""

from __future__ import annotations

import re

import pytest

from persisty import App

from .test_server import ask

MADE = re.compile(r"[0-9a-f]{12}-[0-9a-f]+")


@pytest.mark.parametrize(
    "path", ["/api/user", "/api/user/nothing", "/graphql", "/health", "/ready", "/docs", "/nothing"]
)
def test_every_response_has_the_given_request_id_or_a_generated_one(messenger: App, path: str) -> None:
    assert (
        ask(messenger, "GET", path, headers={"x-request-id": "one.of-mine:1"}).headers["x-request-id"]
        == "one.of-mine:1"
    )
    first, second = (ask(messenger, "GET", path).headers["x-request-id"] for _ in range(2))
    assert MADE.fullmatch(first)
    assert MADE.fullmatch(second)
    assert first != second


@pytest.mark.parametrize("given", ["", "a b", "é".encode(), 'a"b', "a\\n", "x" * 129, "<script>", "a;b"])
def test_an_id_with_other_characters_is_replaced(messenger: App, given: str | bytes) -> None:
    assert MADE.fullmatch(ask(messenger, "GET", "/api/user", headers={"x-request-id": given}).headers["x-request-id"])


def test_a_plain_id_of_the_greatest_length_is_accepted(messenger: App) -> None:
    given = "x" * 128
    assert ask(messenger, "GET", "/health", headers={"x-request-id": given}).headers["x-request-id"] == given
