"""Token issuers: how each kind spells its URL, its keys, its audience and what it grants, as a table.

`PERSISTY_TOKEN_ISSUERS` names them, `cognito:eu-west-1_AbC123 auth0:acme.eu.auth0.com keycloak:https://id.acme.org/realms/main`; any
other that follows OpenID Connect is `oidc:` and its URL. A token is matched with its issuer by the `iss` it claims, letter by letter,
and verified by that issuer's keys alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from ..errors import BackendUnavailable, Fault, InvalidDeclaration
from .keys import Key, Keys, keys_of_set

Path = tuple[str, ...]
"""The names that lead to a claim; `{audience}` stands for each of those whom tokens are for."""

DISCOVERY = "/.well-known/openid-configuration"


class IssuerKind(Struct, frozen=True):
    """`place` is what may be configured, `url` what that makes of `iss`; `keys` where the keys are below it, None if the discovery
    document tells; `scopes` the claims whose words and list members are granted scopes, `audience` those that say whom it is for.
    """

    place: str
    url: str
    keys: str | None
    scopes: tuple[Path, ...]
    audience: tuple[str, ...] = ("aud",)


LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that are asked without TLS if their URL says so: this machine."""
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
"""persisty's own tokens."""


class Issuer(Struct, frozen=True, eq=False):
    """Whose tokens count: `url` is what they claim as `iss`, `audiences` whom they must be for (empty: nobody in particular)."""

    url: str
    kind: IssuerKind
    keys: Keys
    audiences: frozenset[str] = frozenset()

    def takes(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token with these claims is meant for us. One that names an audience is for nobody else (RFC 7519, 4.1.3)."""
        told = (claims.get(name) for name in self.kind.audience)
        named = {one for value in told for one in ([value] if isinstance(value, str) else listed(value))}
        return bool(named & self.audiences) if self.audiences else not claims.get("aud")

    def scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """What the claims grant."""
        paths = (path for spelled in self.kind.scopes for path in self._paths(spelled))
        return frozenset(word for path in paths for word in listed(_at(claims, path)))

    def _paths(self, spelled: Path) -> list[Path]:
        if "{audience}" not in spelled:
            return [spelled]
        return [tuple(name if part == "{audience}" else part for part in spelled) for name in sorted(self.audiences)]


def checked(url: str) -> str:
    """The URL if it may be asked: `https`, or `http` on this machine. `InvalidDeclaration` otherwise."""
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)):
        raise InvalidDeclaration(f"Token issuers are asked by https only, not as {url!r} says")
    return url


def audiences_in(text: str | None) -> frozenset[str]:
    """Whom tokens must be for, as the setting says."""
    return frozenset((text or "").replace(",", " ").split())


def issuers_in(text: str, audiences: frozenset[str]) -> tuple[Issuer, ...]:
    """The issuers that the setting names. `InvalidDeclaration` with everything that is wrong with it."""
    faults: list[Fault] = []
    found: list[Issuer] = []
    for spelled in re.split(r"[\s,]+", text.strip(", \n\t")):
        name, _, place = spelled.partition(":")
        kind = KINDS.get(name)
        match = re.fullmatch(kind.place, place) if kind is not None else None
        if kind is None or match is None:
            faults.append(Fault("", f"Not an issuer: {spelled}", " or ".join(f"{one}:…" for one in KINDS)))
        else:
            found.append(issuer_of(kind, checked(kind.url.format(place=place, **match.groupdict())), audiences))
    if found and not audiences:
        faults.append(Fault("", "PERSISTY_TOKEN_AUDIENCE is missing: an issuer's tokens for anybody else would count"))
    if faults:
        raise InvalidDeclaration("PERSISTY_TOKEN_ISSUERS cannot be used", faults=faults)
    return tuple(found)


def issuer_of(
    kind: IssuerKind, url: str, audiences: frozenset[str], fetch: Callable[[str], Any] | None = None
) -> Issuer:
    """An issuer whose keys are fetched when a token first needs them."""

    def load() -> tuple[Key, ...]:
        get = fetch or import_module(f"{__package__}.fetch").fetch_json
        return keys_of_set(get(_discovered(url, get) if kind.keys is None else url.rstrip("/") + kind.keys))

    return Issuer(url, kind, Keys(load), audiences)


def _discovered(url: str, get: Callable[[str], Any]) -> str:
    """Where the discovery document says that the keys are (OpenID Connect Discovery 1.0, 4.3: it must be the issuer's own)."""
    document = get(url.rstrip("/") + DISCOVERY)
    told = document if isinstance(document, dict) else {}
    place = told.get("jwks_uri")
    if told.get("issuer") != url or not isinstance(place, str):
        raise BackendUnavailable("The token issuer's discovery document is another's, or names no keys")
    return place


def listed(value: Any) -> tuple[str, ...]:
    """The words of a text, or the texts of a list; nothing of anything else."""
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _at(claims: Any, path: Path) -> Any:
    for name in path:
        claims = claims.get(name) if isinstance(claims, Mapping) else None
    return claims
