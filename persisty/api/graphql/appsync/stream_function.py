"""A batch of a table's stream, as Lambda invokes a function with it: every change in it is published, those of one item in their order.

Changes of different items are published side by side. What cannot be published is told to Lambda by its sequence number: from the
first such record on the batch is delivered again, whole, so that an event may be published twice and none is lost. What no attempt
can publish, because it is too large for an event, is logged and left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from .... import settings
from ....application import App
from ....aws.credentials import provider
from ....backends.dynamodb.parallel import in_parallel
from ....backends.dynamodb.stream_records import StreamReader
from ....errors import InvalidDeclaration, PayloadTooLarge
from ....store.change_feed import Change
from ...http.problem import as_error
from ..subscriptions import subscriptions
from .change_publisher import Publisher

log = logging.getLogger("persisty")

Publish = Callable[[Change], None]


class _Record(Struct, frozen=True):
    position: int
    sequence: str
    change: Change


class Stream:
    """`publish` raises what it cannot do. `handle` never raises."""

    def __init__(self, app: App, publish: Publish) -> None:
        self._reader = StreamReader(app.name, app.stage, app.metas.values())
        self._publish = publish

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Publish a batch. Return the first record that was not published, if any, as Lambda expects it."""
        failed: list[tuple[int, str]] = []
        lanes: dict[tuple[str, str], list[_Record]] = {}
        for position, record in enumerate(event["Records"]):
            sequence = record["dynamodb"]["SequenceNumber"]
            try:
                change = self._reader.change(record)
            except Exception as error:  # one record must not take the others with it
                as_error(error)
                failed.append((position, sequence))
                continue
            if change is not None:
                lanes.setdefault((change.store, change.key), []).append(_Record(position, sequence, change))
        in_parallel(lambda lane: self._follow(lane, failed), list(lanes.values()))
        return {"batchItemFailures": [{"itemIdentifier": sequence} for _, sequence in sorted(failed)[:1]]}

    def _follow(self, lane: list[_Record], failed: list[tuple[int, str]]) -> None:
        """Publish the changes of one item, up to the first that fails."""
        for record in lane:
            try:
                self._publish(record.change)
            except PayloadTooLarge as error:
                log.error("not published: %s", error.message)
            except Exception as error:  # Lambda delivers it again
                as_error(error)
                failed.append((record.position, record.sequence))
                return


def deployed_stream(app: App, configured: settings.Settings) -> Stream:
    """The stream of a deployed app, which publishes to the API that the settings name. `InvalidDeclaration` if they name none."""
    environment = settings.aws()
    if not configured.graphql_url or environment.region is None:
        raise InvalidDeclaration("What publishes changes needs PERSISTY_GRAPHQL_URL and AWS_REGION")
    followed = subscriptions(app.metas.values())
    url, region, keys = configured.graphql_url, environment.region, provider(environment)
    return Stream(app, Publisher(url, region, keys, followed, environment.ca_bundle))
