"""Malformed tokens, headers, key sets and events are rejected. They never cause an internal error or give a caller."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import App, authenticated, stored
from persisty.api.graphql.appsync.callers import caller_of_event
from persisty.api.http.authentication import Identified
from persisty.api.http.messages import Request
from persisty.api.rest.endpoint import Rest
from persisty.errors import BackendUnavailable, InvalidDeclaration, Unauthenticated
from persisty.security.authenticator import Authenticator
from persisty.security.caller import Caller
from persisty.security.issuers import issuers_in
from persisty.security.keys import keys_in, keys_of_set
from tests import tokens

HERE = tokens.authenticator()
FAR = 4_000_000_000
GOOD = (tokens.own(exp=FAR), tokens.issued(exp=FAR), tokens.issued("ec", "ec", "ES256", exp=FAR))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([tokens.ISSUER, "persisty", tokens.AUDIENCE])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
named = st.sampled_from(
    [
        "alg",
        "kid",
        "typ",
        "crit",
        "b64",
        "jwk",
        "jku",
        "x5c",
        "zip",
        "enc",
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "scope",
        "scp",
    ]
)
algorithms = st.sampled_from(
    [
        "none",
        "None",
        "NONE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS512",
        "PS256",
        "ES256",
        "ES384",
        "EdDSA",
        "hs256",
    ]
)
headers = st.dictionaries(named | st.text(max_size=5), anything, max_size=4) | st.builds(
    lambda alg, kid, more: {**more, "alg": alg, "kid": kid},
    algorithms,
    st.sampled_from(["rsa", "ec", "x", None, 1]),
    st.dictionaries(named, anything, max_size=2),
)
payloads = st.builds(
    lambda more: {**tokens.claims(exp=FAR), **more}, st.dictionaries(named | st.text(max_size=5), anything, max_size=4)
)


@st.composite
def bent(draw: st.DrawFn) -> str:
    """Draw a valid token with some characters changed, inserted or removed, or with its parts in another order."""
    token = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(token)))
        kind = draw(st.sampled_from(["change", "insert", "remove", "cut", "double", "order", "borrow"]))
        text = draw(st.text(st.sampled_from(ALPHABET + ".=+/ \n\0é") | st.characters(), min_size=1, max_size=3))
        parts = token.split(".")
        match kind:
            case "change":
                token = token[:at] + text + token[at + len(text) :]
            case "insert":
                token = token[:at] + text + token[at:]
            case "remove":
                token = token[:at] + token[at + draw(st.integers(1, 5)) :]
            case "cut":
                token = token[:at]
            case "double":
                token = token[:at] * draw(st.sampled_from([2, 50]))
            case "order":
                token = ".".join(draw(st.permutations(parts)))
            case "borrow":
                other = draw(st.sampled_from(GOOD)).split(".")
                place = draw(st.integers(0, 2))
                token = ".".join([*parts[:place], other[place], *parts[place + 1 :]])
    return token


def refuses(token: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        HERE.caller(token)
    assert refused.value.details == {"error": "invalid_token"}


@given(bent())
def test_a_changed_token_is_rejected(token: str) -> None:
    if token in GOOD:
        assert HERE.caller(token).subject == "ann"
    else:
        refuses(token)


@given(
    headers,
    payloads,
    st.binary(max_size=80) | st.sampled_from([urlsafe_b64decode(one.split(".")[2] + "==") for one in GOOD]),
)
def test_a_forged_token_is_rejected(header: Any, payload: Any, signature: bytes) -> None:
    refuses(f"{tokens.part(header)}.{tokens.part(payload)}.{tokens.part(signature)}")


@cache
def stolen() -> tuple[bytes, ...]:
    """Return public secrets: the empty one, and the texts of the public keys."""
    keys = [tokens.public_pem(name).encode() for name in ("rsa", "ec")]
    return (b"", b"secret", *keys, *(key.strip() for key in keys), json.dumps(tokens.jwk("rsa")).encode())


@given(headers, payloads, st.sampled_from(range(7)))
def test_a_token_signed_with_a_public_secret_is_rejected(header: Any, payload: Any, secret: int) -> None:
    refuses(tokens.signed_by_hand(header, payload, stolen()[secret]))


@given(headers | st.just({"alg": "HS256"}), payloads | anything)
def test_any_token_signed_with_our_secret_is_a_valid_caller_or_rejected(header: Any, payload: Any) -> None:
    try:
        caller = HERE.caller(tokens.signed_by_hand(header, payload, tokens.SECRET.encode()))
    except Unauthenticated:
        return
    assert header["alg"] == "HS256"
    assert payload["iss"] == "persisty"
    assert tokens.AUDIENCE in payload["aud"]
    assert caller.subject is None or (isinstance(caller.subject, str) and caller.subject)
    assert all(isinstance(one, str) and one for one in caller.scopes)
    json.dumps(dict(caller.claims)).encode()


@given(
    st.text(max_size=200)
    | st.text(st.sampled_from(ALPHABET + "."), max_size=200)
    | st.integers(8000, 100_000).map("x.y.z".ljust)
)
def test_random_text_is_rejected_as_a_token(token: str) -> None:
    refuses(token)


@stored(access=authenticated)
class Sealed:
    id: str


@pytest.fixture(scope="module")
def rest() -> Identified:
    app = App("sealed", items=[Sealed], url="memory://")
    return Identified(Rest(app).handle, HERE)


@given(
    st.text(max_size=60)
    | st.builds("{} {}".format, st.sampled_from(["Bearer", "bearer", "Basic", "Bearer ", "\tBearer"]), bent())
)
def test_any_invalid_header_is_answered_with_401(rest: Identified, given: str) -> None:
    scheme, _, token = given.partition(" ")
    if scheme.lower() == "bearer" and token.strip(" ") in GOOD:
        return
    answer = rest.handle(Request("GET", "/api/sealed", headers={"authorization": given}))
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


events = st.builds(
    lambda identity, request: {"identity": identity, "request": request},
    anything
    | st.fixed_dictionaries({}, optional={"claims": anything | payloads, "resolverContext": anything, "sub": anything}),
    anything | st.fixed_dictionaries({"headers": anything | st.dictionaries(st.just("authorization"), anything)}),
)


@given(events)
def test_an_event_of_appsync_gives_a_valid_caller_or_is_rejected(event: dict[str, Any]) -> None:
    try:
        caller = caller_of_event(HERE, event)
    except Unauthenticated:
        return
    assert isinstance(caller, Caller)
    assert caller.subject is None or (isinstance(caller.subject, str) and caller.subject)
    assert all(isinstance(one, str) for one in caller.scopes)


members = st.dictionaries(
    st.sampled_from(["kty", "crv", "kid", "use", "alg", "n", "e", "x", "y", "d"]), anything, max_size=6
)
key_sets = anything | st.fixed_dictionaries(
    {
        "keys": anything
        | st.lists(
            members
            | members.map(lambda more: {**tokens.jwk("rsa"), **more})
            | members.map(lambda more: {**tokens.jwk("ec"), **more}),
            max_size=4,
        )
    }
)


@given(key_sets)
def test_a_key_set_gives_keys_of_known_algorithms_or_none(document: Any) -> None:
    try:
        keys = keys_of_set(document)
    except BackendUnavailable:
        return
    assert {(key.algorithm, key.signing) for key in keys} <= {("RS256", None), ("ES256", None)}


@given(
    st.text(max_size=100)
    | st.builds(
        "-----BEGIN {0}-----\n{1}\n-----END {0}-----".format,
        st.sampled_from(["PUBLIC KEY", "PRIVATE KEY", "X"]),
        st.text(max_size=50),
    )
)
def test_invalid_keys_and_issuers_in_settings_are_reported(text: str) -> None:
    with suppress(InvalidDeclaration):
        assert all(key.algorithm in ("HS256", "RS256", "ES256") for key in keys_in(text))
    with suppress(InvalidDeclaration):
        assert all(issuer.audiences == {"api"} for issuer in issuers_in(text, frozenset({"api"})))


def test_the_authenticator_of_these_tests_accepts_a_valid_token() -> None:
    assert isinstance(HERE, Authenticator)
    assert [HERE.caller(token).subject for token in GOOD] == ["ann"] * 3
