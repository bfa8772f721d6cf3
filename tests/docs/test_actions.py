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
    actions = [page[name] for name in ("message_total", "my_messages", "remove_spam")]
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
