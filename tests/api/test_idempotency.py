"""A request that comes twice with one `Idempotency-Key` is carried out once, and answered alike."""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from openapi_spec_validator import validate
from servey.action.action import action
from servey.security.access_control.allow_none import ALLOW_NONE
from servey.trigger.web_trigger import WEB_GET, WEB_POST

from lambdas.http_event import answered
from persisty import (
    Access,
    App,
    Caller,
    Conflict,
    InvalidDeclaration,
    Unique,
    authenticated,
    everyone,
    member,
    owned,
    public,
    stored,
)
from persisty.api.http.messages import Request, Response
from persisty.api.idempotency import LEASE, MAX_KEPT, PURGE_EVERY, PURGED, Idempotency
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.api.store_operations import store_operations
from persisty.errors import BackendUnavailable, Forbidden, InvalidInput, NotFound, PersistyError, Throttled
from persisty.store.idempotency_records import REQUESTS
from persisty.store.store import context_of

from ..conformance.engines import ENGINES

ANN, BOB, NOBODY = Caller("ann"), Caller("bob"), Caller()
DAY = timedelta(days=1).total_seconds()


@stored(access=public, indexes=[Unique("label")])
class Parcel:
    id: str
    label: str | None = None
    text: str = ""


@stored(access=Access(create=authenticated, read=owned("author"), update=owned("author")))
class Diary:
    id: str
    author: str
    text: str = ""


@stored(access=Access(create=member("tenant", claim="tenant"), read=member("tenant", claim="tenant")))
class Room:
    id: str
    tenant: str


CALLED: list[str] = []
RAISED: list[Exception] = []


@action(access_control=everyone, triggers=WEB_POST)
def send(text: str) -> str:
    """Something that must not happen twice."""
    CALLED.append(text)
    if RAISED:
        raise RAISED[0]
    return text * 2


@action(access_control=everyone, triggers=WEB_GET)
def look(text: str) -> str:
    CALLED.append(text)
    return text


class Clock:
    """Time as the test says it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.5

    def __call__(self) -> float:
        return self.now


def made(url: str = "memory://", **options: Any) -> App:
    return App("post", items=[Parcel, Diary], actions=[send, look], url=url, **options)


@pytest.fixture
def app() -> Iterator[App]:
    CALLED.clear()
    RAISED.clear()
    found = made()
    yield found
    found.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Client:
    def __init__(self, rest: Rest) -> None:
        self.rest = rest

    def __call__(
        self, path: str, body: Any, key: str | None = "k", caller: Caller = ANN, method: str = "POST", **headers: str
    ) -> Response:
        given = {"content-type": "application/json", **{name.replace("_", "-"): one for name, one in headers.items()}}
        if key is not None:
            given["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = path.partition("?")
        return self.rest.handle(Request(method, path, query, given, raw, caller))


@pytest.fixture
def post(app: App, clock: Clock) -> Client:
    return Client(Rest(app, clock=clock))


def code(response: Response) -> str:
    return str(json.loads(response.body)["code"])


def replayed(first: Response, again: Response) -> bool:
    """Return whether the response is the same and is marked as replayed."""
    told = dict(again.headers)
    says = told.pop("idempotency-replayed", None) == "true"
    return says and (again.status, told, again.body) == (first.status, first.headers, first.body)


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
def test_what_comes_again_is_not_done_again_and_answered_alike(
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


def test_a_replayed_answer_is_compressed_as_its_client_takes_it(post: Client) -> None:
    body = {"id": "a", "text": "x" * 5000}
    plain = post("/api/parcel", body)
    packed = post("/api/parcel", body, accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body)
    assert packed.headers["location"] == plain.headers["location"]


def test_other_keys_callers_and_paths_are_other_requests(app: App, post: Client) -> None:
    body = {"text": "hi"}
    for key, caller in (("k", ANN), ("l", ANN), ("k", BOB), ("K", ANN), ("k", Caller("ann", claims={"iss": "other"}))):
        assert "idempotency-replayed" not in post("/actions/send", body, key, caller).headers
    assert len(CALLED) == 5
    assert post("/api/parcel", {"id": "a"}).status == 201


def test_nobody_gets_at_the_answer_of_another(post: Client) -> None:
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
def test_another_request_with_the_same_key_is_refused(post: Client, path: str, body: Any, more: Any) -> None:
    first = post("/actions/send", {"text": "hi"})
    refused = post(path, body, **more)
    assert (refused.status, code(refused)) == (422, "idempotency_key_reused")
    assert CALLED == ["hi"]
    assert replayed(first, post("/actions/send", {"text": "hi"}, content_type="Application/JSON"))


GOOD = [
    "a",
    "A-Z_0.9:~",
    "x" * 255,
    '"quoted"',
    '"' + "x" * 255 + '"',
    '"with\\"and\\\\"',
    " k ",
    "34c317e8-75d7-4ff5-8076-c0e9c49414af",
]
BAD = [
    "",
    " ",
    "a b",
    '"a b"',
    "a,b c",
    "x" * 256,
    '"',
    '""',
    '"open',
    'open"x y',
    '"a"b',
    '"a", "b"',
    "ü",
    "a\x7f",
    "\x00",
    '"\\x"',
    '"a";p=1',
]


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
def test_keys_are_taken_in_quotes_and_without(post: Client, key: str) -> None:
    assert post("/actions/send", {"text": "hi"}, key).status == 200
    assert "idempotency-replayed" in post("/actions/send", {"text": "hi"}, key).headers


def test_a_key_is_the_same_in_quotes_and_without(post: Client) -> None:
    post("/actions/send", {"text": "hi"}, "k")
    assert "idempotency-replayed" in post("/actions/send", {"text": "hi"}, '"k"').headers


@pytest.mark.parametrize("key", BAD)
def test_keys_that_are_none_are_refused_and_nothing_is_done(app: App, post: Client, key: str) -> None:
    refused = post("/actions/send", {"text": "hi"}, key)
    assert (refused.status, code(refused)) == (400, "idempotency_key_invalid")
    assert (CALLED, app.requests.count()) == ([], 0)


@pytest.mark.parametrize("key", ["k", "a b", "34c317e8-75d7-4ff5-8076-c0e9c49414af"])
def test_who_may_not_do_it_at_all_is_told_that_whatever_the_key(app: App, post: Client, key: str) -> None:
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


def test_who_is_nobody_needs_a_key_that_no_other_comes_upon(post: Client) -> None:
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
def test_what_is_the_outcome_is_kept_and_what_may_be_tried_again_is_not(
    app: App, post: Client, error: Exception, kept: bool
) -> None:
    RAISED.append(error)
    first = post("/actions/send", {"text": "hi"})
    assert first.status == getattr(error, "status", 500)
    RAISED.clear()
    again = post("/actions/send", {"text": "hi"})
    assert (CALLED, app.requests.count()) == (["hi"] * (1 if kept else 2), 1)
    assert replayed(first, again) if kept else again.status == 200


def test_what_is_wrong_with_a_request_can_be_put_right_under_the_same_key(app: App, post: Client) -> None:
    for body in (b"{", {"id": ""}, {"wrong": 1}):
        assert post("/api/parcel", body).status in (400, 422)
    assert post("/api/parcel", {"id": "a"}, content_type="text/plain").status == 415
    assert post("/api/parcel", {"id": "a"}, accept="text/html").status == 406
    assert app.requests.count() == 0
    assert post("/api/parcel", {"id": "a"}).status == 201


def test_an_answer_that_is_too_large_is_given_once(app: App, post: Client) -> None:
    body = {"id": "a", "text": "x" * MAX_KEPT}
    assert post("/api/parcel", body).status == 201
    again = post("/api/parcel", body)
    assert (again.status, code(again)) == (422, "answer_too_large")
    assert json.loads(again.body)["done"] == 201
    assert app.store(Parcel).count() == 1


def test_after_its_time_a_key_is_as_new(post: Client, clock: Clock) -> None:
    post("/actions/send", {"text": "hi"})
    clock.now += DAY - 1
    assert "idempotency-replayed" in post("/actions/send", {"text": "hi"}).headers
    assert code(post("/actions/send", {"text": "ho"})) == "idempotency_key_reused"
    clock.now += 3
    assert "idempotency-replayed" not in post("/actions/send", {"text": "ho"}).headers
    assert "idempotency-replayed" in post("/actions/send", {"text": "ho"}).headers
    assert CALLED == ["hi", "ho"]


class Crash(BaseException):
    """An error that no handler catches."""


REQUEST = Request("POST", "/actions/send", headers={"idempotency-key": "k"}, caller=ANN)


def done(text: bytes = b"done") -> Callable[[], Response]:
    return lambda: Response(200, {}, text)


def crash() -> Response:
    raise Crash


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


def test_who_comes_back_after_the_lease_overwrites_nothing(app: App, clock: Clock) -> None:
    idempotency = Idempotency(app, clock)

    def slow() -> Response:
        clock.now += LEASE
        assert idempotency.answer(REQUEST, done(b"second")).body == b"second"
        return Response(200, {}, b"first")

    assert idempotency.answer(REQUEST, slow).body == b"first"
    assert idempotency.answer(REQUEST, crash).body == b"second"


def test_an_answer_that_comes_while_another_takes_over_is_not_overwritten(
    app: App, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """the first:   ……………………………………………………… the answer ……
    another:     looks: given up ………………………………… takes over? No: looks again"""
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


def test_while_it_is_carried_out_it_is_in_progress(app: App, post: Client, clock: Clock) -> None:
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


def test_a_request_without_a_key_and_what_is_not_posted_leaves_nothing(app: App, post: Client) -> None:
    opened: list[Any] = []
    app.requests._open = lambda: opened.append(1)  # type: ignore[assignment,method-assign,func-returns-value,return-value]
    assert post("/api/parcel", {"id": "a"}, None).status == 201
    assert post("/api/parcel/a", {"text": "b"}, method="PATCH").status == 200
    assert post("/actions/look?text=x", b"", method="GET").status == 200
    assert post("/api/parcel/a", b"", method="DELETE").status == 204
    assert opened == []


def test_it_can_be_off(clock: Clock) -> None:
    app = made(idempotency=None)
    post = Client(Rest(app, clock=clock))
    CALLED.clear()
    assert {post("/actions/send", {"text": "hi"}, key).status for key in ("k", "k", "a b")} == {200}
    assert CALLED == ["hi"] * 3
    assert "Idempotency-Key" not in json.dumps(document(app))
    assert not app.stores_responses


def test_only_a_sensible_time_is_taken_and_the_name_of_its_item_is_nobodys() -> None:
    for wrong in (timedelta(0), timedelta(seconds=-1), timedelta(days=31)):
        with pytest.raises(InvalidDeclaration):
            made(idempotency=wrong)

    @stored(name=REQUESTS.name)
    class Mine:
        id: str

    with pytest.raises(InvalidDeclaration, match="keeps for itself"):
        App("post", items=[Mine], url="memory://")


def test_it_is_prepared_where_something_can_be_posted() -> None:
    @stored
    class Private:
        id: str

    assert made().stores_responses
    assert App("post", items=[Parcel], url="memory://").stores_responses
    assert not App("post", items=[Private], url="memory://").stores_responses


def test_no_surface_offers_what_is_kept(app: App, post: Client) -> None:
    post("/actions/send", {"text": "hi"})
    assert REQUESTS.name not in app.metas
    assert not [name for name in store_operations(app) if "request" in name]
    assert (
        "request"
        not in json.dumps(sorted(document(app)["paths"]))
        + json.dumps(sorted(document(app)["components"]["schemas"])).lower()
    )
    assert post("/api/persisty-request", b"", method="GET").status == 404


def test_a_function_answers_as_the_server_does(app: App, post: Client) -> None:
    def event(body: str) -> dict[str, Any]:
        return {
            "version": "2.0", "rawPath": "/api/parcel", "rawQueryString": "", "body": body,
            "headers": {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324", "Content-Type": "application/json"},
            "requestContext": {"http": {"method": "POST", "path": "/api/parcel"}}, "isBase64Encoded": False,
        }  # fmt: skip

    first, again = (answered(post.rest.handle, event('{"id": "a"}')) for _ in range(2))
    assert first["statusCode"] == 201
    assert again == {**first, "headers": {**first["headers"], "idempotency-replayed": "true"}}
    assert answered(post.rest.handle, event('{"id": "b"}'))["statusCode"] == 422


def test_the_document_tells_of_the_header_and_what_it_may_be_refused_with(app: App, post: Client) -> None:
    found = document(app)
    validate(found)
    told = {}
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            header = [one for one in operation.get("parameters", ()) if one["name"] == "Idempotency-Key"]
            assert bool(header) == (method == "post"), (method, path)
            if header:
                told[path] = (operation["responses"], header[0])
    assert set(told) == {
        "/api/parcel",
        "/api/parcel-batch",
        "/api/diary",
        "/api/diary-batch",
        "/api/-batch",
        "/actions/send",
    }
    for responses, header in told.values():
        assert "idempotency_key_invalid" in responses["400"]["description"]
        assert "idempotency_in_progress" in responses["409"]["description"]
        assert "Retry-After" in responses["409"]["headers"]
        assert {"idempotency_key_reused", "answer_too_large"} <= {*responses["422"]["description"].split(", ")}
        done = responses["201" if "201" in responses else "200"]
        assert "Idempotency-Replayed" in done["headers"]
        assert (header["in"], header.get("required", False)) == ("header", False)
        pattern = re.compile(header["schema"]["pattern"])
        for key in [one.strip() for one in GOOD]:
            assert pattern.search(key), key
        for key in BAD:
            assert not pattern.search(key) or len(key) > 257, key


# Engines


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("sqlite"))


STAGES = (f"i{number}" for number in itertools.count())
RACED = ("memory", "sqlite", "postgresql", "dynamodb-local")
AT_ONCE = 16


@pytest.fixture(params=RACED)
def anywhere(request: pytest.FixtureRequest) -> Iterator[App]:
    """The app on an engine of its own."""
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


def test_of_many_at_once_exactly_one_is_carried_out(anywhere: App, clock: Clock) -> None:
    post = Client(Rest(anywhere, clock=clock))
    for key in ("a", "b", "c"):
        answers = at_once(lambda key=key: post("/actions/send", {"text": key}, key))  # type: ignore[misc]
        statuses = Counter(one.status for one in answers)
        assert set(statuses) <= {200, 409}
        assert CALLED.count(key) == 1
        assert len([one for one in answers if one.status == 200 and "idempotency-replayed" not in one.headers]) == 1
        first = next(one for one in answers if one.status == 200 and "idempotency-replayed" not in one.headers)
        assert replayed(first, post("/actions/send", {"text": key}, key))


def test_of_many_that_take_over_exactly_one_does(anywhere: App, clock: Clock) -> None:
    idempotency = Idempotency(anywhere, clock)
    for key, later in (("crashed", LEASE), ("expired", DAY + 2)):
        request = Request("POST", "/actions/send", headers={"idempotency-key": key}, caller=ANN)
        with pytest.raises(Crash):
            idempotency.answer(request, crash)
        clock.now += later
        carried_out: list[int] = []

        def attempt(request: Request = request, carried_out: list[int] = carried_out) -> Response:
            try:
                return idempotency.answer(request, lambda: (carried_out.append(1), Response(200, {}, b"x"))[1])
            except PersistyError as error:
                return Response(error.status, {})

        assert {one.status for one in at_once(attempt)} <= {200, 409}
        assert carried_out == [1]


def test_what_is_expired_goes_a_little_at_a_time(anywhere: App, clock: Clock) -> None:
    post = Client(Rest(anywhere, clock=clock))
    for number in range(PURGE_EVERY - 1):
        post("/actions/send", {"text": "x"}, f"old{number}")
    store = anywhere.requests
    backend: Any = context_of(store).backend
    if backend.capabilities.expiring:
        engine: Any = anywhere.engine
        told = engine.transport.call("DescribeTimeToLive", {"TableName": f"post-{anywhere.stage}-persisty-request"})
        assert told["TimeToLiveDescription"]["AttributeName"] == "expires"
        assert Idempotency(anywhere, clock).purge() == 0
        return
    assert store.count() == PURGE_EVERY - 1
    clock.now += DAY + 2
    for number in range(10 * PURGE_EVERY):
        post("/actions/send", {"text": "x"}, f"new{number}")
    assert store.count() < 11 * PURGE_EVERY - 5
    assert all(Idempotency(anywhere, clock).purge() <= PURGED for _ in range(5))
    assert sum(one.expires > clock.now for one in store.search_all()) == 10 * PURGE_EVERY
