"""Configured issuers: the syntax of each kind, and how its keys are fetched."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from persisty import InvalidDeclaration
from persisty.errors import BackendUnavailable, Unauthenticated
from persisty.security import issuer_documents as fetch
from persisty.security.authenticator import Authenticator
from persisty.security.issuers import DISCOVERY, KINDS, issuer_of, issuers_in
from tests import tokens

AUDIENCES = frozenset({"api"})

SPELLED = {
    "cognito": (
        "cognito:eu-west-1_AbC123",
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123",
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123/.well-known/jwks.json",
        {"client_id": "api", "scope": "openid items/read", "cognito:groups": ["admin"], "token_use": "access"},
        {"openid", "items/read", "admin"},
    ),
    "cognito's ID token": (
        "cognito:us-gov-west-1_x",
        "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_x",
        "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_x/.well-known/jwks.json",
        {"aud": "api", "token_use": "id"},
        set(),
    ),
    "auth0": (
        "auth0:acme.eu.auth0.com",
        "https://acme.eu.auth0.com/",
        "https://acme.eu.auth0.com/.well-known/jwks.json",
        {"aud": ["api", "https://acme.eu.auth0.com/userinfo"], "scope": "openid", "permissions": ["read:items"]},
        {"openid", "read:items"},
    ),
    "keycloak": (
        "keycloak:https://id.acme.org/realms/main",
        "https://id.acme.org/realms/main",
        "https://id.acme.org/realms/main/protocol/openid-connect/certs",
        {
            "aud": ["account", "api"],
            "scope": "email",
            "realm_access": {"roles": ["boss"]},
            "resource_access": {"api": {"roles": ["editor"]}, "other": {"roles": ["never"]}, "x": 5},
        },
        {"email", "boss", "editor"},
    ),
    "any other": (
        "oidc:https://id.acme.org",
        "https://id.acme.org",
        "https://id.acme.org/keys",
        {"aud": "api", "scp": ["a", "b"]},
        {"a", "b"},
    ),
    "any other, scp as text": ("oidc:https://id.acme.org/", "https://id.acme.org/", "https://id.acme.org/keys", {"aud": "api", "scp": "a b"}, {"a", "b"}),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLED)
def test_an_issuer_is_its_row_of_the_table(name: str) -> None:
    text, url, keys, claims, scopes = SPELLED[name]
    [issuer] = issuers_in(text, AUDIENCES)
    assert issuer.url == url
    assert issuer.accepts(claims)
    assert issuer.scopes(claims) == scopes
    assert not issuer.accepts({**claims, "aud": "other", "client_id": "other"})
    assert not issuer.accepts({})
    asked: list[str] = []

    def get(place: str) -> Any:
        asked.append(place)
        return {"issuer": url, "jwks_uri": keys} if place.endswith(DISCOVERY) else {"keys": [tokens.jwk("rsa")]}

    found = issuer_of(issuer.kind, issuer.url, AUDIENCES, get).keys.find("rsa")
    assert [key.algorithm for key in found] == ["RS256"]
    assert asked[-1] == keys


def test_several_issuers_can_be_configured() -> None:
    text = "cognito:eu-west-1_A, auth0:acme.auth0.com\n  keycloak:https://id.acme.org/realms/x,"
    assert [issuer.url for issuer in issuers_in(text, AUDIENCES)] == [
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
        "https://acme.auth0.com/",
        "https://id.acme.org/realms/x",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "cognito", "cognito:", "cognito:pool", "cognito:eu-west-1_a/../b", "auth0:https://acme.auth0.com/", "auth0:acme@evil.com",
        "okta:x", "keycloak:id.acme.org", "oidc:ftp://id.acme.org", "oidc:https://", "https://id.acme.org", "oidc:https://id.acme.org?x=1",
    ],
)  # fmt: skip
def test_an_invalid_issuer_setting_is_rejected_with_the_reason(text: str) -> None:
    with pytest.raises(InvalidDeclaration) as refused:
        issuers_in(f"auth0:fine.auth0.com {text}", AUDIENCES)
    assert [text in fault.message for fault in refused.value.faults] == [True]


def test_issuers_need_an_audience() -> None:
    with pytest.raises(InvalidDeclaration, match="PERSISTY_TOKEN_AUDIENCE"):
        issuers_in("auth0:acme.auth0.com", frozenset())


@pytest.mark.parametrize("claims", [{"scope": 5}, {"scope": None}, {"scp": {"a": 1}}, {"scp": [1, None, ["a"]]}, {}])
def test_invalid_scopes_grant_nothing(claims: dict[str, Any]) -> None:
    assert issuers_in("oidc:https://id.acme.org", AUDIENCES)[0].scopes(claims) == frozenset()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"issuer": "https://other.org", "jwks_uri": "https://other.org/keys"},
        {"issuer": "https://id.acme.org"},
    ],
)
def test_a_discovery_document_of_another_issuer_is_rejected(document: Any) -> None:
    asked: list[str] = []

    def get(place: str) -> Any:
        asked.append(place)
        return document

    with pytest.raises(BackendUnavailable):
        issuer_of(KINDS["oidc"], "https://id.acme.org", AUDIENCES, get).keys.find("rsa")
    assert len(asked) == 1


class Site:
    """An issuer's site on this machine, with the response of each path, and a record of the requests."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                site.pages[self.path](self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}"

    def says(self, path: str, document: Any, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.send_header("content-length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

        self.pages[path] = answer


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(10)


def test_a_token_of_a_discovered_issuer_is_accepted_and_its_keys_rotate(site: Site) -> None:
    site.says(DISCOVERY, {"issuer": site.url, "jwks_uri": f"{site.url}/keys"})
    site.says("/keys", {"keys": [tokens.jwk("rsa")]})
    now = [time.time()]
    issuer = issuer_of(KINDS["oidc"], site.url, frozenset({tokens.AUDIENCE}))
    issuer.keys._clock = lambda: now[0]
    trusting = Authenticator(None, [issuer])
    for _ in range(3):
        assert trusting.caller(tokens.issued(iss=site.url)).subject == "ann"
    assert site.asked == [DISCOVERY, "/keys"]
    site.says("/keys", {"keys": [tokens.jwk("ec")]})
    with pytest.raises(Unauthenticated):
        trusting.caller(tokens.issued("ec", "ec", "ES256", iss=site.url))
    now[0] += 31
    assert trusting.caller(tokens.issued("ec", "ec", "ES256", iss=site.url)).subject == "ann"
    with pytest.raises(Unauthenticated):
        trusting.caller(tokens.issued(iss=site.url, sub="bob"))
    assert site.asked == [DISCOVERY, "/keys"] * 2


def test_an_issuer_that_does_not_respond_is_not_the_callers_error(site: Site) -> None:
    site.says("/protocol/openid-connect/certs", b"sorry", status=500)
    trusting = Authenticator(None, [issuer_of(KINDS["keycloak"], site.url, frozenset({tokens.AUDIENCE}))])
    with pytest.raises(BackendUnavailable) as raised:
        trusting.caller(tokens.issued(iss=site.url))
    assert raised.value.status == 503


def slowly(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    try:
        request.wfile.write(b"[]")
        for _ in range(40):
            request.wfile.write(b" ")
            time.sleep(0.05)
    except OSError:
        pass  # the client has closed the connection


def test_documents_are_fetched_completely_within_limits_without_redirects(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.says("/fine", {"keys": []})
    assert fetch.fetch_json(f"{site.url}/fine") == {"keys": []}
    site.says("/moved", b"", status=302, location=f"{site.url}/fine")
    site.says("/gone", b"", status=404)
    site.says("/text", b"<html>")
    site.says("/large", b"[]" + b" " * fetch.MAX_DOCUMENT)
    site.pages["/slow"] = slowly
    monkeypatch.setattr(fetch, "DEADLINE", 0.3)
    for path in ("/moved", "/gone", "/text", "/large", "/slow"):
        with pytest.raises(BackendUnavailable):
            fetch.fetch_json(f"{site.url}{path}")
    assert site.asked == ["/fine", "/moved", "/gone", "/text", "/large", "/slow"]


@pytest.mark.parametrize(
    "url",
    [
        "http://id.acme.org",
        "http://localhost.acme.org",
        "http://127.0.0.1@acme.org/x",
        "file:///etc/passwd",
        "ftp://x",
        "x",
        "https://",
    ],
)
def test_only_https_is_fetched_except_from_this_machine(url: str) -> None:
    with pytest.raises(InvalidDeclaration, match="must have an https URL"):
        fetch.fetch_json(url)


def test_an_issuer_without_tls_is_rejected_before_any_request() -> None:
    with pytest.raises(InvalidDeclaration, match="must have an https URL"):
        issuers_in("keycloak:http://id.acme.org/realms/x", AUDIENCES)
    assert issuers_in("keycloak:http://localhost:8080/realms/x", AUDIENCES)
