"""The same request has the same response bytes and the same effect through every host."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from tests.shop import SECRET

from . import hosts
from .hosts import HOSTS, Answer, as_appsync, dump, plain, world
from .hosts import settings as settings  # noqa: PLC0414 - a fixture
from .table import ROWS, Row

ENGINES = {"memory": "memory://", "sqlite": "sqlite://"}
GRAPHQL = [row for row in ROWS if row.graphql is not None and row.appsync is None]


@cache
def answers(host: str, engine: str, graphql: bool = False) -> tuple[list[Answer], Mapping[str, Any]]:
    """Return a host's responses to each row of the table, or to the GraphQL rows only, and the items stored afterwards."""
    rows = GRAPHQL if graphql else ROWS
    with HOSTS[host]() as ask, world(ENGINES[engine]):
        return [plain(ask(row)) for row in rows], dump()


def told(row: Row) -> str:
    return f"{row.name}, by {row.who}: {row.method} {row.path}?{row.query} {row.body[:300]!r}"


@pytest.mark.parametrize("engine", ENGINES)
def test_an_http_api_responds_like_the_server(engine: str) -> None:
    (theirs, stored), (ours, kept) = answers("gateway", engine), answers("hosted", engine)
    for row, one, other in zip(ROWS, ours, theirs, strict=True):
        assert one == other, told(row)
    assert stored == kept


def test_engines_have_the_same_responses() -> None:
    (first, stored), (second, kept) = answers("hosted", "memory"), answers("hosted", "sqlite")
    for row, one, other in zip(ROWS, first, second, strict=True):
        assert one == other, told(row)
    assert stored == kept


def test_appsync_responds_like_the_server() -> None:
    (theirs, stored), (ours, kept) = answers("appsync", "memory", True), answers("hosted", "memory", True)
    for row, (_, one), (_, other) in zip(GRAPHQL, ours, theirs, strict=True):
        assert as_appsync(one) == as_appsync(other), told(row)
    assert stored == kept


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_sends_an_attribute_that_no_caller_may_read(host: str) -> None:
    rows, shown = (GRAPHQL, True) if host == "appsync" else (ROWS, False)
    found, _ = answers(host, "memory", shown)
    assert not [row.name for row, (_, body) in zip(rows, found, strict=True) if SECRET.encode() in body]
    costs = {row.who: body for row, (_, body) in zip(rows, found, strict=True) if row.name == "restock"}
    assert [who for who, body in costs.items() if b'"cost": 1' in body or b'"cost":1' in body] == ["staff"]


def test_the_table_has_every_kind_of_request() -> None:
    """A table with only errors would prove little."""
    found, stored = answers("hosted", "memory")
    statuses = {status for status, _ in found}
    assert {200, 201, 204, 400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428} <= statuses
    assert sum(status < 300 for status, _ in found) > len(ROWS) / 3
    assert len(ROWS) > 300
    assert len(stored["article"]) > len([row for row in ROWS if row.name == "make"])
    assert hosts.app.metas.keys() == stored.keys()
