"""Change capture: what was written, as `Change` records, for the listeners of a store.

A result of the engine gives the item after a write. The item before it is read in the same transaction, where the engine has one: of what
is deleted always, of what is updated if a listener asked for it. A bulk write goes page by page while somebody listens, since only items
that are named can be captured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET

from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..security.caller import Caller
from .backend import BulkWrite, Delete, Outcome, Patch, Put, Write, WriteResult
from .change_feed import Change

KINDS: dict[type, str] = {Put: "created", Patch: "updated", Delete: "deleted"}
"""Kind of write → the kind of its change."""
Images = Mapping[KeyValues, Any]
"""Key → the item as it was before the write, None where there was none."""


def keys_before(writes: Sequence[Write], *, updates: bool) -> list[KeyValues]:
    """The keys of the items to read before the writes. `updates`: of those that are updated, too."""
    return [one.key for one in writes if isinstance(one, Delete) or (updates and isinstance(one, Patch))]


def changes_of_writes(
    meta: StoreMeta[Any],
    writes: Sequence[Write],
    results: Sequence[WriteResult],
    before: Images,
    caller: Caller | None,
) -> list[Change]:
    """The changes that the writes which are done made, in their order. `before`: the images of some of them."""
    at = datetime.now(UTC)
    found: list[Change] = []
    for write, result in zip(writes, results, strict=True):
        if result.outcome is not Outcome.DONE:
            continue
        was = None if isinstance(write, Put) else before.get(write.key, UNSET)
        after = None if isinstance(write, Delete) else result.item
        item = was if after is None else after
        if item is not None and item is not UNSET:  # else it came after the read, and is gone again
            subject = None if caller is None else caller.subject
            found.append(Change(meta.name, KINDS[type(write)], meta.key_of(item), was, after, subject, at))
    return found


def write_of(asked: BulkWrite, key: KeyValues) -> Write:
    """The write of one match of a bulk write."""
    return Delete(key, asked.where) if asked.changes is None else Patch(key, asked.changes, asked.where)
