"""The stream that a migration turns on for the table that it copies, and how far the copy is.

A row of the system table has both, so that the switch, a later command, needs to read only what has changed since. The stream of a table whose changes
a deployed function reads is left alone: it cannot be turned off to find its end, so the switch compares the tables instead.

```
id = copy/car_2     origin = the stream that the migration has turned on    copied = the stream since whose beginning the copy has every change
                    made = the time at which the new table was created
```
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ...aws.retries import AwsError
from ...errors import BackendUnavailable, SchemaMismatch
from .guard_backfill import Tables
from .system_table import ID
from .table_stream import TableStream
from .wire_kinds import Wire

OWN, COPIED, MADE = "own", "copied", "made"
TRUSTED = timedelta(hours=20)
"""Age up to which a stream is trusted to have all its records. DynamoDB keeps them for 24 hours."""
ON = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
OFF = {"StreamEnabled": False}


class CopyStream:
    """The stream of the table `former` for its copy in the table `name`."""

    def __init__(self, tables: Tables, former: str, name: str) -> None:
        self._tables, self._former, self._name = tables, former, name

    @property
    def is_own(self) -> bool:
        """Return whether a migration has turned the stream on."""
        return OWN in self._row()

    def begin(self) -> bool:
        """Turn the stream on, unless the table has one of a deployment. Return whether changes are recorded from now on, or since an earlier call. A stream
        that has ended, or may have lost records, is replaced: the copy starts again."""
        if not self._tables.options.streams:
            return False
        table, row = self._described(), self._row()
        label = table.get("LatestStreamLabel")
        if _is_on(table):
            if OWN not in row or self._call("DescribeStream", {"StreamArn": table["LatestStreamArn"]}) is None:
                return False
            if _age(str(label)) < TRUSTED:
                return True
            self._tables.alter(self._former, {"StreamSpecification": OFF})
        self._write({OWN: "yes", MADE: self._made()})
        return self._turned_on()

    def complete(self) -> None:
        """Note that the copy has every change since the beginning of the stream."""
        label = str(self._described()["LatestStreamLabel"])
        self._write({OWN: "yes", MADE: self._made(), COPIED: label})

    @property
    def is_complete(self) -> bool:
        """Return whether the stream has all that the copy lacks."""
        table, row = self._described(), self._row()
        label = table.get("LatestStreamLabel")
        complete = label is not None and row.get(COPIED) == label and row.get(MADE) == self._made()
        return complete and _is_on(table) and _age(str(label)) < TRUSTED

    def changes(self) -> TableStream:
        """Return the changes since the beginning of the stream."""
        return TableStream(self._tables.call_streams, str(self._described()["LatestStreamArn"]))

    def end(self) -> None:
        """Turn the stream off, if a migration has turned it on. No later change is recorded."""
        if self.is_own and _is_on(self._described()):
            self._tables.alter(self._former, {"StreamSpecification": OFF})

    def forget(self) -> None:
        """Delete the row, after the switch."""
        self._tables.send("DeleteItem", {"TableName": self._tables.guard_table(), "Key": self._key})

    @property
    def _key(self) -> Wire:
        return {ID: {"S": f"copy/{self._name}"}}

    def _row(self) -> dict[str, str]:
        read = {"TableName": self._tables.guard_table(), "Key": self._key, "ConsistentRead": True}
        row = self._tables.send("GetItem", read).get("Item", {})
        return {name: str(value["S"]) for name, value in row.items() if name != ID}

    def _write(self, row: Mapping[str, str]) -> None:
        item = {**self._key, **{name: {"S": value} for name, value in row.items()}}
        self._tables.send("PutItem", {"TableName": self._tables.guard_table(), "Item": item})

    def _described(self) -> Mapping[str, Any]:
        return self._tables.described(self._former) or {}

    def _made(self) -> str:
        """Return the time at which the new table was created: another table of its name is no copy."""
        return str((self._tables.described(self._name) or {}).get("CreationDateTime"))

    def _turned_on(self) -> bool:
        try:
            self._tables.alter(self._former, {"StreamSpecification": ON})
        except BackendUnavailable as error:
            if isinstance(error.__cause__, AwsError):  # not allowed
                self.forget()
                return False
            raise
        return self._call("DescribeStream", {"StreamArn": self._described()["LatestStreamArn"]}) is not None

    def _call(self, operation: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Return the response of a call, None if it is refused, such as for lack of a permission."""
        try:
            return self._tables.call_streams(operation, payload)
        except (BackendUnavailable, SchemaMismatch):
            return None


def _is_on(table: Mapping[str, Any]) -> bool:
    return bool(table.get("StreamSpecification", {}).get("StreamEnabled"))


def _age(label: str) -> timedelta:
    """Return the age of a stream. Its label is the time of its creation."""
    return datetime.now(UTC) - datetime.fromisoformat(label).replace(tzinfo=UTC)
