"""Access: the rule of each verb of a store, for callers from outside.

Deny unless declared: an item without an access rule is reachable from Python only.
"""

from __future__ import annotations

from msgspec import Struct

from .rules import AllOf, AnyOf, Rule, everyone, joined, nobody

READS = frozenset({"read", "search", "count", "read_batch"})
WRITES = frozenset({"create", "update", "delete", "edit_batch"})
VERBS = READS | WRITES


class Access(Struct, frozen=True):
    """Who may do what. An item that `read` keeps from a caller does not exist for it, whatever the verb.

    `create` looks at the new item, `update` at the item before and after, `delete` at the item. `search` is who may look for items
    that it may read (default: the same), `count` who may count them (default: who may search), `read_batch` as `read`, and
    `edit_batch` who may send several edits, each of which is held to its own verb (default: whoever may do any of them).
    """

    read: Rule = nobody
    create: Rule = nobody
    update: Rule = nobody
    delete: Rule = nobody
    search: Rule | None = None
    count: Rule | None = None
    read_batch: Rule | None = None
    edit_batch: Rule | None = None

    def of(self, verb: str) -> Rule:
        """The rule of a verb."""
        said: Rule | None = getattr(self, verb)
        if said is not None:
            return said
        kind, verbs = DERIVED[verb]
        return joined(kind, tuple(map(self.of, verbs)))

    def allows(self, verb: str) -> bool:
        """Whether there may be anybody who may do this."""
        return self.of(verb).constant is not False

    @property
    def steady(self) -> bool:
        """Whether its rules say the same of a caller at all times."""
        return all(self.of(verb).steady for verb in sorted(VERBS))

    @property
    def owners(self) -> tuple[str, ...]:
        """The attributes that say whose an item is."""
        return tuple(dict.fromkeys(name for verb in sorted(VERBS) for name in self.of(verb).owners))


DERIVED: dict[str, tuple[type[AllOf | AnyOf], tuple[str, ...]]] = {
    "search": (AllOf, ("read",)),
    "count": (AllOf, ("search",)),
    "read_batch": (AllOf, ("read",)),
    "edit_batch": (AnyOf, ("create", "update", "delete")),
}
"""Verb → what its rule is made of, unless it has one of its own."""


private = Access()
"""Nothing from outside: the default."""
read_only = Access(read=everyone)
"""Everybody may read."""
public = Access(read=everyone, create=everyone, update=everyone, delete=everyone)
"""Everybody may read and write."""
