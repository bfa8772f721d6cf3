"""A caller with too many requests gets 429, by subject or by address. Other callers do not."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from persisty import App, InvalidDeclaration
from persisty.api.http.rate_limit import Buckets, Rate, counted_address, rate_of
from persisty.hosting.server import Server

from .test_server import bearer


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("configured", "rate"),
    [
        (None, None),
        ("100/s", Rate(100, 1, 100)),
        ("1000/m burst 50", Rate(1000, 60, 50)),
        (" 5/h ", Rate(5, 3600, 5)),
    ],
)
def test_rates_are_parsed(configured: str | None, rate: Rate | None) -> None:
    assert rate_of(configured) == rate


@pytest.mark.parametrize(
    "configured", ["", "0/s", "10", "10/d", "-1/s", "1.5/s", "10/s burst 0", "10/s  burst 1", "٣/s"]
)
def test_an_invalid_rate_stops_the_start(messenger: App, configured: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidDeclaration):
        rate_of(configured)
    monkeypatch.setenv("PERSISTY_RATE_LIMIT", configured or " ")
    with pytest.raises(InvalidDeclaration):
        Server(messenger)


def test_a_burst_is_allowed_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(Rate(10, 1, 3), clock=clock)
    assert [buckets.take("a") for _ in range(3)] == [None] * 3
    assert buckets.take("a") == pytest.approx(0.1)
    assert buckets.take("b") is None  # who has a bucket of its own
    clock.now += 0.05
    assert buckets.take("a") == pytest.approx(0.05)
    clock.now += 0.05
    assert buckets.take("a") is None
    assert buckets.take("a") == pytest.approx(0.1)
    clock.now += 100
    assert [buckets.take("a") is None for _ in range(4)] == [True] * 3 + [False]


def test_over_time_the_rate_is_allowed() -> None:
    clock = Clock()
    buckets = Buckets(Rate(7, 1, 2), clock=clock)
    through = 0
    for _ in range(10_000):
        through += buckets.take("a") is None
        clock.now += 0.01
    assert 695 <= through <= 702


def test_the_number_of_buckets_is_limited() -> None:
    buckets = Buckets(Rate(1, 3600, 1), places=100, clock=Clock())
    for number in range(1000):
        buckets.take(f"caller {number}")
    assert len(buckets) == 100
    assert buckets.take("caller 999") is not None
    assert buckets.take("caller 0") is None  # forgotten


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        (None, None),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no:address", "no:address"),
    ],
)
def test_a_network_of_ipv6_is_one_client(address: str | None, counted: str | None) -> None:
    assert counted_address(address) == counted


@pytest.fixture
def client(messenger: App, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends requests to one server from an address and returns the statuses."""
    monkeypatch.setenv("PERSISTY_RATE_LIMIT", "3/h")
    monkeypatch.setenv("PERSISTY_CORS_ORIGINS", "*")
    server = Server(messenger)

    def ask(address: str, path: str, count: int, **headers: str) -> list[httpx.Response]:
        async def run() -> list[httpx.Response]:
            transport = httpx.ASGITransport(server, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return [await client.get(path, headers=headers) for _ in range(count)]

        return asyncio.run(run())

    return ask


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


def test_an_address_beyond_the_limit_gets_429_with_retry_after(client: Any) -> None:
    answers = client("192.0.2.1", "/actions/statistics", 4, origin="https://a.example")
    assert statuses(answers) == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert 0 < int(refused.headers["retry-after"]) <= 1200
    assert refused.headers["access-control-allow-origin"] == "*"  # or a page would not see it
    assert statuses(client("192.0.2.2", "/actions/statistics", 1)) == [200]


def test_an_authenticated_caller_is_counted_by_subject_from_any_address(messenger: App, client: Any) -> None:
    ann, ben = bearer(messenger, "ann"), bearer(messenger, "ben")
    assert statuses(client("192.0.2.1", "/actions/statistics", 2, **ann)) == [200, 200]
    assert statuses(client("192.0.2.2", "/actions/statistics", 2, **ann)) == [200, 429]
    assert statuses(client("192.0.2.2", "/actions/statistics", 1, **ben)) == [200]
    assert statuses(client("192.0.2.2", "/actions/statistics", 1)) == [200]


def test_surfaces_share_the_limit_of_a_caller(client: Any) -> None:
    assert 429 not in statuses(client("192.0.2.1", "/graphql", 1) + client("192.0.2.1", "/api/user", 1))
    assert statuses(client("192.0.2.1", "/actions/statistics", 2)) == [200, 429]


def test_requests_with_invalid_tokens_are_counted(client: Any) -> None:
    assert statuses(client("192.0.2.1", "/api/user", 4, authorization="Bearer x")) == [401, 401, 401, 429]


def test_health_and_readiness_are_not_limited(client: Any) -> None:
    assert statuses(client("192.0.2.1", "/health", 9)) == [200] * 9
    assert 429 not in statuses(client("192.0.2.1", "/ready", 9))
