"""Access as data: the rule of each verb of a store, for callers from outside.

Deny unless declared: an item without an access rule is reachable from Python only.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from .rules import AnyOf, Rule, everyone, joined, nobody
from .verbs import VERBS


class Access(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="verbs"):
    """The rule of each verb. An item that `read` does not allow does not exist for the caller, whatever the verb.

    `create` is decided with the new item, `update` with the item before and after, `delete` with the item. `search` defaults to
    `read`, `count` to `search`, `read_batch` to `read`. `edit_batch` decides who may send several edits (default: callers that may
    send one of them); the rule of the edit's own verb decides each edit.
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
        """Return the rule of a verb."""
        declared: Rule | None = getattr(self, verb)
        if declared is not None:
            return declared
        row = VERBS[verb]
        if row.rule_of is not None:
            return self.of(row.rule_of)
        return joined(AnyOf, tuple(map(self.of, row.edits)))

    def allows(self, verb: str) -> bool:
        """Return whether the rule of the verb may allow some caller to do this."""
        return self.of(verb).constant is not False

    @property
    def declared(self) -> Iterator[tuple[str, Rule]]:
        """Yield (verb, rule) for each verb that has a rule of its own."""
        return ((verb, rule) for verb in self.__struct_fields__ if (rule := getattr(self, verb)) is not None)

    @property
    def cacheable(self) -> bool:
        """Return whether the filters for a caller stay the same, so that they can be cached."""
        return all(self.of(verb).cacheable for verb in sorted(VERBS))

    @property
    def owners(self) -> tuple[str, ...]:
        """The attributes that name the owner of an item."""
        return tuple(dict.fromkeys(name for verb in sorted(VERBS) for name in self.of(verb).owners))


private = Access()
"""No caller from outside: the default."""
read_only = Access(read=everyone)
"""Every caller may read."""
public = Access(read=everyone, create=everyone, update=everyone, delete=everyone)
"""Every caller may read and write."""
