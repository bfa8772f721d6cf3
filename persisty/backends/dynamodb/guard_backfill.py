"""Make the rows of unique values for items that were stored before the values had to be unique.

Older code does not write these rows: if it changes an item during the backfill, a stale row is left. A row whose holder no longer has the value is
therefore given to the item that has it.

```
row missing, or of this item             written, on that condition
row of another item with the value       both items are named, and the index is not created
row of an item without the value         written, on the condition that it still belongs to that item
row of a value that no item has          deleted: an index of the same name has left it, or the attribute had another type
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ...errors import Conflict
from ...model.meta import StoreMeta
from ...model.stored_names import stored_index
from ...store.migration import Report
from .backend import Options
from .codec import WireCodec
from .guard_rows import Guards
from .parallel import in_parallel
from .resumable_scans import ResumableScans
from .system_table import HOLDER, ID
from .wire_kinds import Wire

LISTED = 20
"""Most items that a fault names."""
ATTEMPTS = 5
"""Most attempts for a row that other processes change at the same time."""


class Tables(Protocol):
    """Operations of an engine that its migrator uses."""

    options: Options

    def described(self, table: str) -> Mapping[str, Any] | None:
        """Return the description of a table, None if it does not exist."""
        ...

    def send(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call an operation with a condition. Return an empty response if the condition is false."""
        ...

    def decided(self, operation: str, payload: dict[str, Any]) -> bool:
        """Call an operation, and return whether its condition was true."""
        ...

    def add_index(self, meta: StoreMeta[Any], name: str, report: Report) -> None:
        """Complete the items for an index, create it and wait until it is active."""
        ...

    def alter(self, table: str, changes: dict[str, Any]) -> None:
        """Change a table, and wait until it is active again."""
        ...

    def call_streams(self, operation: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Call an operation of DynamoDB Streams."""
        ...

    def remove_index(self, table: str, name: str) -> None:
        """Delete an index, and wait until it is deleted."""
        ...

    def create(self, meta: StoreMeta[Any], settings: Mapping[str, Any]) -> None:
        """Create the table of an item with its indexes and these settings, see `table_settings`, if it does not exist."""
        ...

    def guard_table(self) -> str:
        """Create the system table if it does not exist, and return its name."""
        ...


def drop_rows(tables: Tables, table: str) -> None:
    """Delete the rows of unique values and of sequences of a dropped table. They would conflict with a new table of the same name."""
    system = tables.guard_table()
    scan = {
        "TableName": system,
        "ConsistentRead": True,
        "ProjectionExpression": "#id",
        "FilterExpression": "begins_with(#id, :unique) OR begins_with(#id, :sequence)",
        "ExpressionAttributeNames": {"#id": ID},
        "ExpressionAttributeValues": {":unique": {"S": f"unique/{table}/"}, ":sequence": {"S": f"sequence/{table}/"}},
    }

    def drop(key: Wire) -> None:
        tables.send("DeleteItem", {"TableName": system, "Key": key})

    for page in ResumableScans(tables.send, Report(lambda items: None)).pages(scan):
        in_parallel(drop, page)


class GuardBackfill:
    """Make the rows of one unique index."""

    def __init__(self, tables: Tables, declared: StoreMeta[Any], index: str) -> None:
        self._tables, self._declared, self._index = tables, declared, index
        self._codec = WireCodec(declared)
        self._guards = Guards(declared, self._codec)
        self._system = tables.guard_table()
        self._table = str((tables.described(declared.table) or {})["TableName"])
        self._shared: dict[str, None] = {}

    @property
    def shared(self) -> list[str]:
        """Return the keys of items that share values, at most as many as a fault names."""
        return sorted(self._shared)[: LISTED + 1]

    def resume(self, shared: Sequence[str] | None) -> None:
        """Add the items that an interrupted backfill has found to share values."""
        self._shared |= dict.fromkeys(shared or ())

    def take(self, wire: Wire) -> None:
        """Make the row of an item's value, or record the items that share it."""
        item = self._codec.read(wire)
        holder = self._declared.key_of(item)
        for guard, index in self._guards.of(item).items():
            if index == self._index and (other := self._taken(guard, holder)) is not None:
                self._shared |= {other: None, holder: None}

    def check(self) -> None:
        """Raise `Conflict` if items share values."""
        if self._shared:
            keys = sorted(self._shared)
            more = " and more" if len(keys) > LISTED else ""
            message = f"These items share values that have to be unique: {', '.join(keys[:LISTED])}{more}"
            raise Conflict(message, keys=keys[:LISTED])

    @property
    def rows(self) -> dict[str, Any]:
        """Return the scan of the rows of the index."""
        index = next(one for one in self._declared.indexes if one.name == self._index)
        return {
            "TableName": self._system,
            "ConsistentRead": True,
            "ProjectionExpression": "#id, #holder",
            "FilterExpression": "begins_with(#id, :prefix)",
            "ExpressionAttributeNames": {"#id": ID, "#holder": HOLDER},
            "ExpressionAttributeValues": {
                ":prefix": {"S": f"unique/{self._declared.table}/{stored_index(self._declared, index)}/"}
            },
        }

    def release(self, row: Wire) -> None:
        """Delete a row whose item no longer has the value, if it still belongs to that item."""
        guard, holder = str(row[ID]["S"]), str(row[HOLDER]["S"])
        if not self._has(holder, guard):
            payload = {
                "TableName": self._system,
                "Key": {ID: {"S": guard}},
                "ConditionExpression": "#holder = :holder",
                "ExpressionAttributeNames": {"#holder": HOLDER},
                "ExpressionAttributeValues": {":holder": {"S": holder}},
            }
            self._tables.send("DeleteItem", payload)

    def _taken(self, guard: str, holder: str) -> str | None:
        """Make the row and return None, or return the other item that has the value."""
        other = holder
        for _ in range(ATTEMPTS):
            if self._put(guard, holder, other):
                return None
            row = self._tables.send("GetItem", self._read(self._system, {ID: {"S": guard}})).get("Item")
            other = holder if row is None else str(row[HOLDER]["S"])
            if other != holder and self._has(other, guard):
                return other
        return other

    def _put(self, guard: str, holder: str, other: str) -> bool:
        """Make a row that is missing, or that belongs to one of two items."""
        payload = {
            "TableName": self._system,
            "Item": {ID: {"S": guard}, HOLDER: {"S": holder}},
            "ConditionExpression": "attribute_not_exists(#id) OR #holder IN (:holder, :other)",
            "ExpressionAttributeNames": {"#id": ID, "#holder": HOLDER},
            "ExpressionAttributeValues": {":holder": {"S": holder}, ":other": {"S": other}},
        }
        return self._tables.decided("PutItem", payload)

    def _has(self, key: str, guard: str) -> bool:
        """Return whether an item has the value of a row."""
        values = self._declared.key_codec.parse(key)
        if values is None:
            return False
        found = self._tables.send("GetItem", self._read(self._table, self._codec.key(values))).get("Item")
        return found is not None and guard in self._guards.of(self._codec.read(found))

    @staticmethod
    def _read(table: str, key: Wire) -> dict[str, Any]:
        return {"TableName": table, "Key": key, "ConsistentRead": True}
