"""Requests in progress, and requests whose process died."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from persisty import (
    App,
)
from persisty.api.http.messages import Request, Response
from persisty.api.idempotency import LEASE, Idempotency
from persisty.errors import PersistyError

from .items import ANN, Client, Clock, Crash, code, crash, done

REQUEST = Request("POST", "/actions/send", headers={"idempotency-key": "k"}, caller=ANN)


def test_a_request_whose_process_died_is_taken_over_after_the_lease(app: App, clock: Clock) -> None:
    idempotency = Idempotency(app, clock)
    with pytest.raises(Crash):
        idempotency.answer(REQUEST, crash)
    clock.now += LEASE - 1
    with pytest.raises(PersistyError) as refused:
        idempotency.answer(REQUEST, done())
    assert (refused.value.code, refused.value.details) == ("idempotency_in_progress", {"retry_after": 1})
    clock.now += 1
    assert idempotency.answer(REQUEST, done()).body == b"done"
    assert idempotency.answer(REQUEST, crash).headers == {"idempotency-replayed": "true"}


def test_a_request_that_ends_after_its_lease_overwrites_nothing(app: App, clock: Clock) -> None:
    idempotency = Idempotency(app, clock)

    def slow() -> Response:
        clock.now += LEASE
        assert idempotency.answer(REQUEST, done(b"second")).body == b"second"
        return Response(200, {}, b"first")

    assert idempotency.answer(REQUEST, slow).body == b"first"
    assert idempotency.answer(REQUEST, crash).body == b"second"


def test_a_response_stored_during_a_takeover_is_not_overwritten(
    app: App, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """the first:   ……………………………………………………… its response ……
    another:     reads: lease expired ………………………………… cannot take over, reads again"""
    idempotency, read = Idempotency(app, clock), app.requests.read

    def slow() -> Response:
        clock.now += LEASE
        return Response(200, {}, b"first")

    def looked(key: str) -> Any:
        found = read(key)
        if found is not None and found.status is None:
            go.set()
            assert ended.wait(10)
        return found

    go, ended = threading.Event(), threading.Event()
    end = Idempotency._end

    def late(self: Idempotency, *given: Any, **more: Any) -> None:
        assert go.wait(10)
        end(self, *given, **more)
        ended.set()

    monkeypatch.setattr(Idempotency, "_end", late)
    monkeypatch.setattr(app.requests, "read", looked)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(idempotency.answer, REQUEST, slow)
        while app.requests.count() == 0 or clock.now < LEASE + 1_800_000_000:
            assert not first.done()
        assert idempotency.answer(REQUEST, crash).body == b"first"
        assert first.result(10).body == b"first"


def test_a_running_request_is_reported_as_in_progress(app: App, post: Client, clock: Clock) -> None:
    entered, go = threading.Event(), threading.Event()

    def slow(request: Request, key: str) -> Response:
        entered.set()
        go.wait(10)
        return Response(200, {}, b"done")

    idempotency = Idempotency(app, clock)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(idempotency.answer, REQUEST, lambda: slow(REQUEST, ""))
        assert entered.wait(10)
        refused = post("/actions/send", b"", content_type="")
        assert (refused.status, code(refused), refused.headers["retry-after"]) == (409, "idempotency_in_progress", "1")
        go.set()
        assert first.result().status == 200
