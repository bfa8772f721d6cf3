"""The limits of GraphQL requests, in one table for the hosted endpoint and for AppSync's functions. This module uses no GraphQL library."""

from __future__ import annotations

from msgspec import Struct

from .complexity import MOST


class Limits(Struct, frozen=True):
    """The limits of a document.

    `tokens`: of the text. `depth`, `fields`, `aliases`: of the selection, where a fragment counts each time it is spread. `definitions`: operations
    and fragments. `values`: in the variables. `comparisons`: of fields with the same response name in one place, which validation makes.
    `complexity`: values in the response (`complexity.py`). `introspection`: whether it is allowed; `depth` does not limit it.

    AppSync parses and validates documents itself. Its functions know the selection of one root field, and apply `depth`, `fields`, `aliases` and
    `complexity` to that.
    """

    tokens: int = 5_000
    depth: int = 12
    fields: int = 1_000
    aliases: int = 50
    definitions: int = 200
    values: int = 50_000
    comparisons: int = 10_000
    complexity: int = MOST
    introspection: bool = True


class Cost(Struct, frozen=True):
    """The levels, fields and aliases of a selection."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0

    def excesses(self, limits: Limits, what: str) -> list[str]:
        """Return a message for each limit that the selection exceeds. `what`: the subject of the messages."""
        found = (
            ("levels", limits.depth, self.depth),
            ("fields", limits.fields, self.fields),
            ("aliases", limits.aliases, self.aliases),
        )
        return [f"{what} has more than {limit} {name}" for name, limit, used in found if used > limit]
