"""Compare deployed tables with the declarations of their items. Creates nothing. Reads descriptions, and the first items for renamed attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import Fault
from ...model.meta import StoreMeta
from ...model.stored_names import stored_names_of
from ...model.unreadable_items import is_readable
from .wire_kinds import Wire, decoded, wire_kind

CREATE = "Deploy the app, or create tables with `App.prepare` or `persisty serve --create-tables`"
LOADED = frozenset({"ACTIVE", "UPDATING"})
"""States in which a table can be read and written."""
SAMPLE = 100
"""Items that are read to find values under new names."""


def names_to_find(meta: StoreMeta[Any]) -> list[str]:
    """Return the renamed attributes whose new names no attribute is stored under."""
    stored = stored_names_of(meta)
    return [name for name, place in stored.items() if place != name and name not in stored.values()]


def scan_of_names(table: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the scan of the first items that have one of these attributes."""
    places = {f"#{number}": name for number, name in enumerate(names)}
    return {
        "TableName": table,
        "Limit": SAMPLE,
        "FilterExpression": " OR ".join(f"attribute_exists({place})" for place in places),
        "ProjectionExpression": ", ".join(places),
        "ExpressionAttributeNames": places,
    }


def values_found(meta: StoreMeta[Any], names: Sequence[str], items: Sequence[Wire]) -> list[str]:
    """Return the names with a value in these items that the attribute's type allows. Other values are left by a former attribute of the name."""

    def has(item: Wire, name: str) -> bool:
        kind = wire_kind(meta.attributes[name])
        return name in item and is_readable(item[name], lambda cell: decoded(kind, cell))

    return [name for name in names if any(has(item, name) for item in items)]


def table_faults(store: str, expected: Mapping[str, Any], table: Mapping[str, Any] | None) -> Iterator[Fault]:
    """Yield the differences between a table and the `CreateTable` payload of its declaration. `table`: its description, None if it is missing."""
    name, path = expected["TableName"], f"/{store}"
    if table is None:
        yield Fault(path, f"The table {name} does not exist. {CREATE}")
        return
    if table["TableStatus"] not in LOADED:
        yield Fault(path, f"The table {name} cannot be used", "ACTIVE", table["TableStatus"])
    yield from key_faults(store, expected, table)
    indexes = {one["IndexName"]: one for one in table.get("GlobalSecondaryIndexes", ())}
    for index in expected.get("GlobalSecondaryIndexes", ()):
        found = indexes.get(index["IndexName"])
        place = f"{path}/{index['IndexName']}"
        if found is None:
            yield Fault(place, f"The table {name} lacks the index. {CREATE}")
        elif (declared := _key(expected, index["KeySchema"])) != (stored := _key(table, found["KeySchema"])):
            yield Fault(place, "The index has another key", declared, stored)


def key_faults(store: str, expected: Mapping[str, Any], table: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault if a table has another key than its item, or the key's values another type."""
    declared, stored = _key(expected, expected["KeySchema"]), _key(table, table["KeySchema"])
    if declared != stored:
        message = f"The table {table['TableName']} has another key. DynamoDB cannot change it: copy the items to a table of another name"
        yield Fault(f"/{store}", message, declared, stored)


def _key(table: Mapping[str, Any], schema: Sequence[Mapping[str, str]]) -> str:
    """Return a key as text: its attributes in order, each with its type."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    return ", ".join(f"{one['AttributeName']} {types.get(one['AttributeName'])}" for one in schema)
