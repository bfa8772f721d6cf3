"""A repeated request with the same `Idempotency-Key` is executed once and gets the same response."""

from __future__ import annotations

from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from servey.action.action import action
from servey.security.access_control.allow_none import ALLOW_NONE
from servey.trigger.web_trigger import WEB_POST

from persisty import (
    Access,
    App,
    Caller,
    Conflict,
    member,
    stored,
)
from persisty.api.rest.endpoint import Rest
from persisty.errors import BackendUnavailable, Forbidden, InvalidInput, NotFound, Throttled

from .items import (
    ANN,
    BAD,
    BOB,
    CALLED,
    GOOD,
    NOBODY,
    RAISED,
    Client,
    Clock,
    Diary,
    Parcel,
    code,
    replayed,
)


@stored(access=Access(create=member("tenant", claim="tenant"), read=member("tenant", claim="tenant")))
class Room:
    id: str
    tenant: str


BATCH = {"edits": [{"create": {"id": "b"}}, {"delete": {"key": "none"}}]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/parcel", {"id": "a", "text": "ü" * 2000}, 201),
        ("/api/parcel-batch", BATCH, 200),
        ("/api/parcel-batch", {**BATCH, "atomic": True}, 404),
        ("/actions/send", {"text": "hi"}, 200),
    ],
)
def test_a_repeated_request_is_not_executed_again_and_has_the_same_response(
    app: App, post: Client, path: str, body: Any, status: int
) -> None:
    first = post(path, body)
    assert first.status == status
    assert "idempotency-replayed" not in first.headers
    before = (app.store(Parcel).count(), len(CALLED))
    for _ in range(2):
        assert replayed(first, post(path, body))
    assert (app.store(Parcel).count(), len(CALLED)) == before
    assert app.requests.count() == 1


def test_a_replayed_response_is_compressed_if_its_client_accepts_gzip(post: Client) -> None:
    body = {"id": "a", "text": "x" * 5000}
    uncompressed = post("/api/parcel", body)
    packed = post("/api/parcel", body, accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(uncompressed.body)
    assert packed.headers["location"] == uncompressed.headers["location"]


def test_other_keys_callers_and_paths_are_other_requests(app: App, post: Client) -> None:
    body = {"text": "hi"}
    for key, caller in (("k", ANN), ("l", ANN), ("k", BOB), ("K", ANN), ("k", Caller("ann", claims={"iss": "other"}))):
        assert "idempotency-replayed" not in post("/actions/send", body, key, caller).headers
    assert len(CALLED) == 5
    assert post("/api/parcel", {"id": "a"}).status == 201


def test_a_caller_never_gets_the_response_of_another(post: Client) -> None:
    key = str(uuid4())
    assert post("/api/diary", {"id": "a", "author": "ann", "text": "private"}, key, ANN).status == 201
    for caller in (BOB, NOBODY):
        other = post("/api/diary", {"id": "a", "author": "ann", "text": "private"}, key, caller)
        assert other.status in (401, 403, 409)
        assert b"private" not in other.body


@pytest.mark.parametrize(
    ("path", "body", "more"),
    [
        ("/actions/send", {"text": "ho"}, {}),
        ("/actions/send", b'{"text": "hi" }', {}),
        ("/actions/send?x=1", {"text": "hi"}, {}),
        ("/actions/send", {"text": "hi"}, {"content_type": "text/plain"}),
        ("/actions/send", {"text": "hi"}, {"caller": Caller("ann", frozenset({"admin"}))}),
        ("/actions/send", {"text": "hi"}, {"caller": Caller("ann", claims={"tenant": "acme"})}),
        ("/actions/send", {"text": "hi"}, {"caller": Caller("ann", claims={"groups": ["a"]})}),
    ],
)
def test_another_request_with_the_same_key_is_rejected(post: Client, path: str, body: Any, more: Any) -> None:
    first = post("/actions/send", {"text": "hi"})
    refused = post(path, body, **more)
    assert (refused.status, code(refused)) == (422, "idempotency_key_reused")
    assert CALLED == ["hi"]
    assert replayed(first, post("/actions/send", {"text": "hi"}, content_type="Application/JSON"))


def test_the_claims_of_another_tenant_get_no_response_of_the_first(clock: Clock) -> None:
    with closing(App("rooms", items=[Room], url="memory://")) as app:
        post = Client(Rest(app, clock=clock))
        acme, other = (Caller("ann", claims={"tenant": name}) for name in ("acme", "other"))
        first = post("/api/room", {"id": "a", "tenant": "acme"}, caller=acme)
        assert first.status == 201
        refused = post("/api/room", {"id": "a", "tenant": "acme"}, caller=other)
        assert (refused.status, code(refused)) == (422, "idempotency_key_reused")
        assert b"acme" not in refused.body


def test_a_refreshed_token_of_the_same_caller_gets_the_same_response(post: Client) -> None:
    def ann(number: int) -> Caller:
        claims = {"sub": "ann", "groups": ["a", "b"], "exp": number, "iat": number, "jti": str(number)}
        return Caller("ann", claims=claims)

    first = post("/actions/send", {"text": "hi"}, caller=ann(1))
    assert replayed(first, post("/actions/send", {"text": "hi"}, caller=ann(2)))


@pytest.mark.parametrize("key", GOOD)
def test_keys_are_accepted_with_and_without_quotes(post: Client, key: str) -> None:
    assert post("/actions/send", {"text": "hi"}, key).status == 200
    assert "idempotency-replayed" in post("/actions/send", {"text": "hi"}, key).headers


def test_a_key_is_the_same_with_and_without_quotes(post: Client) -> None:
    post("/actions/send", {"text": "hi"}, "k")
    assert "idempotency-replayed" in post("/actions/send", {"text": "hi"}, '"k"').headers


@pytest.mark.parametrize("key", BAD)
def test_an_invalid_key_is_rejected_and_nothing_is_executed(app: App, post: Client, key: str) -> None:
    refused = post("/actions/send", {"text": "hi"}, key)
    assert (refused.status, code(refused)) == (400, "idempotency_key_invalid")
    assert (CALLED, app.requests.count()) == ([], 0)


@pytest.mark.parametrize("key", ["k", "a b", "34c317e8-75d7-4ff5-8076-c0e9c49414af"])
def test_a_caller_without_access_gets_forbidden_for_any_key(app: App, post: Client, key: str) -> None:
    @action(triggers=WEB_POST, access_control=ALLOW_NONE)
    def never() -> str:
        return "never"

    closed = Client(Rest(App("closed", items=[Diary], actions=[never], url="memory://")))
    body = {"id": "a", "author": "ann"}
    for path, sent in (
        ("/api/diary", body),
        ("/api/diary-batch", {"edits": [{"create": body}]}),
        ("/actions/never", {}),
    ):
        assert code(closed(path, sent, key, NOBODY)) == "unauthenticated"
    assert code(closed("/actions/never", {}, key, ANN)) == "forbidden"


def test_an_anonymous_caller_needs_a_uuid_as_key(post: Client) -> None:
    key = str(uuid4())
    refused = post("/api/parcel", {"id": "a"}, "k", NOBODY)
    assert (refused.status, code(refused)) == (400, "idempotency_key_invalid")
    first = post("/api/parcel", {"id": "a"}, key, NOBODY)
    assert first.status == 201
    assert replayed(first, post("/api/parcel", {"id": "a"}, f'"{key}"', NOBODY))
    assert code(post("/api/parcel", {"id": "b"}, key, NOBODY)) == "idempotency_key_reused"
    assert code(post("/api/parcel", {"id": "a"}, key, Caller(scopes=frozenset({"x"})))) == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (NotFound(), True),
        (Conflict(), True),
        (InvalidInput(), False),
        (Forbidden(), False),
        (Throttled(), False),
        (BackendUnavailable(), False),
        (RuntimeError("unforeseen"), False),
        (BackendUnavailable(in_doubt=True), True),
    ],
    ids=repr,
)
def test_an_outcome_is_stored_and_a_temporary_error_is_not(
    app: App, post: Client, error: Exception, kept: bool
) -> None:
    RAISED.append(error)
    first = post("/actions/send", {"text": "hi"})
    assert first.status == getattr(error, "status", 500)
    RAISED.clear()
    again = post("/actions/send", {"text": "hi"})
    assert (CALLED, app.requests.count()) == (["hi"] * (1 if kept else 2), 1)
    assert replayed(first, again) if kept else again.status == 200
