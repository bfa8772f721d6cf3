"""The caller: the identity that the authenticator establishes and access rules are evaluated for.

It is persisty's own small record. `persisty.api.authorization` converts it to and from servey's `Authorization`, which has no claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct


class Caller(Struct, frozen=True, eq=False):
    """A caller whose credentials were verified, or an anonymous one.

    `subject` identifies it, None for a caller that is not authenticated. `scopes` are those that it was granted. `claims` are all claims
    of its token, by name.
    """

    subject: str | None = None
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = MappingProxyType({})

    @property
    def authenticated(self) -> bool:
        return self.subject is not None

    def has(self, scope: str) -> bool:
        """Return whether the scope was granted."""
        return scope in self.scopes

    def __repr__(self) -> str:
        return f"Caller({self.subject!r}, scopes={sorted(self.scopes)})"  # claims may be private


ANONYMOUS = Caller()
"""A caller without credentials."""
