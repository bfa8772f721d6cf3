"""Token issuers: a table with the URL of each kind of issuer, and with the places of its keys, audience and scopes.

`PERSISTY_TOKEN_ISSUERS` lists them: `cognito:eu-west-1_AbC123 auth0:acme.eu.auth0.com keycloak:https://id.acme.org/realms/main`. Any
other OpenID Connect issuer is `oidc:` and its URL. The `iss` claim of a token must equal the issuer's URL, and only that issuer's keys
verify it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from ..errors import BackendUnavailable, Fault, InvalidDeclaration
from .issuer_documents import checked_url, fetch_json
from .keys import Key, Keys, keys_of_set

Path = tuple[str, ...]
"""The names that lead to a claim; `{audience}` stands for each configured audience."""

DISCOVERY = "/.well-known/openid-configuration"


class IssuerKind(Struct, frozen=True):
    """`place` is the pattern of the configured value and `url` the `iss` made from it. `keys` is the path of the key set below the URL, None if
    the discovery document names it. `scopes` are the claims whose words or members are granted scopes, `audience` those that name the
    audience."""

    place: str
    url: str
    keys: str | None
    scopes: tuple[Path, ...]
    audience: tuple[str, ...] = ("aud",)


HTTPS = r"https?://[^\s?#]+"

KINDS: dict[str, IssuerKind] = {
    "cognito": IssuerKind(
        r"(?P<region>[a-z0-9-]+)_[A-Za-z0-9]+",
        "https://cognito-idp.{region}.amazonaws.com/{place}",
        "/.well-known/jwks.json",
        (("scope",), ("cognito:groups",)),
        ("aud", "client_id"),  # ID tokens have the one, access tokens the other
    ),
    "auth0": IssuerKind(
        r"[a-z0-9.-]+\.[a-z]+", "https://{place}/", "/.well-known/jwks.json", (("scope",), ("permissions",))
    ),
    "keycloak": IssuerKind(
        HTTPS,
        "{place}",
        "/protocol/openid-connect/certs",
        (("scope",), ("realm_access", "roles"), ("resource_access", "{audience}", "roles")),
    ),
    "oidc": IssuerKind(HTTPS, "{place}", None, (("scope",), ("scp",))),
}
OWN = IssuerKind("", "", None, (("scope",),))
"""The kind of tokens that persisty signs itself."""


class Issuer(Struct, frozen=True, eq=False):
    """A trusted issuer. `url` is the `iss` of its tokens; `audiences` are the accepted audiences (empty: only tokens without one)."""

    url: str
    kind: IssuerKind
    keys: Keys
    audiences: frozenset[str] = frozenset()

    def accepts(self, claims: Mapping[str, Any]) -> bool:
        """Return whether the claims name an accepted audience. A token for another audience must be rejected (RFC 7519, 4.1.3)."""
        values = (claims.get(name) for name in self.kind.audience)
        named = {one for value in values for one in ([value] if isinstance(value, str) else words_of(value))}
        return bool(named & self.audiences) if self.audiences else not claims.get("aud")

    def scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """Return the scopes that the claims grant."""
        paths = (path for pattern in self.kind.scopes for path in self._paths(pattern))
        return frozenset(word for path in paths for word in words_of(_at(claims, path)))

    def _paths(self, pattern: Path) -> list[Path]:
        if "{audience}" not in pattern:
            return [pattern]
        return [tuple(name if part == "{audience}" else part for part in pattern) for name in sorted(self.audiences)]


def audiences_in(text: str | None) -> frozenset[str]:
    """Return the audiences in the text of the setting."""
    return frozenset((text or "").replace(",", " ").split())


def issuers_in(text: str, audiences: frozenset[str]) -> tuple[Issuer, ...]:
    """Return the issuers in the text of the setting. Raises `InvalidDeclaration`, which lists every fault in it."""
    faults: list[Fault] = []
    found: list[Issuer] = []
    for spelled in re.split(r"[\s,]+", text.strip(", \n\t")):
        name, _, place = spelled.partition(":")
        kind = KINDS.get(name)
        match = re.fullmatch(kind.place, place) if kind is not None else None
        if kind is None or match is None:
            faults.append(Fault("", f"Not an issuer: {spelled}", " or ".join(f"{one}:…" for one in KINDS)))
        else:
            url = checked_url(kind.url.format(place=place, **match.groupdict()))
            found.append(issuer_of(kind, url, audiences))
    if found and not audiences:
        faults.append(
            Fault("", "PERSISTY_TOKEN_AUDIENCE is missing: without it, tokens for other audiences would be accepted")
        )
    if faults:
        raise InvalidDeclaration("PERSISTY_TOKEN_ISSUERS is not valid", faults=faults)
    return tuple(found)


def issuer_of(
    kind: IssuerKind, url: str, audiences: frozenset[str], fetch: Callable[[str], Any] = fetch_json
) -> Issuer:
    """Return an issuer whose keys are fetched when a token first needs them."""

    def load() -> tuple[Key, ...]:
        return keys_of_set(fetch(_key_set_url(url, fetch) if kind.keys is None else url.rstrip("/") + kind.keys))

    return Issuer(url, kind, Keys(load), audiences)


def _key_set_url(url: str, fetch: Callable[[str], Any]) -> str:
    """Return the `jwks_uri` of the discovery document. The document must name the same issuer (OpenID Connect Discovery 1.0, 4.3)."""
    document = fetch(url.rstrip("/") + DISCOVERY)
    members = document if isinstance(document, dict) else {}
    place = members.get("jwks_uri")
    if members.get("issuer") != url or not isinstance(place, str):
        raise BackendUnavailable("The token issuer's discovery document names another issuer or no key set")
    try:
        return checked_url(place)
    except InvalidDeclaration as error:  # a mistake of the issuer, not of the declaration
        raise BackendUnavailable(
            "The token issuer's discovery document names a key set without an https URL"
        ) from error


def words_of(value: Any) -> tuple[str, ...]:
    """Return the words of a text, or the texts in a list. Any other value has none."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _at(claims: Any, path: Path) -> Any:
    for name in path:
        claims = claims.get(name) if isinstance(claims, Mapping) else None
    return claims
