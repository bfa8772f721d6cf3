"""Records of a table's stream, as Lambda hands them to a function, become changes of items.

The images are DynamoDB's wire JSON, read by the table's own codec. Source: "DynamoDB Streams and AWS Lambda triggers" in the Amazon
DynamoDB Developer Guide, and `Record` in the API reference of the streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...model.meta import StoreMeta
from ...naming import table_name
from ...store.change_feed import Change
from .codec import WireCodec

KINDS: Mapping[str, tuple[str, str]] = {
    "INSERT": ("created", "NewImage"),
    "MODIFY": ("updated", "NewImage"),
    "REMOVE": ("deleted", "OldImage"),
}
"""What happened, as DynamoDB calls it → as we do, and the image that tells of it."""


class StreamReader:
    """Reads records of the tables of these items."""

    def __init__(self, app: str, stage: str, metas: Iterable[StoreMeta[Any]]) -> None:
        self._tables = {table_name(app, stage, meta.name): (meta, WireCodec(meta)) for meta in metas}

    def change(self, record: Mapping[str, Any]) -> Change | None:
        """The change that a record tells of; None if it is of a table that is none of ours."""
        found = self._tables.get(record["eventSourceARN"].split("/")[1])
        if found is None:
            return None
        meta, codec = found
        kind, image = KINDS[record["eventName"]]
        item = codec.read(record["dynamodb"][image])
        return Change(meta.name, kind, meta.key_of(item), item)
