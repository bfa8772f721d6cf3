"""The authenticator: who a request's credentials say is calling. Every host asks it, and nothing else looks at a token.

`Authorization: Bearer …` is a token of one of the issuers that are configured, or one of persisty's own. A request without
the header costs nothing; a token that was verified is remembered for a while, by its hash.
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
from .issuers import OWN, Issuer, audiences_in, issuers_in, listed
from .signing_secret import LOCAL_STAGES, own_keys
from .tokens import LIFETIME, caller_of, refused, signed, verified

LEEWAY = 60.0
"""Seconds by which the clocks of an issuer and of this machine may differ."""
REMEMBERED, REMEMBERED_FOR = 1000, 300.0
"""Tokens that are remembered, and for how many seconds: a key that its issuer takes back is trusted no longer than that."""


class Authenticator:
    """Knows who is calling. `own` are persisty's own tokens, which it also makes, `issuers` whose else count. Safe for threads."""

    def __init__(
        self,
        own: Issuer | None = None,
        issuers: Iterable[Issuer] = (),
        leeway: float = LEEWAY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._own, self._leeway, self._clock = own, leeway, clock
        self._issuers = {issuer.url: issuer for issuer in (*issuers, *(() if own is None else (own,)))}
        self._remembered: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Authenticator({', '.join(self._issuers)})"

    @property
    def trusts(self) -> bool:
        """Whether there is anybody whose tokens count."""
        return bool(self._issuers)

    def authenticated(self, headers: Mapping[str, str]) -> Caller:
        """Who the headers (names in lower case) say is calling; ANONYMOUS without `authorization`. `Unauthenticated` if what
        is there does not count."""
        given = headers.get("authorization")
        return ANONYMOUS if given is None else self.caller(_token(given))

    def ready(self, headers: Mapping[str, str]) -> bool:
        """Whether `authenticated` answers at once: no token has to be verified, and no issuer asked for its keys."""
        given = headers.get("authorization")
        return given is None or self._recall(_digest(_token(given, ""))) is not None

    def caller(self, token: str) -> Caller:
        """Who a token says is calling."""
        digest = _digest(token)
        known = self._recall(digest)
        if known is None:
            issuer, claims = verified(token, self._issuers, self._leeway)
            known = caller_of(issuer, claims)
            self._remember(digest, known, float(claims["exp"]) + self._leeway)
        return known

    def vouched(self, claims: Mapping[str, Any]) -> Caller:
        """Who verified claims say is calling: somebody we trust, such as AppSync, has looked at the token. What that cannot know
        is checked here: that the issuer is one of ours, and the token meant for us."""
        issuer, subject = self._issuers.get(str(claims.get("iss"))), claims.get("sub")
        told = "sub" not in claims or (isinstance(subject, str) and subject != "")
        if issuer is None or not issuer.takes(claims) or not told:
            raise refused("The token is of no issuer that is trusted here, or meant for somebody else")
        return caller_of(issuer, dict(claims))

    def attested(self, said: Mapping[str, Any]) -> Caller:
        """Who an authorizer of the deployment's own says is calling: `sub`, `scope` and whatever else it claims."""
        subject = said.get("sub")
        known = isinstance(subject, str) and subject != ""
        return Caller(subject if known else None, frozenset(listed(said.get("scope"))), MappingProxyType(dict(said)))

    def token(self, caller: Caller, *, lifetime: float = LIFETIME, not_before: float | None = None) -> str:
        """A token of persisty's own for a caller, good for `lifetime` seconds. `InvalidDeclaration` if nothing is configured to sign it."""
        if self._own is None:
            raise InvalidDeclaration(NOTHING_SIGNS)
        return signed(caller, self._own, lifetime=lifetime, not_before=not_before, now=self._clock())

    def _recall(self, digest: bytes) -> Caller | None:
        with self._lock:
            until, known = self._remembered.get(digest, (0.0, None))
            if known is None:
                return None
            if until <= self._clock():
                del self._remembered[digest]
                return None
            self._remembered.move_to_end(digest)
            return known

    def _remember(self, digest: bytes, caller: Caller, expires: float) -> None:
        with self._lock:
            self._remembered[digest] = min(expires, self._clock() + REMEMBERED_FOR), caller
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)


NOTHING_SIGNS = "Nothing is configured to sign tokens: set PERSISTY_TOKEN_SECRET, PERSISTY_TOKEN_KEY_FILE or PERSISTY_TOKEN_SECRET_ARN"


def _token(given: str, otherwise: str | None = None) -> str:
    """The token of an `Authorization` header (RFC 6750, 2.1); without one `otherwise`, or the error."""
    scheme, _, token = given.partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip(" ")
    if otherwise is None:
        raise refused("Expected a token, as `Authorization: Bearer …`")
    return otherwise


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()


def authenticator_of(configured: settings.Settings, stage: str, secret: str | None, *, needed: bool) -> Authenticator:
    """What the settings say of who is trusted. `secret` is that of persisty's own tokens, if it is known here.

    `InvalidDeclaration` for settings that make no sense, and, if identity is `needed`, for a stage other than a laptop's in which
    nobody's tokens count.
    """
    audiences = audiences_in(configured.token_audience)
    keys = own_keys(configured, stage, secret)
    own = None if keys is None else Issuer(configured.token_issuer, OWN, keys, audiences)
    issuers = issuers_in(configured.token_issuers, audiences) if configured.token_issuers else ()
    if needed and stage not in LOCAL_STAGES and own is None and not issuers:
        raise InvalidDeclaration(
            f"Access rules look at who is calling, but in stage {stage} nobody's tokens count: set PERSISTY_TOKEN_ISSUERS, or "
            "PERSISTY_TOKEN_SECRET, PERSISTY_TOKEN_KEY_FILE or PERSISTY_TOKEN_SECRET_ARN"
        )
    return Authenticator(own, issuers, _leeway(configured.token_leeway))


def _leeway(text: str) -> float:
    if not (text.isascii() and text.isdigit() and int(text) <= 600):
        raise InvalidDeclaration("PERSISTY_TOKEN_LEEWAY is a number of seconds, at most 600")
    return float(text)
