"""Concurrent requests with one key, on every engine."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from persisty import (
    App,
)
from persisty.api.http.messages import Request, Response
from persisty.api.idempotency import LEASE, PURGE_EVERY, PURGED, Idempotency
from persisty.api.rest.endpoint import Rest
from persisty.errors import PersistyError
from persisty.store.store import context_of

from ...conformance.engines import ENGINES
from .items import ANN, CALLED, DAY, RAISED, STAGES, Client, Clock, Crash, crash, made, replayed

RACED = ("memory", "sqlite", "postgresql", "dynamodb-local")


AT_ONCE = 16


@pytest.fixture(params=RACED)
def anywhere(request: pytest.FixtureRequest) -> Iterator[App]:
    """Return the app with a new engine."""
    server, url = ENGINES[request.param]
    place, stage = server and request.getfixturevalue(server), next(STAGES)
    found = made(url.format(place=place, stage=stage, process=os.getpid()), stage=stage)
    found.prepare()
    CALLED.clear()
    RAISED.clear()
    yield found
    found.close()


def at_once(call: Callable[[], Response]) -> list[Response]:
    gate = threading.Barrier(AT_ONCE)

    def one(number: int) -> Response:
        gate.wait(20)
        return call()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_one_of_many_concurrent_requests_is_executed(anywhere: App, clock: Clock) -> None:
    post = Client(Rest(anywhere, clock=clock))
    for key in ("a", "b", "c"):
        answers = at_once(lambda key=key: post("/actions/send", {"text": key}, key))  # type: ignore[misc]
        statuses = Counter(one.status for one in answers)
        assert set(statuses) <= {200, 409}
        assert CALLED.count(key) == 1
        assert len([one for one in answers if one.status == 200 and "idempotency-replayed" not in one.headers]) == 1
        first = next(one for one in answers if one.status == 200 and "idempotency-replayed" not in one.headers)
        assert replayed(first, post("/actions/send", {"text": key}, key))


def test_one_of_many_concurrent_requests_takes_over(anywhere: App, clock: Clock) -> None:
    idempotency = Idempotency(anywhere, clock)
    for key, later in (("crashed", LEASE), ("expired", DAY + 2)):
        request = Request("POST", "/actions/send", headers={"idempotency-key": key}, caller=ANN)
        with pytest.raises(Crash):
            idempotency.answer(request, crash)
        clock.now += later
        executed: list[int] = []

        def attempt(request: Request = request, executed: list[int] = executed) -> Response:
            try:
                return idempotency.answer(request, lambda: (executed.append(1), Response(200, {}, b"x"))[1])
            except PersistyError as error:
                return Response(error.status, {})

        assert {one.status for one in at_once(attempt)} <= {200, 409}
        assert executed == [1]


def test_a_purge_deletes_a_few_expired_records(anywhere: App, clock: Clock) -> None:
    post = Client(Rest(anywhere, clock=clock))
    for number in range(PURGE_EVERY - 1):
        post("/actions/send", {"text": "x"}, f"old{number}")
    store = anywhere.requests
    backend: Any = context_of(store).backend
    if backend.capabilities.expiring:
        engine: Any = anywhere.engine
        description = engine.transport.call(
            "DescribeTimeToLive", {"TableName": f"post-{anywhere.stage}-persisty-request"}
        )
        assert description["TimeToLiveDescription"]["AttributeName"] == "expires"
        assert Idempotency(anywhere, clock).purge() == 0
        return
    assert store.count() == PURGE_EVERY - 1
    clock.now += DAY + 2
    for number in range(10 * PURGE_EVERY):
        post("/actions/send", {"text": "x"}, f"new{number}")
    assert store.count() < 11 * PURGE_EVERY - 5
    assert all(Idempotency(anywhere, clock).purge() <= PURGED for _ in range(5))
    assert sum(one.expires > clock.now for one in store.search_all()) == 10 * PURGE_EVERY
