"""Keys that tokens are signed with and verified by, and where they come from.

The algorithm belongs to the key, never to the token: a secret is for HS256, an RSA key for RS256, a key on P-256 for ES256, and
nothing is verified by any other. Keys are loaded when a token first needs them and kept; a token that names an unknown key has
them loaded anew (an issuer has rotated its keys), though never more often than every `REFETCH` seconds, whatever tokens are sent.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

import msgspec
from msgspec import Struct

from ..errors import BackendUnavailable, InvalidDeclaration, PersistyError

MIN_SECRET = 32
"""Bytes a secret has at least: as many as the hash of HS256 (RFC 7518, 3.2)."""
MIN_RSA = 2048
"""Bits an RSA key has at least (RFC 7518, 3.3)."""
MAX_KEYS = 100
"""Keys of one issuer that are looked at."""
FRESH = 3600.0
"""Seconds after which keys are loaded anew."""
KEPT = 24 * 3600.0
"""Seconds for which keys are used while they cannot be loaded anew."""
REFETCH, RETRY = 30.0, 5.0
"""Seconds until keys may be loaded again: after they were, and after they could not be."""

PATIENCE = 1.0
"""Seconds that a token of an unknown key waits while others load the keys."""

PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
CURVES = {"secp256r1": "ES256"}
"""Name of a curve → the algorithm of its keys."""
JWK_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
"""(Type, curve) of a key in a JWK set → its algorithm. Secrets are never taken from one."""


class Key(Struct, frozen=True, eq=False):
    """`verifying` is a secret or a public key, `signing` a secret or a private key if there is one. A key without `kid` may be
    the one of any token."""

    algorithm: str
    verifying: Any
    signing: Any = None
    kid: str | None = None

    def __repr__(self) -> str:
        return f"Key({self.algorithm}, kid={self.kid!r})"  # the material is nobody's to see


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
    """Keys as `load` gives them, kept. Safe for threads, of which one loads at a time."""

    def __init__(self, load: Callable[[], tuple[Key, ...]], clock: Callable[[], float] = time.time) -> None:
        self._load, self._clock = load, clock
        self._known: tuple[Key, ...] = ()
        self._loaded = self._allowed = float("-inf")
        self._error: PersistyError | None = None
        self._loading = threading.Lock()

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """The keys that may have signed a token which names this one. `BackendUnavailable` while none can be loaded."""
        found = _named(self._known, kid)
        if not found or self._clock() >= self._loaded + FRESH:
            self._renew(wait=not found)
            found = _named(self._known, kid)
        return found

    def signing(self) -> Key:
        """The first key that signs. `InvalidDeclaration` if there is none."""
        if not self._known:
            self._renew(wait=True)
        signing = next((key for key in self._known if key.signing is not None), None)
        if signing is None:
            raise InvalidDeclaration("The key of tokens is a public one: it cannot sign")
        return signing

    def _renew(self, *, wait: bool) -> None:
        """Load unless it is too soon. Who has keys that do need not `wait` for a thread that is at it, and nobody who has any
        waits for long: tokens of made-up keys would hold up all others while an issuer is slow."""
        if self._known and self._clock() < self._allowed:
            return
        if not self._loading.acquire(timeout=-1 if not self._known else PATIENCE if wait else 0):
            return
        try:
            now = self._clock()
            if now >= self._allowed:
                self._try(now)
            if not self._known and self._error is not None:
                raise self._error.with_traceback(None)  # it is raised again and again, and would keep the trace of each
        finally:
            self._loading.release()

    def _try(self, now: float) -> None:
        try:
            self._known = self._load()
        except PersistyError as error:
            self._error, self._allowed = error, now + RETRY
            if now >= self._loaded + KEPT:
                self._known = ()
        else:
            self._error, self._loaded, self._allowed = None, now, now + REFETCH


def _named(keys: tuple[Key, ...], kid: str | None) -> tuple[Key, ...]:
    """Those with the name, and those without any; a token that names none fits the one key there is."""
    if kid is None and len(keys) == 1:
        return keys
    return tuple(key for key in keys if key.kid is None or key.kid == kid)


def keys_in(text: str) -> tuple[Key, ...]:
    """The keys that a file, a variable or a stored secret holds: PEM keys one after the other, or secrets, one a line.

    The first signs, every one verifies, so that a new one can be put before the old. No error says what was read.
    """
    if "-----BEGIN" in text:
        return tuple(_pem(match[0], match[1]) for match in PEM.finditer(text)) or _refuse("is not a PEM key")
    secrets = [line.strip().encode() for line in text.splitlines() if line.strip()]
    if not secrets:
        _refuse("is empty")
    if text.lstrip().startswith(("{", "[")):
        _refuse("is JSON; expected the bare secret, or a PEM key")
    if min(map(len, secrets)) < MIN_SECRET:
        _refuse(f"is too short: at least {MIN_SECRET} random bytes, as `openssl rand -base64 32` gives them")
    return tuple(Key("HS256", secret, secret) for secret in secrets)


def _pem(block: str, label: str) -> Key:
    try:
        serialization = import_module("cryptography.hazmat.primitives.serialization")
        private = serialization.load_pem_private_key(block.encode(), None) if "PRIVATE" in label else None
        public = serialization.load_pem_public_key(block.encode()) if private is None else private.public_key()
    except ModuleNotFoundError:
        _refuse("is a PEM key, which needs cryptography: pip install 'persisty[server]'")
    except Exception:  # whatever the library says of it may quote it
        _refuse("is not a PEM key that can be read without a password")
    algorithm = CURVES.get(public.curve.name) if hasattr(public, "curve") else _rsa(public)
    if algorithm is None:
        _refuse(f"is neither an RSA key of at least {MIN_RSA} bits nor one on P-256")
    return Key(algorithm, public, private)


def _rsa(public: Any) -> str | None:
    kind = import_module("cryptography.hazmat.primitives.asymmetric.rsa").RSAPublicKey
    return "RS256" if isinstance(public, kind) and public.key_size >= MIN_RSA else None


def _refuse(why: str) -> NoReturn:
    raise InvalidDeclaration(f"What is to sign tokens {why}") from None


def keys_of_set(document: Any) -> tuple[Key, ...]:
    """The public keys of a JWK set (RFC 7517) that verify signatures by a known algorithm; the others are left out."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found = tuple(key for one in (listed if isinstance(listed, list) else [])[:MAX_KEYS] if (key := _jwk(one)))
    if not found:
        raise BackendUnavailable("The token issuer shows no key that can be used")
    return found


def _jwk(given: Any) -> Key | None:
    try:
        jwk = msgspec.convert(given, Jwk)
    except msgspec.ValidationError:
        return None
    algorithm = JWK_ALGORITHMS.get((jwk.kty, jwk.crv))
    if algorithm is None or jwk.use not in (None, "sig") or jwk.alg not in (None, algorithm):
        return None
    jwt = import_module("jwt")
    members = {name: value for name, value in msgspec.structs.asdict(jwk).items() if value is not None}
    try:
        key = jwt.PyJWK(members, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return Key(algorithm, key, kid=jwk.kid) if algorithm != "RS256" or _rsa(key) else None
