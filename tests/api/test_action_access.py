"""Custom actions are denied unless they declare their callers, on every surface and in every start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import json
from servey.action.action import action
from servey.security.access_control.access_control_abc import AccessControlABC
from servey.security.access_control.allow_all import ALLOW_ALL
from servey.security.access_control.scope_access_control import ScopeAccessControl
from servey.trigger.web_trigger import WEB_POST, WebTrigger, WebTriggerMethod

from persisty import (
    ANONYMOUS,
    App,
    Attr,
    Caller,
    InvalidDeclaration,
    Rule,
    authenticated,
    claim,
    custom,
    everyone,
    nobody,
    owned,
    private,
    public,
    read_only,
    scope,
    stored,
)
from persisty.api.action_access import looks_at_callers, rule_of
from persisty.api.authorization import authorization_of
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.messages import Request
from persisty.api.openapi.document import document
from persisty.api.rest.endpoint import Rest
from persisty.api.servey import servey_actions
from persisty.deploy.plan import plan_of
from persisty.hosting.server import Server

SENT = {"content-type": "application/json"}
ANN = Caller("ann")
ADMIN = Caller("root", frozenset({"admin"}), {"level": 3})


class Evenings(AccessControlABC):  # type: ignore[misc]  # servey has no types
    def is_executable(self, authorization: Any) -> bool:
        return authorization.subject_id == "ann"


def app_of(*controls: Any) -> App:
    """Return an app with one action for each access control: `act0`, `act1`, …. `...` omits the access control."""

    def marked(number: int, control: Any) -> Any:
        def act() -> str:
            return "done"

        declared = {} if control is ... else {"access_control": control}
        return action(act, name=f"act{number}", triggers=WEB_POST, **declared)

    actions = [marked(number, control) for number, control in enumerate(controls)]
    return App("acting", items=[], actions=actions, url="memory://", idempotency=None)


CASES: dict[str, tuple[Any, tuple[bool, bool, bool]]] = {
    "everyone": (everyone, (True, True, True)),
    "public": (public, (True, True, True)),
    "authenticated": (authenticated, (False, True, True)),
    "scope": (scope("admin"), (False, False, True)),
    "claim": (claim("level", 3), (False, False, True)),
    "custom": (custom(lambda caller: caller.subject == "ann"), (False, True, False)),
    "combined": (authenticated & ~scope("admin"), (False, True, False)),
    "either": (scope("admin") | claim("level", 4), (False, False, True)),
    "nobody": (nobody, (False, False, False)),
    "private": (private, (False, False, False)),
    "servey's scope": (ScopeAccessControl("admin"), (False, False, True)),
    "servey's own": (Evenings(), (False, True, False)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_surface_admits_the_callers_that_the_rule_allows(case: str) -> None:
    control, expected = CASES[case]
    app = app_of(control)
    rest, graphql, servey = Rest(app), GraphqlEndpoint(app), servey_actions(app)[0]
    query = json.encode({"query": "mutation { act0 }"})
    for caller, admitted in zip((ANONYMOUS, ANN, ADMIN), expected, strict=True):
        answer = rest.handle(Request("POST", "/actions/act0", "", SENT, b"{}", caller))
        refused = 403 if caller.authenticated else 401
        assert answer.status == (200 if admitted else refused), caller
        data = json.decode(graphql.handle(Request("POST", "/graphql", "", SENT, query, caller)).body)
        assert data["data"] == {"act0": "done"} if admitted else "errors" in data, caller
        assert servey.access_control.is_executable(authorization_of(caller)) is admitted, caller


WRONG: dict[str, tuple[Any, str]] = {
    "undeclared": (..., "/actions/act0/access_control"),
    "servey's default": (ALLOW_ALL, "/actions/act0/access_control"),
    "of an item": (scope("admin") | owned("id"), "/actions/act0/access_control/any/1/owned"),
    "of verbs": (read_only, "/actions/act0/access_control"),
    "no rule": ("admin", "/actions/act0/access_control"),
}
STARTS: dict[str, Callable[[App], Any]] = {
    "server": Server,
    "plan": lambda app: plan_of(app, "acting:app"),
    "openapi": document,
    "servey": servey_actions,
    "rest": lambda app: app and Rest(app)._load_actions(),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("case", WRONG)
def test_an_action_without_access_control_stops_the_start_with_a_hint(case: str, start: str) -> None:
    control, path = WRONG[case]
    with pytest.raises(InvalidDeclaration) as caught:
        STARTS[start](app_of(control))
    assert [fault.path for fault in caught.value.faults] == [path]
    assert "everyone, authenticated, scope(" in str(caught.value)


def test_all_faulty_actions_are_named_together() -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        Server(app_of(..., everyone, ...))
    assert [fault.path for fault in caught.value.faults] == [f"/actions/act{n}/access_control" for n in (0, 2)]


def test_an_action_with_the_name_or_the_route_of_another_stops_the_start() -> None:
    def marked(name: str, path: str | None = None, function: str = "f") -> Any:
        def act() -> str:
            return function

        return action(act, name=name, access_control=everyone, triggers=WebTrigger(WebTriggerMethod.POST, path))

    cases = {
        "Another action has this name": [marked("a", "/one"), marked("a", "/two")],
        "Another route has this method and path": [marked("a", "/one"), marked("b", "/one")],
        "found POST /graphql": [marked("a", "/graphql")],
        "found POST /api/open": [marked("a", "/api/open")],
    }
    for message, actions in cases.items():
        with pytest.raises(InvalidDeclaration, match=message):
            Server(App("acting", items=[Open], actions=actions, url="memory://"))


def test_a_rule_that_returns_a_filter_is_invalid_for_an_action_even_negated() -> None:
    rule: Rule = custom(lambda caller: Thing.id == "x")
    for one in (rule, ~rule):
        answer = Rest(app_of(one)).handle(Request("POST", "/actions/act0", "", SENT, b"{}", ANN))
        assert answer.status == 500


def test_openapi_requires_credentials_for_routes_that_reject_anonymous_callers() -> None:
    paths = document(app_of(everyone, authenticated, Evenings()))["paths"]
    found = {path: methods["post"]["security"] for path, methods in paths.items() if path.startswith("/actions/")}
    assert found["/actions/act1"] == [{"bearer": []}]
    assert {} in found["/actions/act0"]
    assert {} in found["/actions/act2"]


def test_an_app_depends_on_callers_if_its_actions_do() -> None:
    assert not looks_at_callers(app_of(everyone, nobody))
    assert looks_at_callers(app_of(everyone, authenticated))
    assert rule_of(app_of(ScopeAccessControl("admin")).actions[0].__servey_action__) == scope("admin")  # type: ignore[attr-defined]


@stored
class Thing:
    id: Attr[str]


@stored(access=public)
class Open:
    id: Attr[str]
