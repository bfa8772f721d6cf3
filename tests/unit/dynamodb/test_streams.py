"""Records of a table's stream, as Lambda passes them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from persisty import UnreadableItem, meta_of
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.stream_records import StreamReader
from persisty.model.validation import new_item
from persisty.testing.conformance.dirty import rows
from persisty.testing.conformance.items import Specimen

META = meta_of(Specimen)
CODEC = WireCodec(META)
ROWS = [new_item(META, row) for row in rows()]
"""Whole items with all that is hostile."""


def record(name: str, table: str = "shop-live-specimen", **images: Any) -> dict[str, Any]:
    return {
        "eventID": "1",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-west-1",
        "dynamodb": {"SequenceNumber": "100", "StreamViewType": "NEW_AND_OLD_IMAGES", **images},
        "eventSourceARN": f"arn:aws:dynamodb:eu-west-1:123456789012:table/{table}/stream/2026-01-01T00:00:00.000",
    }


@pytest.fixture(scope="module")
def reader() -> StreamReader:
    return StreamReader("shop", "live", [META])


def test_images_become_the_items_that_were_written(reader: StreamReader) -> None:
    for item in ROWS:
        change = reader.change(record("INSERT", NewImage=CODEC.wire(item)))
        assert change is not None
        assert (change.store, change.kind, change.key) == ("specimen", "created", META.key_of(item))
        assert (change.before, change.after) == (None, item)


def test_a_change_has_the_item_as_it_is_then_and_a_deletion_as_it_was(reader: StreamReader) -> None:
    old, new = CODEC.wire(ROWS[0]), CODEC.wire(ROWS[1])
    updated = reader.change(record("MODIFY", OldImage=old, NewImage=new))
    deleted = reader.change(record("REMOVE", OldImage=old))
    assert updated is not None
    assert deleted is not None
    assert (updated.kind, updated.item) == ("updated", ROWS[1])
    assert (deleted.kind, deleted.item) == ("deleted", ROWS[0])


def test_a_table_of_another_app_is_not_changed(reader: StreamReader) -> None:
    for table in ("shop-dev-specimen", "shop-live.system", "other"):
        assert reader.change(record("INSERT", table, NewImage={"id": {"S": "x"}})) is None


def test_an_unreadable_record_is_an_error(reader: StreamReader) -> None:
    for broken in (record("INSERT"), record("OTHER"), record("INSERT", NewImage={"id": {"N": "1"}})):
        with pytest.raises((KeyError, UnreadableItem)):
            reader.change(broken)


def test_the_repair_of_an_item_that_could_not_be_read_is_a_change_without_the_item_before(reader: StreamReader) -> None:
    found = reader.change(record("MODIFY", OldImage={"id": {"N": "1"}}, NewImage=CODEC.wire(ROWS[0])))
    assert found is not None
    assert (found.kind, found.before, found.after) == ("updated", None, ROWS[0])


def test_a_record_of_a_declared_table_is_a_change_of_its_store() -> None:
    meta = META.altered(schema=structs.replace(META.schema, table="specimen_2"))
    reader = StreamReader("shop", "live", [meta])
    [wire, *_] = [CODEC.wire(item) for item in ROWS]
    change = reader.change(record("INSERT", "shop-live-specimen-2", NewImage=wire))
    assert change is not None
    assert change.store == "specimen"
    assert reader.change(record("INSERT", NewImage=wire)) is None
