"""A token identifies the same caller in AppSync as in REST, in each of AppSync's authorization modes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from persisty import ANONYMOUS, Access, App, Attr, Caller, authenticated, everyone, owned, scope, stored
from persisty.api.graphql.appsync.authorizer import CACHED, verdict
from persisty.api.graphql.appsync.callers import caller_of_event
from persisty.api.graphql.appsync.function import AppSync
from persisty.api.http.authentication import Identified
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.errors import BackendUnavailable, Unauthenticated
from persisty.security.authenticator import Authenticator
from persisty.security.issuers import KINDS, OWN, Issuer, issuer_of
from persisty.security.keys import Keys, keys_in
from tests import tokens

POOL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC"


def authenticator() -> Authenticator:
    """Return an authenticator that also accepts a Cognito pool."""
    keys = {"keys": [tokens.jwk("rsa", use="sig", alg="RS256"), tokens.jwk("ec")]}
    audience = frozenset({tokens.AUDIENCE})
    own = Issuer("persisty", OWN, Keys(lambda: keys_in(tokens.SECRET)), audience)
    issuers = [
        issuer_of(KINDS["keycloak"], tokens.ISSUER, audience, lambda url: keys),
        issuer_of(KINDS["cognito"], POOL, audience, lambda url: keys),
    ]
    return Authenticator(own, issuers)


ROLES = {"realm_access": {"roles": ["admin"]}, "nested": {"list": [1, 2.5, None, {"é": "ü"}]}}
TOKENS: dict[str, str] = {
    "own": tokens.own(),
    "own, with claims": tokens.own(tenant="x", deep={"a": [1, {"b": None}]}, scope="admin"),
    "own, without a subject": tokens.own(sub=None, scope="admin"),
    "own, no scopes": tokens.own(scope=None),
    "the issuer's": tokens.issued(**ROLES),
    "the issuer's, several audiences": tokens.issued(aud=["account", tokens.AUDIENCE]),
    "the issuer's, by EC": tokens.issued("ec", "ec", "ES256", sub="ben"),
    "the pool's": tokens.issued(iss=POOL, **{"cognito:groups": ["admin"], "cognito:username": "ann"}),
    "the pool's, for access": tokens.issued(iss=POOL, aud=None, client_id=tokens.AUDIENCE),
}


def claims_of(token: str) -> dict[str, Any]:
    return dict(authenticator().caller(token).claims)


def by_authorizer(token: str) -> dict[str, Any]:
    """Return the identity that AppSync makes from the result of its Lambda authorizer."""
    answer = json.loads(json.dumps(verdict(authenticator(), {"authorizationToken": token, "requestContext": {}})))
    assert answer["isAuthorized"] is True
    return {"identity": {"resolverContext": answer["resolverContext"]}}


def by_oidc(token: str) -> dict[str, Any]:
    claims = claims_of(token)
    return {"identity": {"sub": claims.get("sub"), "issuer": claims["iss"], "claims": claims}}


def by_pool(token: str) -> dict[str, Any]:
    more = {"username": "ann", "groups": ["admin"], "sourceIp": ["1.2.3.4"], "defaultAuthStrategy": "ALLOW"}
    return {"identity": {**by_oidc(token)["identity"], **more}}


def by_header(token: str) -> dict[str, Any]:
    return {"identity": None, "request": {"headers": {"authorization": f"Bearer {token}"}}}


DOORS: dict[str, Callable[[str], dict[str, Any]]] = {
    "Lambda authorizer": by_authorizer,
    "Lambda authorizer, Bearer": lambda token: by_authorizer(f"Bearer {token}"),
    "OpenID Connect": by_oidc,
    "user pool": by_pool,
    "header": by_header,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", TOKENS)
def test_a_token_identifies_the_same_caller_in_every_way(name: str, door: str) -> None:
    token = TOKENS[name]
    rest = authenticator().authenticate({"authorization": f"Bearer {token}"})
    caller = caller_of_event(authenticator(), DOORS[door](token))
    assert (caller.subject, caller.scopes, dict(caller.claims)) == (rest.subject, rest.scopes, dict(rest.claims))


@stored(
    access=Access(read=everyone, create=authenticated, update=owned("owner") | scope("admin")),
)
class Paper:
    id: UUID
    owner: str
    secret: str = Attr(default="s", readable=owned("owner") | scope("admin"))


PAPERS = App("papers", items=[Paper], url="memory://", stage="test")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", [*TOKENS, None])
def test_a_token_gets_the_same_responses_in_every_way(name: str | None, door: str) -> None:
    app = PAPERS
    app.use("memory://")
    app.authenticator = authenticator()
    for owner in ("ann", "ben"):
        app.store(Paper).create({"owner": owner})
    token = None if name is None else TOKENS[name]
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    rest = Identified(Rest(app).handle, app.authenticator)
    event = {"identity": None} if token is None else DOORS[door](token)
    appsync = AppSync(app)
    found = rest.handle(Request("GET", "/api/paper", "order=owner", headers))
    answer = appsync.handle({**event, "fieldName": "paperSearch", "arguments": {"order": ["owner_asc"]}})
    items = [{"secret": None, **one} for one in json.loads(found.body)["items"]]
    assert [{"secret": None, **one} for one in answer["data"]["items"]] == items
    for one in items:
        body = b'{"owner": "%s"}' % one["owner"].encode()
        kind = {"content-type": "application/json"}
        changed = rest.handle(Request("PATCH", f"/api/paper/{one['id']}", "", {**headers, **kind}, body))
        arguments = {"key": one["id"], "changes": {"owner": one["owner"]}}
        done = appsync.handle({**event, "fieldName": "paperUpdate", "arguments": arguments})
        code = json.loads(changed.body).get("code")
        assert done.get("error", {}).get("code") == code
    app.close()


@pytest.mark.parametrize(
    "identity",
    [None, {}, {"accountId": "1", "userArn": "arn:aws:iam::1:user/x"}, {"resolverContext": {}}, {"claims": None}],
)
def test_a_request_without_a_token_is_anonymous(identity: Any) -> None:
    caller = caller_of_event(authenticator(), {"identity": identity, "request": {"headers": {"x-api-key": "da2-x"}}})
    assert (caller.subject, caller.scopes) == (ANONYMOUS.subject, ANONYMOUS.scopes)


@pytest.mark.parametrize("name", tokens.REFUSED)
def test_an_invalid_token_is_not_authorized(name: str) -> None:
    token = tokens.REFUSED[name][0]()
    assert verdict(authenticator(), {"authorizationToken": token}) == {"isAuthorized": False}


@pytest.mark.parametrize("event", [{}, {"authorizationToken": None}, {"authorizationToken": "Bearer "}])
def test_a_missing_token_is_not_authorized(event: dict[str, Any]) -> None:
    assert verdict(authenticator(), event) == {"isAuthorized": False}


@pytest.mark.parametrize(("seconds_left", "ttl"), [(3600, CACHED), (120, 120), (1, 1), (0, 0), (-30, 0)])
def test_a_result_is_cached_no_longer_than_the_token_is_valid(seconds_left: int, ttl: int) -> None:
    now = float(tokens.now())
    token = tokens.own(exp=int(now) + seconds_left)
    answer = verdict(authenticator(), {"authorizationToken": token}, lambda: now)
    assert (answer["isAuthorized"], answer["ttlOverride"], answer["deniedFields"]) == (True, ttl, [])


def test_an_unreachable_issuer_raises_instead_of_rejecting_the_token() -> None:
    def down(url: str) -> Any:
        raise BackendUnavailable("no answer")

    here = Authenticator(None, [issuer_of(KINDS["keycloak"], tokens.ISSUER, frozenset({tokens.AUDIENCE}), down)])
    with pytest.raises(BackendUnavailable):
        verdict(here, {"authorizationToken": TOKENS["the issuer's"]})


def test_claims_of_another_issuer_or_audience_are_rejected() -> None:
    good = claims_of(TOKENS["own"])
    for wrong in ({"iss": "somebody"}, {"iss": None}, {"aud": "other"}, {"aud": None}, {"sub": ""}, {"sub": 7}):
        claims = {**good, **wrong}
        for identity in ({"claims": claims}, {"resolverContext": {"claims": json.dumps(claims)}}):
            with pytest.raises(Unauthenticated):
                caller_of_event(authenticator(), {"identity": identity})


def test_another_authorizer_provides_the_caller() -> None:
    context = {"sub": "ann", "scope": "admin", "claims": "none of ours", "plan": 3}
    caller: Caller = caller_of_event(authenticator(), {"identity": {"resolverContext": context}})
    assert (caller.subject, caller.scopes, dict(caller.claims)) == ("ann", frozenset({"admin"}), context)
