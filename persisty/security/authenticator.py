"""The authenticator: turns the credentials of a request into a `Caller`. Every host uses it; no other code reads a token.

`Authorization: Bearer …` is a token of a configured issuer, or one that persisty signed itself. A request without the header costs
nothing. A verified token is cached for a while, by its hash.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from .. import settings
from ..errors import InvalidDeclaration
from .caller import ANONYMOUS, Caller
from .issuers import OWN, Issuer, audiences_in, issuers_in, words_of
from .signing_secret import LOCAL_STAGES, own_keys
from .tokens import LIFETIME, caller_of, invalid_token, sign, verify

LEEWAY = 60.0
"""Seconds that the clocks of an issuer and of this machine may differ by."""
MAX_CACHED, CACHE_SECONDS = 1000, 300.0
"""The most cached tokens, and the seconds for which a verified token is cached. A revoked key is trusted no longer than that."""


class Authenticator:
    """Identifies callers by their tokens. `own` issues persisty's own tokens. `issuers` are the other trusted issuers. Thread-safe."""

    def __init__(
        self,
        own: Issuer | None = None,
        issuers: Iterable[Issuer] = (),
        leeway: float = LEEWAY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._own, self._leeway, self._clock = own, leeway, clock
        self._issuers = {issuer.url: issuer for issuer in (*issuers, *(() if own is None else (own,)))}
        self._verified: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Authenticator({', '.join(self._issuers)})"

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller that the headers identify, ANONYMOUS without `authorization`. Names of headers are in lower case. Raises
        `Unauthenticated` if the credentials are not valid."""
        given = headers.get("authorization")
        return ANONYMOUS if given is None else self.caller(_token(given))

    def ready(self, headers: Mapping[str, str]) -> bool:
        """Return whether `authenticate` returns at once: it has no token to verify and no keys to fetch."""
        given = headers.get("authorization")
        return given is None or self._cached(_digest(_token(given, ""))) is not None

    def caller(self, token: str) -> Caller:
        """Return the caller that a token identifies. Raises `Unauthenticated` if the token is not valid."""
        digest = _digest(token)
        caller = self._cached(digest)
        if caller is None:
            issuer, claims = verify(token, self._issuers, self._leeway)
            caller = caller_of(issuer, claims)
            self._cache(digest, caller, float(min(claims["exp"], LATEST)) + self._leeway)
        return caller

    def caller_of_claims(self, claims: Mapping[str, Any]) -> Caller:
        """Return the caller of claims that a trusted party, such as AppSync, has verified.

        The issuer and the audience are checked here, because that party does not know them.
        """
        issuer, subject = self._issuers.get(str(claims.get("iss"))), claims.get("sub")
        sound = "sub" not in claims or (isinstance(subject, str) and subject != "")
        if issuer is None or not issuer.accepts(claims) or not sound:
            raise invalid_token("The token is from an issuer that is not trusted, or is for another audience")
        return caller_of(issuer, dict(claims))

    def caller_of_authorizer(self, context: Mapping[str, Any]) -> Caller:
        """Return the caller that the deployment's own authorizer describes: `sub`, `scope` and further claims."""
        subject = context.get("sub")
        known = isinstance(subject, str) and subject != ""
        scopes = frozenset(words_of(context.get("scope")))
        return Caller(subject if known else None, scopes, MappingProxyType(dict(context)))

    def token(self, caller: Caller, *, lifetime: float = LIFETIME, not_before: float | None = None) -> str:
        """Return a signed token for a caller, which expires after `lifetime` seconds. Raises `InvalidDeclaration` if no signing key is configured."""
        if self._own is None:
            raise InvalidDeclaration(NO_SIGNING_KEY)
        return sign(caller, self._own, lifetime=lifetime, not_before=not_before, now=self._clock())

    def _cached(self, digest: bytes) -> Caller | None:
        with self._lock:
            until, caller = self._verified.get(digest, (0.0, None))
            if caller is None:
                return None
            if until <= self._clock():
                del self._verified[digest]
                return None
            self._verified.move_to_end(digest)
            return caller

    def _cache(self, digest: bytes, caller: Caller, expires: float) -> None:
        with self._lock:
            self._verified[digest] = min(expires, self._clock() + CACHE_SECONDS), caller
            if len(self._verified) > MAX_CACHED:
                self._verified.popitem(last=False)


LATEST = 2**53
"""The greatest expiry that a float represents exactly, in seconds. Later times count as never."""
NO_SIGNING_KEY = "No key to sign tokens is configured: set PERSISTY_TOKEN_SECRET, PERSISTY_TOKEN_KEY_FILE or PERSISTY_TOKEN_SECRET_ARN"


def _token(given: str, otherwise: str | None = None) -> str:
    """Return the token of an `Authorization` header (RFC 6750, 2.1). If there is none, return `otherwise`, or raise `Unauthenticated`."""
    scheme, _, token = given.partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip(" ")
    if otherwise is None:
        raise invalid_token("Expected a token, as `Authorization: Bearer …`")
    return otherwise


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()


def authenticator_of(configured: settings.Settings, stage: str, secret: str | None, *, needed: bool) -> Authenticator:
    """Return the authenticator that the settings describe. `secret` signs persisty's own tokens, if this process has it.

    Raises `InvalidDeclaration` for settings that contradict each other. If rules depend on the caller (`needed`), also for a stage that is not local
    and trusts no issuer.
    """
    audiences = audiences_in(configured.token_audience)
    keys = own_keys(configured, stage, secret)
    own = None if keys is None else Issuer(configured.token_issuer, OWN, keys, audiences)
    issuers = issuers_in(configured.token_issuers, audiences) if configured.token_issuers else ()
    if needed and stage not in LOCAL_STAGES and own is None and not issuers:
        raise InvalidDeclaration(
            f"Access rules depend on the caller, but stage {stage} trusts no token issuer: set PERSISTY_TOKEN_ISSUERS, "
            "PERSISTY_TOKEN_SECRET, PERSISTY_TOKEN_KEY_FILE or PERSISTY_TOKEN_SECRET_ARN"
        )
    return Authenticator(own, issuers, _leeway(configured.token_leeway))


def _leeway(text: str) -> float:
    if not (text.isascii() and text.isdigit() and int(text) <= 600):
        raise InvalidDeclaration("PERSISTY_TOKEN_LEEWAY must be a whole number of seconds, at most 600")
    return float(text)
