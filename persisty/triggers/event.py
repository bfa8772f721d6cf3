"""`Event`: what a handler gets, decoded from a stored event by the current declaration of the item."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import Struct

from ..model.meta import StoreMeta
from ..store.event_images import image_of
from ..store.outbox import NONE, OutboxEvent, Payload

T = TypeVar("T")
_PAYLOADS = msgspec.json.Decoder(Payload)


class Event(Struct, Generic[T], frozen=True):
    """One change of one item.

    `id` is the same at every attempt and for every action: use it to recognise a change that was handled before. `store` is the item's name, `kind` is
    `created`, `updated` or `deleted`, `key` is the item's key. `before` is None for a created item, `after` is None for a deleted item. `at` is the time of
    the change in UTC, `caller` the subject on whose behalf it was made. `attempt` counts from 1.
    """

    id: UUID
    store: str
    kind: str
    key: str
    before: T | None
    after: T | None
    at: datetime
    caller: str | None = None
    attempt: int = 1

    @property
    def item(self) -> T:
        """The item after the change, or before it if it is deleted."""
        found = self.before if self.after is None else self.after
        return cast("T", found)


def event_of(stored: OutboxEvent, meta: StoreMeta[Any] | None) -> Event[Any]:
    """Return the event for a handler. `meta`: the item of its store, None for a timer.

    Raises one of `model.unreadable_items.FAULTS` if an image does not fit the declaration.
    """
    payload = _PAYLOADS.decode(stored.payload)
    before = None
    after: Any = None if payload.after == NONE else payload.after
    if meta is not None:
        before = None if payload.before == NONE else image_of(meta, payload.before)
        after = None if payload.after == NONE else image_of(meta, payload.after)
    return Event(
        payload.id,
        stored.store,
        stored.kind,
        stored.key,
        before,
        after,
        payload.at,
        payload.caller,
        stored.attempt,
    )
