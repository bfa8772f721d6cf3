"""The events of after triggers on AWS: the records of a table's stream, in the batches with which Lambda invokes the function of its store.

```
record ─► change: the images, decoded by the table's codec ─► the actions that want it ─► `triggers.batches` ─► handlers
given up ─► dead-letter queue: the event, the action, the reason, and the record, from which `persisty events replay` makes the event again
```

The stream has no caller. For a create, it is the value of the attribute that `SUBJECT` generates, if the item has one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from .. import settings
from ..aws.credentials import provider
from ..aws.queues import MOST_BYTES, SqsQueue
from ..backends.dynamodb.stream_records import KINDS, StreamReader
from ..errors import InvalidDeclaration
from ..model.generators import SUBJECT
from ..model.meta import StoreMeta
from ..store.change_feed import Change
from ..triggers.batches import Batches, Delivery, GivenUp
from ..triggers.event import Event
from .app import App

log = logging.getLogger("persisty")
Send = Callable[[Mapping[str, Any]], None]
IMAGES = ("NewImage", "OldImage")
ACTIONS = "actions"
"""The member of an event with the only actions to call: that of a dead letter that is replayed."""


class StreamEvents:
    """Handles the events of an app. `send`: sends a message to the dead-letter queue, or raises an error."""

    def __init__(self, app: App, send: Send) -> None:
        metas = [meta for name, meta in app.metas.items() if name in app.triggers.stores]
        self._triggers, self._send = app.triggers, send
        self._reader = StreamReader(app.name, app.stage, metas)
        self._batches = Batches(app.triggers, self._give_up)
        self._records: dict[UUID, Mapping[str, Any]] = {}
        """The records of the current batch by the ids of their events."""

    def handle(self, event: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Handle a batch within about these seconds. Return the first record that has to be delivered again, if any, as Lambda expects it."""
        records, only = event["Records"], event.get(ACTIONS)
        batch: list[Delivery] = []
        again: list[int] = []
        self._records = {}
        for position, record in enumerate(records):
            try:
                found = self._delivery(position, record, only)
            except Exception as error:  # an error of one record must not affect the others
                if not self._unreadable(record, only, error):
                    again.append(position)
                continue
            if found is not None:
                self._records[found.event.id] = record
                batch.append(found)
        first = self._batches.handle(batch, seconds)
        first = min([*again, *([] if first is None else [first])], default=None)
        failed = [] if first is None else [{"itemIdentifier": records[first]["dynamodb"]["SequenceNumber"]}]
        return {"batchItemFailures": failed}

    def _delivery(self, position: int, record: Mapping[str, Any], only: Sequence[str] | None) -> Delivery | None:
        """Return the event of a record for the actions that want it, None if no action does."""
        meta = self._reader.meta(record)
        triggers = () if meta is None else self._triggers.after(meta.name, KINDS[record["eventName"]])
        if meta is None or not triggers:
            return None
        change = self._reader.change(record, both=True)
        if change is None or is_unchanged(meta, change):
            return None
        wanted = (one.action for one in triggers if one.wants(change.before, change.after))
        actions = tuple(dict.fromkeys(wanted) if only is None else only)
        return Delivery(position, event_of_change(meta, change, event_id(record)), actions) if actions else None

    def _give_up(self, given_up: GivenUp) -> None:
        event = given_up.delivery.event
        self._send(
            dead_letter(
                self._records[event.id],
                event.store,
                event.key,
                [given_up.action],
                given_up.attempts,
                given_up.reason,
            )
        )

    def _unreadable(self, record: Mapping[str, Any], only: Sequence[str] | None, error: Exception) -> bool:
        """Send a record that cannot be read to the dead-letter queue. Return False if the queue does not accept it."""
        meta = self._reader.meta(record)
        store = "" if meta is None else meta.name
        actions = only or [one.action for one in self._triggers.after(store, KINDS.get(record["eventName"], ""))]
        reason = f"The record does not fit the declaration of {store}: {error}"
        log.error("Event %s is given up: %s", event_id(record), reason[-200:], exc_info=error)
        try:
            self._send(dead_letter(record, store, None, actions, 0, reason))
        except Exception:  # the edge of the program
            log.exception("Event %s could not be given up", event_id(record))
            return False
        return True


def event_id(record: Mapping[str, Any]) -> UUID:
    """Return the id of a record's event, the same at each delivery."""
    number = record.get("eventID") or record["dynamodb"]["SequenceNumber"]
    return uuid5(NAMESPACE_URL, f"{record['eventSourceARN']}/{number}")


def event_of_change(meta: StoreMeta[Any], change: Change, id_: UUID) -> Event[Any]:
    """Return the event of a change."""
    at = change.at or datetime.now(UTC)
    return Event(id_, change.store, change.kind, change.key, change.before, change.after, at, _caller(meta, change))


def is_unchanged(meta: StoreMeta[Any], change: Change) -> bool:
    """Return whether an update has changed no value: for example, a migration has stored a default."""
    if change.before is None or change.after is None:
        return False
    return all(one.get(change.before) == one.get(change.after) for one in meta.attributes.values())


def _caller(meta: StoreMeta[Any], change: Change) -> str | None:
    if change.kind != "created":
        return None
    subjects = (one.get(change.after) for one in meta.attributes.values() if one.generator is SUBJECT)
    return next((str(one) for one in subjects if one is not None), None)


def dead_letter(
    record: Mapping[str, Any], store: str, key: str | None, actions: Sequence[str], attempts: int, reason: str
) -> dict[str, Any]:
    """Return the message for an event that is given up. It lacks the images if they are too large for a message; the stream has them for a day."""
    message = {
        "id": str(event_id(record)),
        "store": store,
        "kind": KINDS.get(record["eventName"]),
        "key": key,
        "actions": list(actions),
        "attempts": attempts,
        "reason": reason,
        "function": settings.lambda_function(),
        "record": record,
    }
    if len(msgspec.json.encode(message)) > MOST_BYTES:
        images = {name: value for name, value in record["dynamodb"].items() if name not in IMAGES}
        message["record"] = {**record, "dynamodb": images}
    return message


def deployed_events(app: App, configured: settings.Settings) -> StreamEvents:
    """Return the after triggers of a deployed app. Raises `InvalidDeclaration` if the settings name no dead-letter queue."""
    return StreamEvents(app, dead_letter_queue(configured))


def dead_letter_queue(configured: settings.Settings) -> SqsQueue:
    """Return the queue of events that no handler has handled. Raises `InvalidDeclaration` if the settings name none."""
    environment = settings.aws()
    if not configured.dead_letters_url or environment.region is None:
        raise InvalidDeclaration("The functions of triggers need PERSISTY_DEAD_LETTERS_URL and AWS_REGION")
    return SqsQueue(
        configured.dead_letters_url,
        environment.region,
        provider(environment),
        environment.ca_bundle,
        settings.aws_endpoint("sqs"),
    )
