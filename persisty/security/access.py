"""Access: which verbs of a store its surfaces (REST, GraphQL) offer to callers from outside.

Deny unless declared: an item without an access rule is reachable from Python only.
"""

from __future__ import annotations

from msgspec import Struct

READS = frozenset({"read", "search", "count", "read_batch"})
WRITES = frozenset({"create", "update", "delete", "edit_batch"})
VERBS = READS | WRITES


class Access(Struct, frozen=True):
    """The verbs that anybody may call. `edit_batch` is limited to the edits whose own verb is allowed."""

    verbs: frozenset[str] = frozenset()

    def allows(self, verb: str) -> bool:
        return verb in self.verbs


private = Access()
"""Nothing from outside: the default."""
read_only = Access(READS)
"""Everybody may read."""
public = Access(VERBS)
"""Everybody may read and write."""
