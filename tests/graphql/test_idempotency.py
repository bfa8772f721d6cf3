"""`Idempotency-Key` with a mutation: it is executed once, and the whole response is replayed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from persisty import GENERATED, Access, App, BelongsTo, Caller, authenticated, everyone, link, stored
from persisty.api.graphql.hosted.endpoint import RESPONSE_JSON, GraphqlEndpoint
from persisty.api.http.messages import Request, Response
from persisty.errors import BackendUnavailable
from persisty.store.store import Store

OPEN = Access(read=everyone, create=everyone, update=everyone, delete=everyone)


@stored(access=OPEN)
class Account:
    id: str
    balance: int = 0


@stored(access=Access(read=everyone, create=authenticated))
class Entry:
    id: UUID = GENERATED
    text: str = ""
    account_id: str | None = None
    account: BelongsTo[Account] = link()


ANN, BOB, NOBODY = Caller("ann"), Caller("bob"), Caller()
WRITE = "mutation ($t: String!) { entryCreate(item: {text: $t}) { id text } }"
SET = 'mutation { accountUpdate(key: "a", changes: {balance: 1}) { balance } }'


@dataclass
class Asking:
    """Return an app and its endpoint."""

    app: App
    endpoint: GraphqlEndpoint

    def post(
        self, text: str | None, key: str | None = "one", caller: Caller = ANN, more: Any = None, **variables: Any
    ) -> Response:
        body = {"query": text, "variables": variables, **(more or {})}
        headers = {"content-type": "application/json", **({} if key is None else {"idempotency-key": key})}
        return self.endpoint.handle(Request("POST", "/graphql", "", headers, json.dumps(body).encode(), caller))

    def code(self, text: str | None, *given: Any, **variables: Any) -> Any:
        """Return the code of the only error."""
        response = self.post(text, *given, **variables)
        [error] = json.loads(response.body)["errors"]
        assert response.status == 200
        return error["extensions"]["code"]

    @property
    def stored(self) -> int:
        """Return the number of stored requests."""
        return self.app.requests.count()


@pytest.fixture(params=["memory://", "sqlite://"])
def asking(request: pytest.FixtureRequest) -> Iterator[Asking]:
    app = App("bank", items=[Account, Entry], url=request.param)
    app.prepare()
    app.store(Account).create({"id": "a"})
    yield Asking(app, GraphqlEndpoint(app))
    app.close()


def replayed(response: Response) -> bool:
    return response.headers.get("idempotency-replayed") == "true"


BATCH = """mutation ($t: String!) { editBatch(edits: [{entry: {create: {text: $t}}}, {account: {update: {key: "a", changes: {balance: 1}}}}])
    { code item { entry { id } account { balance } } } }"""


@pytest.mark.parametrize("text", [WRITE, BATCH], ids=["create", "editBatch"])
def test_a_repeated_mutation_is_executed_once_and_its_response_is_replayed(asking: Asking, text: str) -> None:
    first, again = asking.post(text, t="coffee"), asking.post(text, t="coffee")
    assert "errors" not in json.loads(first.body)
    assert (again.status, again.body, replayed(first), replayed(again)) == (200, first.body, False, True)
    assert asking.app.store(Entry).count() == 1
    assert not replayed(asking.post(text, "another", t="coffee"))
    assert not replayed(asking.post(text, None, t="coffee"))
    assert asking.app.store(Entry).count() == 3


def test_a_repeated_update_does_not_overwrite_later_writes(asking: Asking) -> None:
    first = asking.post(SET)
    asking.app.store(Account).update("a", {"balance": 5})
    assert asking.post(SET).body == first.body
    assert asking.app.store(Account).read("a") == Account(id="a", balance=5)


@pytest.mark.parametrize(
    "other",
    [
        {"text": WRITE, "t": "tea"},
        {"text": WRITE.replace("id text", "id"), "t": "coffee"},
        {"text": WRITE, "t": "coffee", "caller": Caller("ann", claims={"tenant": "red"})},
        {"text": WRITE, "t": "coffee", "caller": Caller("ann", frozenset({"admin"}))},
    ],
    ids=["variables", "document", "claims", "scopes"],
)
def test_a_key_with_another_mutation_or_other_claims_is_rejected(asking: Asking, other: dict[str, Any]) -> None:
    asking.post(WRITE, t="coffee")
    assert asking.code(**other) == "idempotency_key_reused"
    assert asking.app.store(Entry).count() == 1


def test_a_key_belongs_to_its_caller(asking: Asking) -> None:
    assert not replayed(asking.post(WRITE, t="coffee"))
    assert not replayed(asking.post(WRITE, caller=BOB, t="coffee"))
    assert asking.app.store(Entry).count() == 2


def test_a_document_is_the_same_by_its_text_and_by_its_hash(asking: Asking) -> None:
    """Clients with persisted documents send the hash first, also when they repeat a request."""
    named = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(WRITE.encode()).hexdigest()}}}
    assert asking.code(None, more=named, t="coffee") == "persisted_query_not_found"
    first, again = asking.post(WRITE, more=named, t="coffee"), asking.post(None, more=named, t="coffee")
    assert (again.body, replayed(again)) == (first.body, True)


def test_a_query_ignores_the_key(asking: Asking) -> None:
    count = "{ entryCount }"
    assert json.loads(asking.post(count).body) == {"data": {"entryCount": 0}}
    asking.post(WRITE, None, t="coffee")
    assert json.loads(asking.post(count).body) == {"data": {"entryCount": 1}}
    assert asking.stored == 0


def test_a_document_that_is_not_executed_stores_nothing(asking: Asking) -> None:
    assert asking.code("mutation { nothing }") == "malformed_graphql"
    assert asking.code(WRITE, t=None) == "invalid_input"
    assert asking.stored == 0
    assert not replayed(asking.post(WRITE, t="coffee"))


def test_a_caller_without_access_to_any_field_stores_no_record(asking: Asking) -> None:
    """The access is checked before the key, even a malformed one."""
    assert asking.code(WRITE, "no UUID", NOBODY, t="x") == "unauthenticated"
    assert asking.stored == 0


def test_a_mutation_whose_fields_all_failed_temporarily_is_executed_again(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_to_create(patch, "entry")
        assert asking.code(WRITE, t="coffee") == "backend_unavailable"
    assert asking.stored == 0
    assert not replayed(asking.post(WRITE, t="coffee"))
    assert asking.app.store(Entry).count() == 1


def test_a_conflict_is_an_outcome(asking: Asking) -> None:
    text = 'mutation { accountCreate(item: {id: "a"}) { id } }'
    assert asking.code(text) == "conflict"
    asking.app.store(Account).delete("a")
    again = asking.post(text)
    assert replayed(again)
    assert asking.app.store(Account).count() == 0


def test_a_mutation_with_one_executed_field_is_not_executed_again(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = WRITE.replace("{ entry", '{ accountUpdate(key: "a", changes: {balance: 1}) { balance } entry')
    with monkeypatch.context() as patch:
        fail_to_create(patch, "entry")
        assert asking.code(document, t="coffee") == "backend_unavailable"
    asking.app.store(Account).update("a", {"balance": 5})
    assert replayed(asking.post(document, t="coffee"))
    assert asking.app.store(Account).read("a") == Account(id="a", balance=5)


@pytest.mark.parametrize("broken", ["Store.related", "Answer"])
def test_a_mutation_that_failed_after_its_write_is_not_executed_again(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """A link cannot be loaded, or the response cannot be made: an error that no operation caused."""
    places = {"Store.related": "persisty.store.store.Store.related", "Answer": "persisty.api.graphql.response.Answer"}
    text = 'mutation ($t: String!) { entryCreate(item: {text: $t, account_id: "a"}) { account { balance } } }'
    with monkeypatch.context() as patch:
        patch.setattr(places[broken], _unavailable)
        response = asking.post(text, t="coffee")
    assert b"backend_unavailable" in response.body
    again = asking.post(text, t="coffee")
    assert (replayed(again), again.status, again.body) == (True, response.status, response.body)
    assert asking.app.store(Entry).count() == 1


def test_a_mutation_in_progress_is_not_executed_twice(asking: Asking) -> None:
    codes: list[Any] = []
    asking.app.listen([Entry], lambda change: codes.append(asking.code(WRITE, t="coffee")))
    asking.post(WRITE, t="coffee")
    assert codes == ["idempotency_in_progress"]


def test_an_anonymous_key_must_be_a_uuid(asking: Asking) -> None:
    assert asking.code(SET, "one", NOBODY) == "idempotency_key_invalid"
    assert asking.app.store(Account).read("a") == Account(id="a", balance=0)
    key = str(uuid4())
    assert [replayed(asking.post(SET, key, NOBODY)) for _ in range(2)] == [False, True]


def test_an_error_of_the_key_has_the_status_of_a_request_that_is_not_executed(asking: Asking) -> None:
    asking.post(WRITE, t="coffee")
    headers = {"content-type": "application/json", "accept": RESPONSE_JSON, "idempotency-key": "one"}
    body = json.dumps({"query": WRITE, "variables": {"t": "tea"}}).encode()
    response = asking.endpoint.handle(Request("POST", "/graphql", "", headers, body, ANN))
    assert (response.status, response.headers["content-type"]) == (400, RESPONSE_JSON)


def test_an_app_without_idempotency_ignores_the_key() -> None:
    app = App("bank", items=[Account, Entry], url="memory://", idempotency=None)
    asking = Asking(app, GraphqlEndpoint(app))
    assert [replayed(asking.post(WRITE, t="coffee")) for _ in range(2)] == [False, False]
    assert app.store(Entry).count() == 2


@pytest.mark.parametrize("wrong", ["requests", "response"])
def test_errors_of_the_store_of_requests(asking: Asking, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Nothing is executed if the key cannot be stored. An executed mutation has its response, even if that cannot be stored."""
    if wrong == "requests":
        fail_to_create(monkeypatch, "persisty_request")
        assert asking.code(WRITE, t="coffee") == "backend_unavailable"
    else:
        monkeypatch.setattr(asking.app.requests, "update", _unavailable)
        assert "errors" not in json.loads(asking.post(WRITE, t="coffee").body)
    assert asking.app.store(Entry).count() == (wrong == "response")


def fail_to_create(patch: pytest.MonkeyPatch, store: str) -> None:
    create = Store.create

    def failing(self: Store[Any], *given: Any, **more: Any) -> Any:
        return _unavailable() if self.meta.name == store else create(self, *given, **more)

    patch.setattr(Store, "create", failing)


def _unavailable(*given: Any, **more: Any) -> Any:
    raise BackendUnavailable
