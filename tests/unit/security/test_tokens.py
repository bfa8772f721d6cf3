"""A valid token gives a caller, any other token is rejected, and a caller can be written as a token."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import jwt
import pytest

from persisty import InvalidDeclaration, InvalidInput
from persisty.errors import Unauthenticated
from persisty.security.authenticator import Authenticator
from persisty.security.caller import Caller
from persisty.security.issuers import OWN, Issuer
from persisty.security.keys import Keys, keys_in
from tests import tokens


@pytest.fixture(scope="module")
def authenticator() -> Authenticator:
    return tokens.authenticator()


@pytest.mark.parametrize("name", tokens.REFUSED)
def test_an_invalid_token_is_rejected_with_the_reason_but_without_its_content(
    name: str, authenticator: Authenticator
) -> None:
    made, words = tokens.REFUSED[name]
    token = made()
    with pytest.raises(Unauthenticated) as refused:
        authenticator.caller(token)
    error = refused.value
    assert (error.status, error.code, error.details) == (401, "unauthenticated", {"error": "invalid_token"})
    assert words in error.message
    assert token not in str(error)
    assert not any(piece in str(error) for piece in token.split(".") if len(piece) > 5)


GOOD: dict[str, Any] = {
    "own": tokens.own,
    "RS256": tokens.issued,
    "ES256": lambda: tokens.issued("ec", "ec", "ES256"),
    "one of several audiences": lambda: tokens.issued(aud=["account", tokens.AUDIENCE]),
    "just expired": lambda: tokens.own(exp=tokens.now() - 30),
    "almost valid": lambda: tokens.own(nbf=tokens.now() + 30, iat=tokens.now() + 30),
    "times with fractions": lambda: tokens.own(exp=time.time() + 60.5, nbf=time.time() - 0.5),
    "a kid that the secret has not": lambda: jwt.encode(tokens.claims(), tokens.SECRET, "HS256", {"kid": "any"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_valid_token_gives_the_subject_scopes_and_claims(name: str, authenticator: Authenticator) -> None:
    token = GOOD[name]()
    caller = authenticator.caller(token)
    assert (caller.subject, caller.scopes) == ("ann", {"read", "write"})
    assert dict(caller.claims) == jwt.decode(token, options={"verify_signature": False})


KEYS = {
    "HS256": (tokens.SECRET, tokens.SECRET),
    "RS256": (tokens.private_pem("rsa"), tokens.public_pem("rsa")),
    "ES256": (tokens.private_pem("ec"), tokens.public_pem("ec")),
}


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("audiences", [frozenset(), frozenset({"a"}), frozenset({"a", "b"})])
def test_a_caller_survives_a_round_trip_through_a_token(algorithm: str, audiences: frozenset[str]) -> None:
    signing, verifying = (
        Authenticator(Issuer("here", OWN, Keys(lambda text=text: keys_in(text)), audiences)) for text in KEYS[algorithm]
    )
    nested = {"tenant": "t1", "groups": ["a", "b"], "at": {"x": [1, 2.5, None, True]}, "name": "Zoë \U0001f600"}
    for caller in (
        Caller("ann", frozenset({"admin", "read"}), nested),
        Caller("ann"),
        Caller(None, frozenset({"root"})),
    ):
        token = signing.token(caller, lifetime=120)
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        found = verifying.caller(token)
        assert (found.subject, found.scopes) == (caller.subject, caller.scopes)
        assert {name: found.claims[name] for name in caller.claims} == caller.claims
        assert found.claims["exp"] - found.claims["iat"] == 120
    if algorithm != "HS256":
        with pytest.raises(InvalidDeclaration, match="public key"):
            verifying.token(Caller("ann"))


def test_claims_of_another_token_do_not_affect_a_new_one(authenticator: Authenticator) -> None:
    first = authenticator.caller(tokens.issued(exp=tokens.now() + 5, tenant="t1"))
    again = authenticator.caller(authenticator.token(first, lifetime=3600))
    assert again.claims["iss"] == "persisty"
    assert again.claims["exp"] > time.time() + 3000
    assert again.claims["tenant"] == "t1"
    assert (again.subject, again.scopes) == (first.subject, first.scopes)


def test_json_values_are_claims_and_others_are_rejected(authenticator: Authenticator) -> None:
    id_, moment = UUID(int=7), datetime(2026, 1, 2)
    caller = authenticator.caller(authenticator.token(Caller("ann", claims={"id": id_, "at": moment, "n": Decimal(1)})))
    assert (caller.claims["id"], caller.claims["at"], caller.claims["n"]) == (str(id_), moment.isoformat(), "1")
    for value in (object(), {1: object()}, "\ud800"):
        with pytest.raises(InvalidInput) as raised:
            authenticator.token(Caller("ann", claims={"x": value}))
        assert raised.value.faults[0].path == "/claims"


def test_a_token_with_an_audience_is_rejected_if_none_is_configured() -> None:
    here = Authenticator(Issuer("persisty", OWN, Keys(lambda: keys_in(tokens.SECRET))))
    assert here.caller(tokens.own(aud=None)).subject == "ann"
    with pytest.raises(Unauthenticated, match="another audience"):
        here.caller(tokens.own())


@pytest.mark.parametrize("leeway", [0, 5, 600])
def test_clocks_may_differ_by_the_configured_leeway(leeway: float) -> None:
    own = Issuer("persisty", OWN, Keys(lambda: keys_in(tokens.SECRET)), frozenset({tokens.AUDIENCE}))
    here = Authenticator(own, leeway=leeway)
    assert here.caller(tokens.own(exp=tokens.now() - leeway + 3)).subject == "ann"
    assert here.caller(tokens.own(nbf=tokens.now() + leeway - 1)).subject == "ann"
    for late in (tokens.own(exp=tokens.now() - leeway - 1), tokens.own(nbf=tokens.now() + leeway + 5)):
        with pytest.raises(Unauthenticated):
            here.caller(late)


def test_a_new_secret_signs_while_the_old_one_still_verifies() -> None:
    old, new = ("old " * 10), ("new " * 10)

    def of(text: str) -> Authenticator:
        return Authenticator(Issuer("persisty", OWN, Keys(lambda: keys_in(text))))

    token = of(old).token(Caller("ann"))
    assert of(f"{new}\n{old}\n").caller(token).subject == "ann"
    assert of(new).caller(of(f"{new}\n{old}").token(Caller("bob"))).subject == "bob"
    with pytest.raises(Unauthenticated):
        of(new).caller(token)
