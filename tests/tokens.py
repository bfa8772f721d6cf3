"""Valid tokens, and a table of invalid ones that every surface is tested with."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from persisty.security.authenticator import Authenticator
from persisty.security.issuers import KINDS, OWN, Issuer, issuer_of
from persisty.security.keys import Keys, keys_in

SECRET = "a secret of these tests, and of nothing else in the whole wide world"
AUDIENCE = "https://api.example.org"
ISSUER = "https://id.example.org/realms/main"


@cache
def private_key(name: str) -> Any:
    """Return a key by name, generated once. `ec` is a key on P-256, any other an RSA key."""
    if name == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(name: str) -> str:
    plain = serialization.NoEncryption()
    made: bytes = private_key(name).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return made.decode()


def public_pem(name: str) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    made: bytes = private_key(name).public_key().public_bytes(serialization.Encoding.PEM, form)
    return made.decode()


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """Return the public key as a JWK, whose `kid` is its name."""
    kind = jwt.algorithms.ECAlgorithm if name == "ec" else jwt.algorithms.RSAAlgorithm
    return {**kind.to_jwk(private_key(name).public_key(), as_dict=True), "kid": name, **more}


def authenticator() -> Authenticator:
    """Return an authenticator that trusts its own HS256 tokens and those of an issuer that signs with the keys `rsa` and `ec`."""
    keys = {"keys": [jwk("rsa", use="sig", alg="RS256"), jwk("ec")]}
    own = Issuer("persisty", OWN, Keys(lambda: keys_in(SECRET)), frozenset({AUDIENCE}))
    issuer = issuer_of(KINDS["keycloak"], ISSUER, frozenset({AUDIENCE}), lambda url: keys)
    return Authenticator(own, [issuer])


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a valid token of persisty's own. Claims that are None are left out. Some tokens are made when the tests are collected, so they
    outlast a slow run."""
    made = {"iss": "persisty", "sub": "ann", "aud": AUDIENCE, "exp": int(time.time()) + 6 * 3600, "scope": "read write"}
    return {name: value for name, value in {**made, **changed}.items() if value is not None}


def own(**changed: Any) -> str:
    """Return a token signed with the secret."""
    return jwt.encode(claims(**changed), SECRET, "HS256")


def issued(key: str = "rsa", kid: str | None = "rsa", algorithm: str = "RS256", **changed: Any) -> str:
    """Return a token of the issuer."""
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**{"iss": ISSUER, **changed}), private_key(key), algorithm, headers)


def part(value: Any) -> str:
    """Return a part of a token: JSON, or unchanged bytes."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_by_hand(header: dict[str, Any], payload: Any, secret: bytes) -> str:
    """Return a token that no library would sign."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.new(secret, text.encode(), sha256).digest())}"


def now() -> int:
    return int(time.time())


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "alg none": (lambda: f"{part({'alg': 'none'})}.{part(claims())}.", "algorithm"),
    "alg none of the issuer": (lambda: f"{part({'alg': 'none', 'kid': 'rsa'})}.{part(claims(iss=ISSUER))}.", "algorithm"),
    "alg None, signed": (lambda: signed_by_hand({"alg": "None"}, claims(), SECRET.encode()), "algorithm"),
    "no alg": (lambda: signed_by_hand({"typ": "JWT"}, claims(), SECRET.encode()), "algorithm"),
    "a wrong secret": (lambda: jwt.encode(claims(), SECRET + "!", "HS256"), "not signed"),
    "an empty secret": (lambda: signed_by_hand({"alg": "HS256"}, claims(), b""), "not signed"),
    "a longer hash": (lambda: jwt.encode(claims(), SECRET, "HS512"), "algorithm"),
    "no signature": (lambda: own().rpartition(".")[0] + ".", "not signed"),
    "another's key": (lambda: issued("other"), "not signed"),
    "one key under another's name": (lambda: issued("ec", "rsa", "ES256"), "algorithm"),
    "HS256 with the public key": (
        lambda: signed_by_hand({"alg": "HS256", "kid": "rsa"}, claims(iss=ISSUER), public_pem("rsa").encode()),
        "algorithm",
    ),
    "own tokens by the issuer's key": (lambda: issued(iss="persisty"), "algorithm"),
    "the issuer's by our secret": (lambda: own(iss=ISSUER), "key that its issuer does not have"),
    "an unknown kid": (lambda: issued(kid="nobody"), "key that its issuer does not have"),
    "no kid among several": (lambda: issued(kid=None), "key that its issuer does not have"),
    "a key of its own": (
        lambda: jwt.encode(claims(iss=ISSUER), private_key("other"), "RS256", {"kid": "rsa", "jwk": jwk("other")}),
        "not signed",
    ),
    "expired": (lambda: own(exp=now() - 61), "expired"),
    "the issuer's, expired": (lambda: issued(exp=now() - 61), "expired"),
    "not yet valid": (lambda: own(nbf=now() + 90), "not valid yet"),
    "issued in the future": (lambda: own(iat=now() + 90), "not valid yet"),
    "another audience": (lambda: own(aud="https://other.example.org"), "another audience"),
    "audiences without us": (lambda: issued(aud=["account", "other"]), "another audience"),
    "us among the words of another": (lambda: issued(aud=f"other {AUDIENCE}"), "another audience"),
    "no audience": (lambda: own(aud=None), "another audience"),
    "another issuer": (lambda: own(iss="somebody"), "issuer that is not trusted"),
    "almost the issuer": (lambda: issued(iss=ISSUER + "/"), "issuer that is not trusted"),
    "no issuer": (lambda: own(iss=None), "issuer that is not trusted"),
    "an issuer that is a list": (lambda: signed_by_hand({"alg": "HS256"}, claims(iss=["persisty"]), SECRET.encode()), "issuer that is not trusted"),
    "no exp": (lambda: own(exp=None), "no expiry"),
    "exp as text": (lambda: own(exp=str(now() + 600)), "malformed"),
    "exp that is no number": (lambda: own(exp=float("nan")), "malformed"),
    "exp beyond all numbers": (lambda: own(exp=float("inf")), "malformed"),
    "nbf as text": (lambda: own(nbf="1"), "malformed"),
    "an empty subject": (lambda: own(sub=""), "malformed"),
    "a subject that is a number": (
        lambda: signed_by_hand({"alg": "HS256"}, claims(sub=7), SECRET.encode()), "malformed",
    ),
    "half a character": (
        lambda: signed_by_hand({"alg": "HS256"}, claims(sub="\ud800"), SECRET.encode()), "malformed",
    ),
    "claims that are a list": (lambda: signed_by_hand({"alg": "HS256"}, [1], SECRET.encode()), "malformed"),
    "claims that are no JSON": (lambda: signed_by_hand({"alg": "HS256"}, b"{", SECRET.encode()), "malformed"),
    "claims without end": (lambda: signed_by_hand({"alg": "HS256"}, b"[" * 5000, SECRET.encode()), "malformed"),
    "a kid that is a list": (lambda: signed_by_hand({"alg": "HS256", "kid": [1]}, claims(), SECRET.encode()), "malformed"),
    "an unknown crit": (
        lambda: signed_by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, claims(), SECRET.encode()), "malformed",
    ),
    "two parts": (lambda: own().rpartition(".")[0], "malformed"),
    "padded": (lambda: own() + "=", "malformed"),
    "four parts": (lambda: own() + ".x", "malformed"),
    "no parts": (lambda: "gibberish", "malformed"),
    "beyond ASCII": (lambda: own() + "é", "malformed"),
    "oversized": (lambda: own(padding="x" * 9000), "more than 8192"),
}  # fmt: skip
"""Mistake of a token → the token, and part of the error message."""
