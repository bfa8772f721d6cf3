"""An app's actions in servey's own hosts: its Starlette application, and its handlers of AWS events.

servey's wheel registers none of its implementations, so they are registered here, as an application would. Its hosts have limits: the handler of API
Gateway's events does not support lists and objects in query strings, and its router does not support parameters in paths. Therefore each action is
called through its own handler there, as if it were deployed as its own function.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import injecty
import marshy
import pytest
import schemey
from servey.action.action import Action
from servey.security.authorizer import authorizer_factory_abc
from servey.servey_aws.event_handler.event_handler_abc import get_event_handlers

from persisty import App, owned, stored
from persisty.api.authorization import TokenAuthorizer
from persisty.api.servey import servey_actions
from persisty.errors import Forbidden, PersistyError
from tests import tokens

from .conftest import Caller

PLACES: dict[str, list[str]] = {
    "schemey.factory.schema_factory_abc:SchemaFactoryABC": [
        f"schemey.factory.{name}"
        for name in (
            "ref_schema_factory", "datetime_factory", "uuid_factory", "enum_schema_factory", "impl_schema_factory",
            "external_type_factory", "any_of_schema_factory", "factory_schema_factory", "tuple_schema_factory",
            "array_schema_factory", "dataclass_schema_factory", "simple_type_factory",
        )
    ],
    "schemey.json_schema.schema_validator_abc:SchemaValidatorABC": [
        f"schemey.json_schema.{name}" for name in ("ranges_validator", "timestamp_validator")
    ],
    "servey.servey_starlette.route_factory.route_factory_abc:RouteFactoryABC": [
        "servey.servey_starlette.route_factory.action_route_factory",
    ],
    "servey.servey_starlette.middleware.middleware_factory_abc:MiddlewareFactoryABC": [
        "servey.servey_starlette.middleware.cors_middleware_factory",
    ],
    "servey.servey_starlette.action_endpoint.factory.action_endpoint_factory_abc:ActionEndpointFactoryABC": [
        f"servey.servey_starlette.action_endpoint.factory.{name}"
        for name in (
            "action_endpoint_factory", "authorizing_action_endpoint_factory", "caching_action_endpoint_factory",
            "self_action_endpoint_factory",
        )
    ],
    "servey.servey_aws.event_handler.event_handler_abc:EventHandlerFactoryABC": [
        f"servey.servey_aws.event_handler.{name}"
        for name in ("event_handler", "api_gateway_event_handler", "appsync_event_handler")
    ],
    "servey.servey_aws.router.router_abc:RouterABC": [
        f"servey.servey_aws.router.{name}" for name in ("router", "appsync_router", "api_gateway_router")
    ],
}  # fmt: skip
"""Base → the modules of servey and schemey that have its implementations."""
NOT_BY_THEMSELVES = {"SimpleTypeFactory"}


def implementations(base: type, module: ModuleType) -> list[type]:
    return [
        one
        for one in vars(module).values()
        if isinstance(one, type)
        and issubclass(one, base)
        and one.__module__ == module.__name__
        and one.__name__ not in NOT_BY_THEMSELVES
    ]


@stored(access=owned("owner"))
class Diary:
    id: UUID
    text: str
    owner: str


class Hosts:
    """The hosts of servey for one app."""

    def __init__(self, app: App) -> None:
        self.actions: dict[str, Action] = {one.name: one for one in servey_actions(app)}
        self._starlette = fresh("servey.servey_starlette.starlette_app").app
        self._router = fresh("servey.servey_aws.lambda_router").invoke

    def http(
        self, method: str, path: str, *, query: str = "", body: Any = None, token: str | None = None
    ) -> httpx.Response:
        """Return the response of servey's Starlette application."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._starlette, raise_app_exceptions=True)
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(transport=transport, base_url="http://servey", headers=headers) as client:
                return await client.request(method, f"{path}?{query}" if query else path, json=body)

        return asyncio.run(ask())

    def direct(self, name: str, token: str | None = None, /, **params: Any) -> Any:
        """Return the response of servey's router to an event that names the action."""
        return self._router({"action_name": name, "params": params, "authorization": token}, None)

    def appsync(self, field: str, token: str | None = None, /, **arguments: Any) -> Any:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return self._router(
            {"info": {"fieldName": field}, "arguments": arguments, "request": {"headers": headers}}, None
        )

    def gateway(self, name: str, body: Any = None, token: str | None = None, /, **more: Any) -> tuple[int, Any]:
        """Return the response of the action's own function to API Gateway."""
        action = self.actions[name]
        [trigger] = action.triggers
        event = {
            "httpMethod": trigger.method.value.upper(), "path": trigger.path, "body": None if body is None else json.dumps(body),
            "headers": {} if token is None else {"Authorization": f"Bearer {token}"}, **more,
        }  # fmt: skip
        handler = next(one for one in get_event_handlers(action) if one.is_usable(event, None))
        answer = handler.handle(event, None)
        return answer["statusCode"], json.loads(answer["body"])


def fresh(name: str) -> Any:
    """A module of servey that imports others at its import."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@pytest.fixture
def servey(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Register servey's implementations for a test. Yield the function that makes the hosts of an app."""
    context = injecty.create_injecty_context()
    monkeypatch.setattr(injecty, "_DEFAULT_CONTEXT", context)
    monkeypatch.setattr(marshy, "_default_context", None)
    monkeypatch.setattr(schemey, "_default_context", None)
    for place, modules in PLACES.items():
        module, _, name = place.partition(":")
        base = getattr(importlib.import_module(module), name)
        for one in modules:
            found = implementations(base, importlib.import_module(one))
            assert found, one
            context.register_impls(base, found)
    finders = importlib.import_module("servey.finder.action_finder_abc")

    def hosts(app: App) -> Hosts:
        class Finder(finders.ActionFinderABC):  # type: ignore[misc, name-defined]
            def find_actions(self) -> Iterator[Action]:
                yield from servey_actions(app)

        context.register_impl(finders.ActionFinderABC, Finder)
        monkeypatch.setattr(authorizer_factory_abc, "_default_authorizer", TokenAuthorizer(app.authenticator))
        return Hosts(app)

    yield hosts
    for name in ("servey.servey_starlette.starlette_app", "servey.servey_aws.lambda_router"):
        sys.modules.pop(name, None)


def test_installing_servey_registers_nothing() -> None:
    names = [one.name for one in pkgutil.iter_modules() if one.name.startswith("injecty_config")]
    assert names == ["injecty_config_marshy"]


FULL = {
    "name": "one", "weight": 3, "ratio": 0.5, "price": "1.50", "colour": "red", "born": "2001-02-03", "raw": "AP8=",
    "tags": ["a", "b"], "size": "m", "grade": 2, "spot": {"town": "Ulm", "postCode": "1"}, "label": "first",
}  # fmt: skip


def test_every_standard_action_answers_in_its_starlette_host_as_over_rest(app: App, call: Caller, servey: Any) -> None:
    hosts = servey(app)
    made = hosts.http("POST", "/api/thing", body={"item": FULL})
    assert made.status_code == 200, made.text
    key = made.json()["id"]
    shown = call("GET", f"/api/thing/{key}")[1]
    assert normal(made.json()) == normal(shown)
    read = hosts.http("GET", f"/api/thing/{key}")
    assert normal(read.json()) == normal(shown)
    changed = hosts.http("PATCH", f"/api/thing/{key}", body={"changes": {"weight": 9, "spot": None}})
    assert (changed.json()["weight"], changed.json()["spot"]) == (9, None)
    refused = hosts.http("PATCH", f"/api/thing/{key}", body={"changes": [1]})
    assert refused.status_code == 422
    found = hosts.http("GET", "/api/thing", query="where.name.eq=one&limit=5")
    assert [one["id"] for one in found.json()["items"]] == [key]
    assert hosts.http("GET", "/api/thing-count").json() == 1
    several = hosts.http("GET", "/api/thing-batch", query=urlencode([("keys", key), ("keys", "nothing")]))
    assert [one and one["id"] for one in several.json()] == [key, None]
    edits = [
        {"create": {"name": "two"}},
        {"delete": {"key": "nothing"}},
        {"update": {"key": key, "changes": {"weight": 1}}},
    ]
    done = hosts.http("POST", "/api/thing-batch", body={"edits": edits})
    assert [one["code"] for one in done.json()] == ["ok", "not_found", "ok"]
    assert hosts.http("DELETE", f"/api/thing/{key}").json() is True
    assert call("GET", f"/api/thing/{key}")[0] == 404
    assert hosts.http("GET", "/actions/add", query="left=2&right=3").json() == {"total": 5}
    assert hosts.http("POST", "/actions/repeat", body={"text": "ab", "times": 2}).json() == "abab"
    assert hosts.http("POST", "/actions/forbidden", body={}).status_code == 401


def normal(item: Any) -> Any:
    """Return the content without times, which have an offset in servey."""
    return {name: one for name, one in item.items() if not name.endswith("_at")}


def test_every_standard_action_answers_to_aws_events(app: App, call: Caller, servey: Any) -> None:
    hosts = servey(app)
    made = hosts.direct("thing_create", item=FULL)
    key = made["id"]
    assert normal(made) == normal(call("GET", f"/api/thing/{key}")[1])
    assert normal(hosts.direct("thing_read", key=key)) == normal(made)
    assert hosts.direct("thing_update", key=key, changes={"weight": 7}, when={"weight": {"eq": 3}})["weight"] == 7
    assert [
        one["id"] for one in hosts.direct("thing_search", where={"weight": {"ge": 7}}, order=["-weight"])["items"]
    ] == [key]
    assert hosts.direct("thing_count", where={"weight": {"lt": 7}}) == 0
    assert [one and one["id"] for one in hosts.direct("thing_read_batch", keys=["nothing", key])] == [None, key]
    edits = [{"create": {"name": "two"}}, {"delete": {"key": key}}]
    assert [one["code"] for one in hosts.direct("thing_edit_batch", edits=edits)] == ["ok", "ok"]
    [remaining] = hosts.direct("thing_search")["items"]
    assert hosts.direct("thing_delete", key=remaining["id"]) is True
    assert hosts.direct("add", left=1, right=2) == {"total": 3}


def test_every_standard_action_answers_to_appsync_events(app: App, servey: Any) -> None:
    hosts = servey(app)
    made = hosts.appsync("tallyCreate", item={"hits": 3})
    key = made["id"]
    assert hosts.appsync("tallyRead", key=key)["hits"] == 3
    assert hosts.appsync("tallyUpdate", key=key, changes={"hits": 4})["hits"] == 4
    assert [one["id"] for one in hosts.appsync("tallySearch", where={"hits": {"eq": 4}})["items"]] == [key]
    assert hosts.appsync("tallyCount") == 1
    assert hosts.appsync("tallyReadBatch", keys=[key])[0]["hits"] == 4
    assert [one["code"] for one in hosts.appsync("tallyEditBatch", edits=[{"create": {"hits": 9}}])] == ["ok"]
    assert hosts.appsync("tallyDelete", key=key) is True


def test_every_standard_action_answers_to_api_gateway(app: App, servey: Any) -> None:
    hosts = servey(app)
    status, made = hosts.gateway("thing_create", {"item": FULL})
    assert status == 200
    path = {"pathParameters": {"key": made["id"]}}
    assert hosts.gateway("thing_read", **path) == (200, made)
    assert hosts.gateway("thing_update", {"changes": {"weight": 7}}, **path)[1]["weight"] == 7
    assert [one["id"] for one in hosts.gateway("thing_search", queryStringParameters={"limit": "5"})[1]["items"]] == [
        made["id"]
    ]
    assert hosts.gateway("thing_count") == (200, 1)
    assert hosts.gateway("thing_edit_batch", {"edits": [{"create": {"name": "two"}}]})[1][0]["code"] == "ok"
    assert hosts.gateway("thing_read_batch", queryStringParameters={"keys": [made["id"]]})[1][0]["id"] == made["id"]
    assert hosts.gateway("thing_delete", **path) == (200, True)


def test_a_token_identifies_the_caller_in_every_host(servey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App("diaries", items=[Diary], url="memory://")
    app.authenticator = tokens.authenticator()
    hosts = servey(app)
    ann, ben = tokens.own(), tokens.own(sub="ben")
    made = hosts.http("POST", "/api/diary", body={"item": {"text": "mine"}}, token=ann).json()
    assert made["owner"] == "ann"
    key = made["id"]
    for read in (
        lambda token: hosts.http("GET", f"/api/diary/{key}", token=token).json(),
        lambda token: hosts.direct("diary_read", token, key=key),
        lambda token: hosts.appsync("diaryRead", token, key=key),
        lambda token: hosts.gateway("diary_read", None, token, pathParameters={"key": key})[1],
    ):
        assert read(ann)["text"] == "mine"
        assert read(ben) is None
        with pytest.raises(PersistyError) as refused:
            read(None)
        assert refused.value.code == "unauthenticated"
    with pytest.raises(Forbidden):
        hosts.direct("diary_create", ben, item={"text": "x", "owner": "ann"})
    app.close()
