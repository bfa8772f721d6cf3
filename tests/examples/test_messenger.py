"""The messenger: who signs up and logs in, whose messages are whose, and that no password leaves it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import structs

from examples.messenger import actions, passwords
from examples.messenger.app import AuthorTotal, Message, User
from persisty import App, Caller, Event
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.graphql.sdl import sdl
from persisty.api.http.authentication import Identified
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.api.store_operations import store_operations
from persisty.application.working import drain
from persisty.model.generators import now
from persisty.security.authenticator import Authenticator

PASSWORD = "correct horse battery staple"
Call = Callable[..., tuple[int, Any]]


@pytest.fixture
def call(messenger: App) -> Call:
    rest = Identified(Rest(messenger).handle, messenger.authenticator)
    graphql = Identified(GraphqlEndpoint(messenger).handle, messenger.authenticator)

    def call(method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        handle = graphql.handle if path == "/graphql" else rest.handle
        answer = handle(Request(method, path, query, headers, b"" if body is None else json.dumps(body).encode()))
        return answer.status, json.loads(answer.body) if answer.body else None

    return call


def sign_up(call: Call, name: str) -> dict[str, str]:
    status, session = call(
        "POST", "/actions/sign-up", {"username": name, "password": PASSWORD, "email": f"{name}@x.org"}
    )
    assert status == 200
    found: dict[str, str] = session
    return found


def test_who_signs_up_can_log_in_and_write(call: Call) -> None:
    made = sign_up(call, "dan")
    status, session = call("POST", "/actions/log-in", {"username": "dan", "password": PASSWORD})
    assert (status, session["user_id"]) == (200, made["user_id"])
    status, message = call("POST", "/api/message", {"text": "mine"}, session["token"])
    assert (status, message["author_id"]) == (201, made["user_id"])
    status, taken = call("POST", "/actions/sign-up", {"username": "dan", "password": PASSWORD})
    assert (status, taken["attributes"]) == (409, ["username"])
    status, short = call("POST", "/actions/sign-up", {"username": "eve", "password": "short"})
    assert (status, [fault["path"] for fault in short["faults"]]) == (422, ["/password"])


def test_what_was_wrong_at_the_door_is_not_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_up(call, "dan")
    tried: list[str | None] = []
    verify = passwords.HASHER.verify
    monkeypatch.setattr(
        type(passwords.HASHER), "verify", lambda self, stored, given: tried.append(stored) or verify(stored, given)
    )
    answers = [
        call("POST", "/actions/log-in", {"username": name, "password": password})
        for name, password in (("dan", "wrong"), ("nobody", PASSWORD), ("ann", PASSWORD))  # ann has no password at all
    ]
    assert answers == [answers[0]] * 3
    assert answers[0] == (
        401,
        {
            "code": "unauthenticated",
            "detail": "The name or the password is wrong",
            "status": 401,
            "title": "Unauthenticated",
        },
    )
    assert len(tried) == 3  # each took the same work


def test_messages_are_their_authors_and_admins(call: Call, messenger: App) -> None:
    dan, eve = sign_up(call, "dan"), sign_up(call, "eve")
    _, message = call("POST", "/api/message", {"text": "mine"}, dan["token"])
    path = f"/api/message/{message['id']}"
    assert call("GET", path)[0] == 401
    assert call("GET", path, token=eve["token"])[0] == 200
    assert call("PATCH", path, {"text": "ours"}, eve["token"])[1]["code"] == "forbidden"
    assert call("DELETE", path, token=eve["token"])[0] == 403
    assert call("POST", "/api/message", {"text": "x", "author_id": dan["user_id"]}, eve["token"])[0] == 403
    assert call("PATCH", path, {"author_id": eve["user_id"]}, dan["token"])[0] == 422
    assert call("PATCH", path, {"text": "still mine"}, dan["token"])[1]["text"] == "still mine"

    messenger.store(User).update(UUID(eve["user_id"]), {"admin": True})
    _, admin = call("POST", "/actions/log-in", {"username": "eve", "password": PASSWORD})
    assert call("PATCH", path, {"text": "moderated"}, admin["token"])[1]["text"] == "moderated"
    assert call("DELETE", f"/api/user/{dan['user_id']}", token=admin["token"])[0] == 204
    assert call("GET", path, token=admin["token"])[0] == 404


def test_nobody_makes_itself_an_admin(call: Call) -> None:
    dan = sign_up(call, "dan")
    path = f"/api/user/{dan['user_id']}"
    status, refused = call("PATCH", path, {"admin": True}, dan["token"])
    assert (status, refused["faults"][0]["path"]) == (422, "/admin")
    assert call("POST", "/api/user", {"username": "x"}, dan["token"])[0] == 405
    assert call("PATCH", path, {"full_name": "Dan"}, dan["token"])[1]["full_name"] == "Dan"


def test_an_email_is_for_its_owner_and_admins(call: Call, messenger: App) -> None:
    dan, eve = sign_up(call, "dan"), sign_up(call, "eve")
    path = f"/api/user/{dan['user_id']}"
    assert call("GET", path, token=dan["token"])[1]["email"] == "dan@x.org"
    assert "email" not in call("GET", path, token=eve["token"])[1]
    admin = messenger.authenticator.token(Caller("root", frozenset({"admin"})))
    assert call("GET", path, token=admin)[1]["email"] == "dan@x.org"
    assert call("GET", "/api/user?email=dan@x.org", token=eve["token"])[1]["items"] == []
    assert call("GET", "/api/user?order=email", token=eve["token"])[0] == 400


def test_no_password_and_no_digest_leaves(call: Call, messenger: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    dan = sign_up(call, "dan")
    [stored] = messenger.store(User).search(User.username == "dan").items
    assert stored.password_digest is not None
    assert stored.password_digest.startswith("$argon2id$")
    token = messenger.authenticator.token(Caller(dan["user_id"], frozenset({"admin"})))
    query = "{ userSearch { items { id username email admin messages { items { text author { username } } } } } }"
    answers = [
        call("GET", f"/api/user/{dan['user_id']}?include=messages.author", token=token),
        call("GET", "/api/user?include=messages", token=token),
        call("GET", f"/api/user-batch?key={dan['user_id']}", token=token),
        call("POST", "/graphql", {"query": query}, token),
        call("POST", "/graphql", {"query": "{ userSearch { items { password_digest } } }"}, token),
        call("GET", "/api/user?password_digest=x", token=token),
        call("GET", "/api/user?order=password_digest", token=token),
        call("PATCH", f"/api/user/{dan['user_id']}", {"full_name": "D"}, token),
        call("PATCH", f"/api/user/{dan['user_id']}?password_digest__gt=a", {"full_name": "D"}, token),
        call("POST", "/actions/sign-up", {"username": "dan", "password": PASSWORD}),
        call("GET", "/openapi.json"),
    ]
    told = json.dumps(answers) + sdl(store_operations(messenger).values()) + caplog.text
    assert "argon2" not in told
    assert PASSWORD not in told
    assert [status for status, _ in answers[4:7]] == [200, 400, 400]
    assert "password_digest" not in json.dumps([answer for _, answer in answers[:4]] + [answers[7][1], answers[10][1]])


def test_a_sign_up_whose_token_cannot_be_signed_leaves_no_user(call: Call, messenger: App) -> None:
    messenger.authenticator, before = Authenticator(), messenger.store(User).count()
    status, problem = call("POST", "/actions/sign-up", {"username": "dan", "password": PASSWORD})
    assert (status, problem["code"]) == (500, "invalid_declaration")
    assert messenger.store(User).count() == before


def test_new_messages_are_notified_and_counted_once_for_their_author(
    messenger: App, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "messenger"):
        drain(messenger)
    totals = messenger.store(AuthorTotal)
    counts = messenger.store(Message).count_by(Message.author_id)
    assert {one.author_id: one.messages for one in totals.search_all()} == counts
    assert caplog.text.count("has written message") == sum(counts.values())
    author = next(iter(counts))
    event: Event[Message] = Event(uuid4(), "message", "created", "a", None, None, now(), None)
    message = Message(id=uuid4(), text="again", author_id=author)
    for attempt in (1, 2):
        actions.count_message(structs.replace(event, after=message, attempt=attempt))
    counted = totals.read(author)
    assert counted is not None
    assert counted.messages == counts[author] + 1
