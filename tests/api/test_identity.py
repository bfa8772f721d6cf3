"""Authentication through every surface: valid credentials become a caller, and invalid ones reach no surface."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from servey.action.action import action
from servey.security.access_control.scope_access_control import ScopeAccessControl
from servey.security.authorization import Authorization, AuthorizationError
from servey.trigger.web_trigger import WEB_POST

from persisty import App, authenticated, everyone, stored
from persisty.api.authorization import TokenAuthorizer, authorization_of, caller_of
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.graphql.hosted.endpoint import GraphqlEndpoint
from persisty.api.http.authentication import Identified
from persisty.api.http.messages import Request, Response
from persisty.api.rest.endpoint import Rest
from persisty.hosting.server import Server
from persisty.model.access import Access
from persisty.security.caller import ANONYMOUS, Caller
from tests import tokens

CALLED: list[str | None] = []


@stored(access=Access(read=everyone, create=authenticated))
class Remark:
    id: str
    text: str = ""


@action(access_control=everyone, triggers=WEB_POST)
def who(caller: Caller) -> dict[str, Any]:
    """The caller, as actions see it."""
    CALLED.append(caller.subject)
    return {"subject": caller.subject, "scopes": sorted(caller.scopes)}


@action(triggers=WEB_POST, access_control=ScopeAccessControl(execute_scope="admin"))
def reign() -> bool:
    return True


@pytest.fixture
def app() -> Iterator[App]:
    CALLED.clear()
    made = App("remarks", items=[Remark], actions=[who, reign], url="memory://", stage="test")
    made.authenticator = tokens.authenticator()
    yield made
    made.close()


Ask = Callable[..., Response]


def rest(app: App) -> Callable[[Request], Response]:
    return Identified(Rest(app).handle, app.authenticator).handle


def graphql(app: App) -> Callable[[Request], Response]:
    return Identified(GraphqlEndpoint(app).handle, app.authenticator).handle


def asked(
    method: str, path: str, body: Any = None, token: str | None = None, authorization: str | None = None
) -> Request:
    headers = {"content-type": "application/json"}
    given = f"Bearer {token}" if token is not None else authorization
    return Request(
        method,
        path,
        headers=headers if given is None else {**headers, "authorization": given},
        body=b"" if body is None else json.dumps(body).encode(),
    )


@pytest.mark.parametrize("name", tokens.REFUSED)
def test_rest_rejects_an_invalid_token_with_401_and_a_challenge(name: str, app: App) -> None:
    token = tokens.REFUSED[name][0]()
    for request in (asked("GET", "/api/remark", token=token), asked("POST", "/actions/who", {}, token=token)):
        answer = rest(app)(request)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert answer.headers["content-type"] == "application/problem+json"
        problem = json.loads(answer.body)
        assert (problem["code"], problem["error"], problem["status"]) == ("unauthenticated", "invalid_token", 401)
        assert token not in answer.body.decode()
    assert CALLED == []


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer\tx", "Bearer a,Bearer b", "Bearer a b"]
)
def test_credentials_of_another_scheme_are_rejected_and_not_treated_as_anonymous(given: str, app: App) -> None:
    answer = rest(app)(asked("GET", "/api/remark", authorization=given))
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_anonymous_callers_reach_public_routes_and_get_401_for_others(app: App) -> None:
    assert rest(app)(asked("GET", "/api/remark")).status == 200
    for request in (asked("POST", "/api/remark", {"id": "a"}), asked("POST", "/actions/reign", {})):
        refused = rest(app)(request)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "error" not in json.loads(refused.body)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_valid_token_identifies_the_caller_of_stores_and_actions(scheme: str, app: App) -> None:
    given = f"{scheme} {tokens.issued()}"
    assert rest(app)(asked("POST", "/api/remark", {"id": "a"}, authorization=given)).status == 201
    answer = rest(app)(asked("POST", "/actions/who", {}, authorization=given))
    assert json.loads(answer.body) == {"subject": "ann", "scopes": ["read", "write"]}
    refused = rest(app)(asked("POST", "/actions/reign", {}, authorization=given))
    assert (refused.status, refused.headers.get("www-authenticate")) == (403, None)
    admin = rest(app)(asked("POST", "/actions/reign", {}, token=tokens.own(scope="admin")))
    assert (admin.status, json.loads(admin.body)) == (200, True)


MUTATION = {"query": 'mutation { remarkCreate(item: {id: "b"}) { id } }'}


@pytest.mark.parametrize("name", tokens.REFUSED)
def test_graphql_executes_nothing_for_an_invalid_token(name: str, app: App) -> None:
    token = tokens.REFUSED[name][0]()
    answer = graphql(app)(asked("POST", "/graphql", MUTATION, token=token))
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert app.store(Remark).count() == 0


def test_graphql_reports_unauthenticated_in_extensions(app: App) -> None:
    answer = json.loads(graphql(app)(asked("POST", "/graphql", MUTATION)).body)
    assert answer["errors"][0]["extensions"]["code"] == "unauthenticated"
    made = json.loads(graphql(app)(asked("POST", "/graphql", MUTATION, token=tokens.own())).body)
    assert made == {"data": {"remarkCreate": {"id": "b"}}}


EVENT = {"fieldName": "who", "arguments": {}}
POOL = {
    "iss": tokens.ISSUER,
    "sub": "ann",
    "aud": [tokens.AUDIENCE],
    "scope": "read",
    "realm_access": {"roles": ["boss"]},
}


@pytest.mark.parametrize(
    ("event", "subject", "scopes"),
    [
        ({}, None, []),
        ({"identity": None, "request": {"headers": {}}}, None, []),
        ({"identity": None, "request": {"headers": {"authorization": None}}}, None, []),
        ({"identity": {"claims": POOL, "sub": "ann", "issuer": tokens.ISSUER}}, "ann", ["boss", "read"]),
        ({"identity": {"resolverContext": {"sub": "bob", "scope": "a b"}}}, "bob", ["a", "b"]),
        ({"identity": {"resolverContext": {"tenant": "t"}}}, None, []),
        ({"identity": {"userArn": "arn:aws:iam::1:user/x", "accountId": "1"}}, None, []),
    ],
)
def test_an_appsync_event_identifies_the_caller(
    event: dict[str, Any], subject: str | None, scopes: list[str], app: App
) -> None:
    assert AppSync(app).handle({**EVENT, **event}) == {"data": {"subject": subject, "scopes": scopes}}


def test_a_token_in_an_appsync_event_is_verified_like_any_other(app: App) -> None:
    def headers(token: str) -> dict[str, Any]:
        return {**EVENT, "request": {"headers": {"authorization": f"Bearer {token}"}}}

    surface = AppSync(app)
    assert surface.handle(headers(tokens.own())) == {"data": {"subject": "ann", "scopes": ["read", "write"]}}
    for make, _ in tokens.REFUSED.values():
        answer = surface.handle(headers(make()))
        assert (answer["error"]["code"], answer["error"]["info"]["error"]) == ("unauthenticated", "invalid_token")
    assert CALLED == ["ann"]


@pytest.mark.parametrize(
    "changed",
    [{"iss": "https://other"}, {"iss": None}, {"aud": ["other"]}, {"aud": []}, {"sub": None}, {"sub": 7}, {"sub": ""}],
)
def test_claims_that_appsync_verified_need_a_trusted_issuer_and_audience(changed: dict[str, Any], app: App) -> None:
    answer = AppSync(app).handle({**EVENT, "identity": {"claims": {**POOL, **changed}}})
    assert answer["error"]["code"] == "unauthenticated"
    assert CALLED == []


def served(app: App, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(Server(app))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(run())


def test_the_server_sends_the_bytes_of_the_surface_with_and_without_a_token(app: App) -> None:
    good, bad = tokens.own(), tokens.own(exp=1)
    for token in (good, good, bad, None):
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        for path, handle in (("/api/remark", rest(app)), ("/actions/who", rest(app)), ("/graphql", graphql(app))):
            method, body = ("GET", None) if path == "/api/remark" else ("POST", {"query": "{ remarkCount }"})
            if path == "/actions/who":
                body = {}
            expected = handle(asked(method, path, body, token))
            [answer] = served(app, (method, path, {"json": body, "headers": headers}))
            assert (answer.status_code, answer.content) == (expected.status, expected.body)
            assert answer.headers.get("www-authenticate") == expected.headers.get("www-authenticate")


def test_a_token_is_verified_in_a_thread_and_then_cached(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    caller = app.authenticator.caller

    def looped(token: str) -> Caller:
        try:
            asyncio.get_running_loop()
            threads.append(False)
        except RuntimeError:
            threads.append(True)
        return caller(token)

    monkeypatch.setattr(app.authenticator, "caller", looped)
    headers = {"authorization": f"Bearer {tokens.own()}"}
    answers = served(app, *[("GET", "/api/remark", {"headers": headers})] * 3)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert threads == [True, False, False]


def test_no_token_is_logged_by_any_surface(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bad, good = tokens.own(exp=1), tokens.own()
    for token in (bad, good):
        rest(app)(asked("GET", "/api/remark", token=token))
        AppSync(app).handle({**EVENT, "request": {"headers": {"authorization": f"Bearer {token}"}}})
    assert not any(piece in caplog.text for token in (bad, good) for piece in token.split("."))
    assert tokens.SECRET not in caplog.text


def test_servey_authorizations_tokens_and_callers_convert_to_each_other(app: App) -> None:
    authorizer = TokenAuthorizer(app.authenticator)
    until, since = datetime.now().replace(microsecond=0) + timedelta(hours=1), datetime(2026, 1, 2, 3)
    given = Authorization("ann", frozenset({"admin"}), since, until)
    found = authorizer.authorize(authorizer.encode(given))
    assert (found.subject_id, found.scopes, found.not_before) == (given.subject_id, given.scopes, since)
    assert abs(found.expire_at - until) <= timedelta(seconds=1)
    assert found.is_valid_for_timestamp()
    caller = caller_of(found)
    assert (caller.subject, caller.scopes, caller.claims["iss"]) == ("ann", {"admin"}, "persisty")
    forever = authorizer.authorize(authorizer.encode(Authorization(None, frozenset({"root"}), None, None)))
    assert (forever.subject_id, forever.has_scope("root"), forever.is_valid_for_timestamp()) == (None, True, True)
    claimed = authorization_of(app.authenticator.caller(tokens.own(tenant="t1", exp=10**15)))
    assert (claimed.claims["tenant"], claimed.expire_at.year) == ("t1", 9999)
    assert caller_of(None) is ANONYMOUS
    for make, _ in tokens.REFUSED.values():
        with pytest.raises(AuthorizationError):
            authorizer.authorize(make())
