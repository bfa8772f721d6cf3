"""The verbs of every store, in one table. What a layer above needs to know of a verb is a column here, or a table that is keyed by it.

`tests/architecture/test_verbs.py` checks the tables of other modules against this one, so that a new verb fails where one lacks it.
"""

from __future__ import annotations

from msgspec import Struct


class Verb(Struct, frozen=True, kw_only=True):
    """A row of `VERBS`.

    `writes`: it may change items. `rule_of`: the verb whose access rule is the default of its own. `edits`: the verbs that it carries out,
    one for each edit; its default rule is that of any of them. `asks`: the verb whose rule a caller must pass before anything is said of
    the arguments; None if each edit is decided by its own verb. `within_read`: its items are those that `read` allows, too. `filtered`: it
    reads what a filter selects. `gives`: the flag of the attributes that it takes values of. `conditional`: it takes a condition on the
    stored item.
    """

    name: str
    writes: bool = False
    rule_of: str | None = None
    edits: tuple[str, ...] = ()
    asks: str | None = None
    within_read: bool = False
    filtered: bool = False
    gives: str | None = None
    conditional: bool = False


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(name="create", asks="create", writes=True, gives="creatable"),
        Verb(name="read", asks="read"),
        Verb(name="update", asks="update", writes=True, within_read=True, gives="updatable", conditional=True),
        Verb(name="delete", asks="delete", writes=True, within_read=True, conditional=True),
        Verb(name="search", asks="search", rule_of="read", within_read=True, filtered=True),
        Verb(name="count", asks="count", rule_of="search", within_read=True, filtered=True),
        Verb(name="read_batch", asks="read", rule_of="read", within_read=True),
        Verb(name="edit_batch", writes=True, edits=("create", "update", "delete")),
    )
}
"""Name → verb, in the order of the surfaces' documents."""

READS = frozenset(name for name, verb in VERBS.items() if not verb.writes)
WRITES = frozenset(name for name, verb in VERBS.items() if verb.writes)
CONDITIONAL = tuple(name for name, verb in VERBS.items() if verb.conditional)


def carried_out(name: str) -> tuple[str, ...]:
    """Return the verbs that a call may carry out: the verb itself, or those of its edits."""
    return VERBS[name].edits or (name,)
