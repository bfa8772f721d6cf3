"""The actions of docs/actions.md run, for the callers that the page names."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from msgspec import json

from examples.messenger.app import Message, User
from examples.messenger.seeds import seed
from persisty import ANONYMOUS, App, Caller
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest

from .test_docs import declared

ADMIN = Caller("root", frozenset({"admin"}))


@pytest.fixture
def rest() -> Iterator[Rest]:
    page = declared("docs/actions.md")
    actions = [page[name] for name in ("message_total", "my_messages", "remove_spam", "shorten")]
    before = page["app"].url
    page["app"].use("memory://")
    app = App("messenger", items=[User, Message], actions=actions, url="memory://")
    page["app"].prepare()
    seed(page["app"])
    yield Rest(app)
    page["app"].use(before)


def test_the_actions_answer_the_callers_that_they_declare(rest: Rest) -> None:
    def call(method: str, path: str, caller: Caller, body: bytes = b"") -> tuple[int, object]:
        sent = {"content-type": "application/json"} if body else {}
        answer = rest.handle(Request(method, f"/actions/{path}", "", sent, body, caller))
        return answer.status, json.decode(answer.body)

    assert call("GET", "message-total", ANONYMOUS) == (200, 5)
    assert call("GET", "my-messages", ANONYMOUS)[0] == 401
    assert call("GET", "my-messages", Caller(str(UUID(int=1)))) == (200, [])
    spam = json.encode({"word": "deployed"})
    assert call("POST", "remove-spam", Caller("ann"), spam)[0] == 403
    assert call("POST", "remove-spam", ADMIN, spam) == (200, 1)


def test_an_action_refuses_a_call_with_the_status_that_the_page_names(rest: Rest) -> None:
    page = declared("docs/actions.md")
    message = page["app"].store(Message).search(limit=1).items[0]

    def shorten(key: object, length: int) -> tuple[int, dict[str, object]]:
        body = json.encode({"key": key, "length": length})
        sent = {"content-type": "application/json"}
        answer = rest.handle(Request("POST", "/actions/shorten", "", sent, body, Caller("ann")))
        found = json.decode(answer.body)
        return answer.status, found if isinstance(found, dict) else {"text": found}

    status, problem = shorten(message.id, 0)
    assert (status, problem["faults"]) == (
        422,
        [{"path": "/length", "message": "Expected int >= 1", "expected": "int >= 1", "found": "0"}],
    )
    status, problem = shorten(UUID(int=1), 1)
    assert (status, problem["code"], problem["detail"]) == (404, "not_found", "There is no such message")
    status, problem = shorten(message.id, 1000)
    assert (status, problem["code"], problem["detail"]) == (409, "conflict", "The message is not longer")
    assert shorten(message.id, 1) == (200, {"text": message.text[:1]})
