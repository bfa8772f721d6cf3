"""The indexes that a table has, in terms of the stored schema and of the declaration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import structs

from ...model.meta import StoreMeta
from ...model.missing_values import late_indexes
from ...model.schema import IndexSchema, Schema
from ...model.schema_changes import index_label
from ...model.stored_names import as_stored, predecessors, stored_index, stored_names, stored_renames
from ...naming import index_name
from .codec import WireCodec
from .table_definitions import index_names


def index_name_of(schema: Schema, index: IndexSchema) -> str:
    """Return the name of an index in DynamoDB."""
    return index_name(as_stored(schema, index).attributes, index.unique)


def recorded_indexes(record: Schema, declared: StoreMeta[Any] | None) -> dict[str, IndexSchema]:
    """Return the recorded indexes by their names in DynamoDB. One over an attribute that is stored under another name now is over the stored names, so that it
    differs from the declared one, which is built anew."""
    places, now = stored_names(record), {} if declared is None else stored_names(declared.schema)
    known = {} if declared is None else predecessors(record, declared.schema)
    moved = {one.name for name, one in known.items() if places[one.name] != now[name]}
    return {
        index_name_of(record, one): one if moved.isdisjoint(one.attributes) else as_stored(record, one)
        for one in record.indexes
    }


def declared_indexes(declared: Schema, stored: Schema) -> dict[str, IndexSchema]:
    """Return the declared indexes by their names in DynamoDB, over the attributes as the stored schema names them."""
    former = {name: old for old, name in stored_renames(stored, declared).items()}
    return {
        index_name_of(declared, one): structs.replace(
            one, attributes=tuple(former.get(name, name) for name in one.attributes)
        )
        for one in declared.indexes
    }


def stored_index_names(stored: Schema, declared: Schema) -> dict[str, str]:
    """Return the names in DynamoDB of the stored indexes, by the names of their changes."""
    renamed = stored_renames(stored, declared)
    return {
        index_label(
            structs.replace(one, attributes=tuple(renamed.get(name, name) for name in one.attributes))
        ): index_name_of(stored, one)
        for one in stored.indexes
    }


def read_index(index: Mapping[str, Any]) -> IndexSchema:
    """Return an index that neither schema has."""
    attributes = tuple(one["AttributeName"] for one in index["KeySchema"])
    return IndexSchema(attributes=attributes, unique=str(index["IndexName"]).startswith("unique-"))


def mistyped(table: Mapping[str, Any], declared: StoreMeta[Any]) -> list[str]:
    """Return the names of the indexes of a table over an attribute that has another type now. DynamoDB rejects its new values while such an index
    exists."""
    codec = WireCodec(declared)
    tags = {place: codec.tag(name) for name, place in codec.stored.items()}
    wrong = {
        one["AttributeName"]
        for one in table.get("AttributeDefinitions", ())
        if tags.get(one["AttributeName"], one["AttributeType"]) != one["AttributeType"]
    }
    return [
        str(one["IndexName"])
        for one in table.get("GlobalSecondaryIndexes", ())
        if any(key["AttributeName"] in wrong for key in one["KeySchema"])
    ]


def removed_before(record: Schema, declared: Collection[str], table: Mapping[str, Any]) -> list[IndexSchema]:
    """Return the recorded indexes that neither the declaration nor the table has. A migration that was interrupted has removed them, or a deployment: the
    items are still as these indexes required."""
    there = index_names(table) | {*declared}
    return [one for one in record.indexes if index_name_of(record, one) not in there]


def indexed_places(table: Mapping[str, Any]) -> set[str]:
    """Return the stored names of the attributes in the indexes of a table."""
    return {key["AttributeName"] for one in table.get("GlobalSecondaryIndexes", ()) for key in one["KeySchema"]}


def late_names(record: Schema | None, declared: StoreMeta[Any]) -> set[str]:
    """Return the names in DynamoDB of the indexes that may miss stored items, by the record."""
    late = late_indexes(record, declared)
    return {stored_index(declared, one) for one in late if record is not None or not one.unique}
