"""Change capture: `Change` records of writes, for the listeners of a store.

The engine's result has the item after a write. The before image is read in the same transaction, if the engine has transactions: always for a
delete, and for an update if a listener needs before images. With listeners, a bulk write runs page by page, because only writes of
known keys can be captured.

After triggers get the same changes as events of the outbox, one for each action that wants the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import UNSET, Struct, structs

from ..model.keys import KeyValues
from ..model.meta import StoreMeta
from ..security.caller import Caller
from .backend import BulkWrite, Delete, Outcome, Patch, Put, Write, WriteResult
from .change_feed import Change
from .change_log import NewChange
from .event_images import image_json
from .outbox import NONE, NewEvent, Payload
from .trigger_registry import Triggers

KINDS: dict[type, str] = {Put: "created", Patch: "updated", Delete: "deleted"}
"""Kind of write → the kind of its change."""
Images = Mapping[KeyValues, Any]
"""Key → the before image, None if the item did not exist."""


class Seen(Struct, frozen=True):
    """Data that before triggers saw of some writes of a store: images of items that do not change until the write, and the ids of the events, by key."""

    before: Images = MappingProxyType({})
    ids: Mapping[KeyValues, UUID] = MappingProxyType({})


UNSEEN = Seen()


def keys_before(writes: Sequence[Write], *, updates: bool) -> list[KeyValues]:
    """Return the keys of the before images to read. `updates`: also those of updates."""
    return [one.key for one in writes if isinstance(one, Delete) or (updates and isinstance(one, Patch))]


def changes_of_writes(
    meta: StoreMeta[Any],
    writes: Sequence[Write],
    results: Sequence[WriteResult],
    before: Images,
    caller: Caller | None,
    ids: Mapping[KeyValues, UUID],
) -> list[Change]:
    """Return the changes of the writes that are done, in order. `before`: the before images, as far as they were read. `ids`: of the changes that have one."""
    at = datetime.now(UTC)
    found: list[Change] = []
    for write, result in zip(writes, results, strict=True):
        if result.outcome is not Outcome.DONE:
            continue
        was = None if isinstance(write, Put) else before.get(write.key, UNSET)
        after = None if isinstance(write, Delete) else result.item
        item = was if after is None else after
        if item is not None and item is not UNSET:  # otherwise it was created after the read, and deleted again
            subject = None if caller is None else caller.subject
            change = Change(meta.name, KINDS[type(write)], meta.key_of(item), was, after, subject, at)
            found.append(structs.replace(change, id=ids.get(meta.key_values(item))) if ids else change)
    return found


def created(meta: StoreMeta[Any], item: Any, caller: Caller | None, event: UUID | None) -> Change:
    """Return the change of a create."""
    subject = None if caller is None else caller.subject
    return Change(meta.name, KINDS[Put], meta.key_of(item), None, item, subject, datetime.now(UTC), id=event)


def write_of(bulk: BulkWrite, key: KeyValues) -> Write:
    """Return the write of one match of a bulk write."""
    return (
        Delete(key, bulk.where) if bulk.changes is None else Patch(key, bulk.changes, bulk.where, unlinks=bulk.unlinks)
    )


def events_of(
    meta: StoreMeta[Any], changes: Sequence[Change], triggers: Triggers, *, shared: bool
) -> list[NewEvent | NewChange]:
    """Return the events of the changes that actions want, in order. `shared`: and each change for the change log."""
    found: list[NewEvent | NewChange] = []
    for change in changes:
        before = None if change.before is UNSET else change.before
        actions = [one.action for one in triggers.after(change.store, change.kind) if one.wants(before, change.after)]
        if not actions and not shared:
            continue
        payload = _json(
            Payload(
                change.id or uuid4(),
                change.at or datetime.now(UTC),
                NONE if before is None else image_json(meta, before),
                NONE if change.after is None else image_json(meta, change.after),
                change.caller,
            )
        ).decode()
        found += [NewEvent(change.store, change.kind, change.key, action, payload) for action in actions]
        if shared:
            found.append(NewChange(change.store, change.kind, change.key, payload))
    return found


_json = msgspec.json.Encoder().encode
