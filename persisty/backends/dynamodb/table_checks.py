"""Compare deployed tables with the declarations of their items. Reads descriptions only, and creates nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import Fault

CREATE = "Deploy the app, or create tables with `App.prepare` or `persisty serve --create-tables`"
LOADED = frozenset({"ACTIVE", "UPDATING"})
"""States in which a table can be read and written."""


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
        elif (wanted := _key(expected, index["KeySchema"])) != (given := _key(table, found["KeySchema"])):
            yield Fault(place, "The index has another key", wanted, given)


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
