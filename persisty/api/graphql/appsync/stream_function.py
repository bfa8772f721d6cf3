"""Publish the changes in a batch of a table's stream, with which Lambda invokes a function.

The changes of one item are published in order, those of different items in parallel. A failed record has one of two outcomes:

- After a transient failure, the function returns its sequence number to Lambda, which delivers the batch again from the first such record on. An
  event may be published twice, and none is lost.
- A record that no retry can publish is sent to the dead-letter queue with the reason: it cannot be read, it is too large for an event, or AppSync
  rejects its values. The next records are published.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .... import settings
from ....application import App
from ....aws.credentials import provider
from ....aws.queues import SqsQueue
from ....backends.dynamodb.parallel import in_parallel
from ....backends.dynamodb.stream_records import StreamReader
from ....errors import BackendUnavailable, Fault, InvalidDeclaration, InvalidInput, PersistyError, Throttled
from ....store.change_feed import Change
from ...http.problem import as_error
from ..subscriptions import subscriptions
from .change_publisher import Publisher
from .dead_letters import dead_letter

log = logging.getLogger("persisty")

Publish = Callable[[Change], None]
TRANSIENT = (BackendUnavailable, Throttled)
"""Errors after which another delivery may succeed."""


def _only_logged(message: Mapping[str, Any]) -> None:
    """Do nothing: a function without a dead-letter queue only logs the record."""


class _Record(Struct, frozen=True):
    position: int
    record: Mapping[str, Any]
    change: Change


class Stream:
    """Publishes batches. `publish` and `send`, which sends to the dead-letter queue, may raise errors. `handle` never raises."""

    def __init__(self, app: App, publish: Publish, send: Callable[[Mapping[str, Any]], None] = _only_logged) -> None:
        self._reader = StreamReader(app.name, app.stage, app.metas.values())
        self._publish, self._send = publish, send

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a batch. Return the first record that has to be delivered again, if any, as Lambda expects it."""
        again: list[tuple[int, str]] = []
        lanes: dict[tuple[str, str], list[_Record]] = {}
        records = event.get("Records")
        if not isinstance(records, list):
            log.error("not an event of a stream: it has no Records")
            return {"batchItemFailures": []}
        for position, record in enumerate(records):
            try:
                change = self._reader.change(record)
            except Exception as error:  # an error of one record must not affect the others
                self._give_up(position, record, _unreadable(error), again)
                continue
            if change is not None:
                lanes.setdefault((change.store, change.key), []).append(_Record(position, record, change))
        in_parallel(lambda lane: self._follow(lane, again), list(lanes.values()))
        return {"batchItemFailures": [{"itemIdentifier": sequence} for _, sequence in sorted(again)[:1]]}

    def _follow(self, lane: list[_Record], again: list[tuple[int, str]]) -> None:
        """Publish the changes of one item, up to the first that has to be delivered again."""
        for one in lane:
            try:
                self._publish(one.change)
            except Exception as failure:  # the edge of the program
                error = as_error(failure)
                if not isinstance(error, TRANSIENT):
                    if self._give_up(one.position, one.record, error, again):
                        continue
                    return
                again.append((one.position, _sequence(one.record)))
                return

    def _give_up(
        self, position: int, record: Mapping[str, Any], error: PersistyError, again: list[tuple[int, str]]
    ) -> bool:
        """Send a record to the dead-letter queue. Return False if the queue does not accept it: the record is then delivered again."""
        message = dead_letter(record, error)
        places = [fault.path for fault in error.faults] or [f"/{name}" for name in error.details.get("attributes", ())]
        log.error(
            "not published: %s of %s, sequence %s, at %s",
            error.code, message["stream"], message["sequence"], ", ".join(places) or "/",
        )  # fmt: skip
        try:
            self._send(message)
        except Exception as failure:  # the edge of the program
            as_error(failure)
            again.append((position, _sequence(record)))
            return False
        return True


def _unreadable(error: Exception) -> PersistyError:
    """Return the error of a record that cannot be read. msgspec names the attribute: "Invalid UUID - at `$.id.S`"."""
    if not isinstance(error, msgspec.MsgspecError | ValueError | ArithmeticError):
        return as_error(error)
    message, _, place = str(error).partition(" - at `$")
    attribute = place.lstrip(".").partition(".")[0].rstrip("`")
    return InvalidInput(
        "The stored item does not fit its declaration",
        faults=[Fault(f"/{attribute}" if attribute else "", message[:500])],
    )


def _sequence(record: Mapping[str, Any]) -> str:
    """Return the sequence number of a record. Without one, Lambda delivers the whole batch again."""
    images = record.get("dynamodb")
    return str(images.get("SequenceNumber", "")) if isinstance(images, Mapping) else ""


def deployed_stream(app: App, configured: settings.Settings) -> Stream:
    """Return the stream function of a deployed app. It publishes to the API in the settings. Raises `InvalidDeclaration` if they name none."""
    environment = settings.aws()
    if not configured.graphql_url or environment.region is None:
        raise InvalidDeclaration("The stream function needs PERSISTY_GRAPHQL_URL and AWS_REGION")
    followed = subscriptions(app.metas.values())
    url, region, keys = configured.graphql_url, environment.region, provider(environment)
    publisher = Publisher(url, region, keys, followed, environment.ca_bundle)
    if not configured.dead_letters_url:
        return Stream(app, publisher)
    queue = configured.dead_letters_url
    return Stream(app, publisher, SqsQueue(queue, region, keys, environment.ca_bundle, settings.aws_endpoint("sqs")))
