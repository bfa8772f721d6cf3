"""Convert records of a table's stream, as Lambda passes them to a function, to changes of items.

The images are DynamoDB's wire JSON, decoded by the table's codec. Source: "DynamoDB Streams and AWS Lambda triggers" in the Amazon
DynamoDB Developer Guide, and `Record` in the API reference of the streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ...errors import PersistyError
from ...model.meta import StoreMeta
from ...model.unreadable_items import unreadable, unreadable_error
from ...naming import table_name
from ...store.change_feed import Change
from .codec import WireCodec

KINDS: Mapping[str, str] = {"INSERT": "created", "MODIFY": "updated", "REMOVE": "deleted"}
"""DynamoDB's name of an event → the kind of the change."""


class StreamReader:
    """Converts records of the tables of these items."""

    def __init__(self, app: str, stage: str, metas: Iterable[StoreMeta[Any]]) -> None:
        self._tables = {table_name(app, stage, meta.table): (meta, WireCodec(meta)) for meta in metas}

    def meta(self, record: Mapping[str, Any]) -> StoreMeta[Any] | None:
        """Return the item of a record's table, None if it is not one of the app's."""
        found = self._tables.get(record["eventSourceARN"].split("/")[1])
        return None if found is None else found[0]

    def change(self, record: Mapping[str, Any], *, both: bool = False) -> Change | None:
        """Return the change of a record, None if its table is not one of the app's. `sequence` is the stream's own number.

        Raises `UnreadableItem` if the item after the change does not fit the declaration. `both`: or the item before it. Otherwise, that item is None.
        """
        found = self._tables.get(record["eventSourceARN"].split("/")[1])
        if found is None:
            return None
        meta, codec = found
        images = record["dynamodb"]
        after = codec.read(images["NewImage"]) if "NewImage" in images else None
        before = _read(codec, images.get("OldImage"), needed=both or after is None)
        item = before if after is None else after
        if item is None:
            raise KeyError("NewImage")
        for one in (item, before) if both else (item,):
            if one is not None and unreadable(one):
                raise unreadable_error(meta, one)
        created = images.get("ApproximateCreationDateTime")
        return Change(
            meta.name,
            KINDS[record["eventName"]],
            meta.key_of(item),
            before,
            after,
            at=None if created is None else datetime.fromtimestamp(created, UTC),
            sequence=int(images.get("SequenceNumber", 0)),
        )


def _read(codec: WireCodec, image: Any, *, needed: bool) -> Any:
    """Return the item before a change. If it is not `needed`, one that no longer fits its declaration is None: the change may be its repair."""
    if image is None:
        return None
    try:
        item = codec.read(image)
        return item if needed or not unreadable(item) else None
    except (msgspec.MsgspecError, PersistyError, ValueError, ArithmeticError, KeyError):
        if needed:
            raise
        return None
