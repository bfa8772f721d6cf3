"""The verbs of every store, in one table. Properties that the layers above need are columns here, or tables keyed by the verb.

`tests/architecture/test_verbs.py` checks the tables of other modules against this one, so that a new verb fails where one lacks it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Verb(Struct, frozen=True, kw_only=True):
    """A row of `VERBS`.

    `writes`: it may change items. `rule_of`: the verb whose access rule is the default of its own. `edits`: the verbs that it executes,
    one for each edit; its default rule is that of any of them. `checks`: the verb whose rule a caller must pass before faults of the arguments are
    reported; None if each edit is decided by its own verb. `within_read`: its items must be allowed by `read`, too. `filtered`: it
    reads what a filter selects. `sets`: the flag of the attributes whose values it takes. `conditional`: it takes a condition on the
    stored item.
    """

    name: str
    writes: bool = False
    rule_of: str | None = None
    edits: tuple[str, ...] = ()
    checks: str | None = None
    within_read: bool = False
    filtered: bool = False
    sets: str | None = None
    conditional: bool = False


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(name="create", checks="create", writes=True, sets="creatable"),
        Verb(name="read", checks="read"),
        Verb(name="update", checks="update", writes=True, within_read=True, sets="updatable", conditional=True),
        Verb(name="delete", checks="delete", writes=True, within_read=True, conditional=True),
        Verb(name="search", checks="search", rule_of="read", within_read=True, filtered=True),
        Verb(name="count", checks="count", rule_of="search", within_read=True, filtered=True),
        Verb(name="read_batch", checks="read", rule_of="read", within_read=True),
        Verb(name="edit_batch", writes=True, edits=("create", "update", "delete")),
    )
}
"""Name → verb, in the order of the surfaces' documents."""

EditVerb = Literal["create", "update", "delete"]
"""The verbs that change one item: those of the edits of a batch."""
READS = frozenset(name for name, verb in VERBS.items() if not verb.writes)
WRITES = frozenset(name for name, verb in VERBS.items() if verb.writes)
CONDITIONAL = tuple(name for name, verb in VERBS.items() if verb.conditional)


def carried_out(name: str) -> tuple[str, ...]:
    """Return the verbs that a call may carry out: the verb itself, or those of its edits."""
    return VERBS[name].edits or (name,)
