"""Keys that sign and verify tokens, and how they are loaded and cached.

The key decides the algorithm, never the token: a secret uses HS256, an RSA key RS256, a key on P-256 ES256. Keys are loaded when a token
first needs them. A token with an unknown key id makes them load again, because the issuer may have rotated its keys. That happens at most
once in `REFETCH` seconds, for any number of tokens.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from ..drivers import driver
from ..errors import BackendUnavailable, InvalidDeclaration, PersistyError

MIN_SECRET = 32
"""Minimum bytes of a secret: the size of the hash of HS256 (RFC 7518, 3.2)."""
MIN_RSA = 2048
"""Minimum bits of an RSA key (RFC 7518, 3.3)."""
MAX_KEYS = 100
"""Keys of one issuer that are read; the others are ignored."""
FRESH = 3600.0
"""Seconds after which keys are loaded again."""
STALE = 24 * 3600.0
"""Seconds for which keys remain in use while loading them again fails."""
REFETCH, RETRY = 30.0, 5.0
"""Seconds before the next load: after a success, and after a failure."""

MAX_WAIT = 1.0
"""Seconds that a token with an unknown key id waits while another thread loads the keys."""

PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
CURVES = {"secp256r1": "ES256"}
"""Name of a curve → the algorithm of its keys."""
JWK_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
"""(Type, curve) of a key in a JWK set → its algorithm. A secret is never read from a set."""


class Key(Struct, frozen=True, eq=False):
    """`verifying` is a secret or a public key; `signing` is a secret or a private key, or None. A key without `kid` is tried for every
    token."""

    algorithm: str
    verifying: Any
    signing: Any = None
    kid: str | None = None

    def __repr__(self) -> str:
        return f"Key({self.algorithm}, kid={self.kid!r})"  # never show the material


class Jwk(Struct, frozen=True):
    """The members of a JSON Web Key (RFC 7517, 7518) that make a public key."""

    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


class Keys:
    """A cache of the keys that `load` returns. Thread-safe: one thread loads at a time."""

    def __init__(self, load: Callable[[], tuple[Key, ...]], clock: Callable[[], float] = time.time) -> None:
        self._load, self._clock = load, clock
        self._known: tuple[Key, ...] = ()
        self._loaded = self._allowed = float("-inf")
        self._error: PersistyError | None = None
        self._loading = threading.Lock()

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys that may have signed a token with this key id. Raises `BackendUnavailable` while no key can be loaded."""
        found = _named(self._known, kid)
        if not found or self._clock() >= self._loaded + FRESH:
            self._renew(wait=not found)
            found = _named(self._known, kid)
        return found

    def signing(self) -> Key:
        """Return the first key that can sign. Raises `InvalidDeclaration` if there is none."""
        if not self._known:
            self._renew(wait=True)
        signing = next((key for key in self._known if key.signing is not None), None)
        if signing is None:
            raise InvalidDeclaration("The token key is a public key, which cannot sign")
        return signing

    def _renew(self, *, wait: bool) -> None:
        """Load the keys unless it is too soon.

        A caller that has a matching key does not `wait` for a thread that is loading. Without a matching key the wait is short: tokens with
        invented key ids would otherwise block all others while an issuer is slow.
        """
        if self._known and self._clock() < self._allowed:
            return
        if not self._loading.acquire(timeout=-1 if not self._known else MAX_WAIT if wait else 0):
            return
        try:
            now = self._clock()
            if now >= self._allowed:
                self._try(now)
            if not self._known and self._error is not None:
                raise self._error.with_traceback(None)  # raised many times: drop the trace of the last
        finally:
            self._loading.release()

    def _try(self, now: float) -> None:
        try:
            self._known = self._load()
        except PersistyError as error:
            self._error, self._allowed = error, now + RETRY
            if now >= self._loaded + STALE:
                self._known = ()
        else:
            self._error, self._loaded, self._allowed = None, now, now + REFETCH


def _named(keys: tuple[Key, ...], kid: str | None) -> tuple[Key, ...]:
    """Return the keys with this id and those without one. A token without a key id matches if there is only one key."""
    if kid is None and len(keys) == 1:
        return keys
    return tuple(key for key in keys if key.kid is None or key.kid == kid)


def keys_in(text: str) -> tuple[Key, ...]:
    """Return the keys in a text: PEM keys in sequence, or secrets, one a line.

    The first key signs and all of them verify, so a new key can be put before the old one. No error repeats the text.
    """
    if "-----BEGIN" in text:
        return tuple(_pem(match[0], match[1]) for match in PEM.finditer(text)) or _refuse("is not a PEM key")
    secrets = [line.strip().encode() for line in text.splitlines() if line.strip()]
    if not secrets:
        _refuse("is empty")
    if _is_json(text):
        _refuse("is JSON; expected the bare secret or a PEM key")
    if min(map(len, secrets)) < MIN_SECRET:
        _refuse(f"is too short: use at least {MIN_SECRET} random bytes, as from `openssl rand -base64 32`")
    return tuple(Key("HS256", secret, secret) for secret in secrets)


def _is_json(text: str) -> bool:
    """Tell whether a text is a JSON object or array, such as `{"secret": "…"}`. A random secret may start with a brace."""
    try:
        return isinstance(msgspec.json.decode(text), dict | list)
    except (msgspec.DecodeError, RecursionError):
        return False


def _pem(block: str, label: str) -> Key:
    serialization = driver("cryptography.hazmat.primitives.serialization")
    try:
        private = serialization.load_pem_private_key(block.encode(), None) if "PRIVATE" in label else None
        public = serialization.load_pem_public_key(block.encode()) if private is None else private.public_key()
    except Exception:  # the library raises many types, and its message may quote the key
        _refuse("is not a PEM key that can be read without a password")
    algorithm = CURVES.get(public.curve.name) if hasattr(public, "curve") else _rsa(public)
    if algorithm is None:
        _refuse(f"is neither an RSA key of at least {MIN_RSA} bits nor a key on P-256")
    return Key(algorithm, public, private)


def _rsa(public: Any) -> str | None:
    kind = driver("cryptography.hazmat.primitives.asymmetric.rsa").RSAPublicKey
    return "RS256" if isinstance(public, kind) and public.key_size >= MIN_RSA else None


def _refuse(reason: str) -> NoReturn:
    raise InvalidDeclaration(f"The key to sign tokens {reason}") from None


def keys_of_set(document: Any) -> tuple[Key, ...]:
    """Return the public keys of a JWK set (RFC 7517) that verify signatures by a known algorithm, without the others."""
    members = document.get("keys") if isinstance(document, dict) else None
    found = tuple(key for one in (members if isinstance(members, list) else [])[:MAX_KEYS] if (key := _jwk(one)))
    if not found:
        raise BackendUnavailable("The token issuer's key set has no usable key")
    return found


def _jwk(given: Any) -> Key | None:
    try:
        jwk = msgspec.convert(given, Jwk)
    except msgspec.ValidationError:
        return None
    algorithm = JWK_ALGORITHMS.get((jwk.kty, jwk.crv))
    if algorithm is None or jwk.use not in (None, "sig") or jwk.alg not in (None, algorithm):
        return None
    jwt = driver("jwt")
    members = {name: value for name, value in msgspec.structs.asdict(jwk).items() if value is not None}
    try:
        key = jwt.PyJWK(members, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return Key(algorithm, key, kid=jwk.kid) if algorithm != "RS256" or _rsa(key) else None
