"""GraphiQL first shows a query that works for the app, with any items and actions."""

from __future__ import annotations

import pytest
from servey.action.action import action
from servey.trigger.web_trigger import WEB_GET

from examples.messenger.app import app as messenger
from persisty import App, Attr, everyone, public, stored
from persisty.api.actions import operations
from persisty.api.graphql.hosted.schema import GraphqlSchema
from persisty.api.graphql.starter_query import starter_query

from .gallery import app as gallery
from .town import app as town


@stored(access=public)
class Note:
    id: Attr[str]
    tags: Attr[list[str]] = Attr(factory=list)


@action(access_control=everyone, triggers=WEB_GET)
def ping() -> str:
    return "pong"


APPS = {
    "messenger": messenger,
    "gallery": gallery,
    "town": town,
    "one store": App("one", items=[Note], url="memory://"),
    "an action": App("two", items=[], actions=[ping], url="memory://"),
    "nothing": App("none", items=[], url="memory://"),
}


@pytest.mark.parametrize("name", APPS)
def test_the_starter_query_is_valid_and_has_a_response(name: str) -> None:
    app = APPS[name]
    query = starter_query(operations(app).values())
    answer = GraphqlSchema(app).execute(query)
    codes = [one["extensions"]["code"] for one in answer.get("errors", ())]
    assert codes in ([], ["unauthenticated"]), answer
    assert ("Search(limit: 5)" in query) == (len(app.metas) > 0)
