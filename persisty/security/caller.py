"""Who asks: what the surfaces know of a caller once its credentials are checked, and what access rules look at.

It is persisty's own light record. servey's `Authorization` says the same without the claims; `persisty.api.authorization`
turns one into the other where a host has servey anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct


class Caller(Struct, frozen=True, eq=False):
    """A caller whose credentials are good, or nobody in particular.

    `subject` is who it is, None for a caller that is not authenticated; `scopes` are what it was granted; `claims` is everything
    its token said, by name.
    """

    subject: str | None = None
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = MappingProxyType({})

    @property
    def authenticated(self) -> bool:
        return self.subject is not None

    def has(self, scope: str) -> bool:
        """Whether the scope was granted."""
        return scope in self.scopes

    def __repr__(self) -> str:
        return f"Caller({self.subject!r}, scopes={sorted(self.scopes)})"  # claims may be private


ANONYMOUS = Caller()
"""A caller without credentials."""
