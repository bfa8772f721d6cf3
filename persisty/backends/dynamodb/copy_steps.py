"""The steps that move the items of a table to another one: create it, copy, catch up, and switch if that is allowed.

```
create     the new table, and the stream of the former one        older code writes the former table
copy       each item once, see `table_copy`
catch up   compare both tables, then the stream
switch     turn the stream off, and apply it to its end           no code writes: the user says so by --allow
           without an own stream: compare both tables until they are equal
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from time import sleep
from typing import Any

from ...errors import BackendUnavailable, Conflict, SchemaMismatch
from ...model.meta import StoreMeta
from ...model.schema import Schema
from ...model.stored_names import predecessors, stored_names, stored_names_of
from ...store.migration import Report, Step
from .copied_changes import CopiedChanges
from .copy_stream import CopyStream
from .guard_backfill import Tables
from .system_table import LAST, sequence_key
from .table_copy import PASSES, TableCopy
from .table_settings import recover_as, settings_of
from .table_stream import TableStream

QUIET = 3.0
"""Seconds without a change after which older code counts as stopped. A record is in the stream within a second, as a rule."""
ROUNDS = 5
"""The most times that the switch waits for that."""


def copy_steps(
    tables: Tables, stored: Schema, declared: StoreMeta[Any], former: str, items: int, *, switches: bool
) -> Iterator[Step]:
    """Yield the steps that copy the items of the table `former`. All other changes are made to the copies. `switches`: no code writes any more, so the
    last changes are copied too."""
    move = _Move(tables, stored, declared, former)

    def step(title: str, requests: Sequence[str], run: Callable[[Report], None]) -> Step:
        return Step(title=title, statements=tuple(requests), run=run, items=items)

    name = declared.table
    compared = (
        f"Scan {name}, BatchGetItem {former}, DeleteItem {name}",
        f"Scan {former}, BatchGetItem {name}, PutItem {name}",
    )
    yield step(f"Create the table {name}, with the settings of {former}", [f"CreateTable {name}"], move.create)
    yield step(f"Copy {former} to {name}", [f"Scan {former}", f"PutItem {name} IF it is not there"], move.copy)
    changes = f"GetRecords of {former}, PutItem and DeleteItem {name}"
    yield step(f"Copy what older code has changed meanwhile in {former}", [*compared, changes], move.catch_up)
    if switches:
        title = f"Copy the last changes of {former}: no code may write it now"
        yield step(title, [f"UpdateTable {former}: end its stream", changes, *compared], move.switch)
        if declared.sequences:
            yield Step(
                title=f"Continue the sequences of {former} in {name}",
                statements=(f"UpdateItem of the row of each sequence of {name}",),
                run=lambda report: _continue_sequences(tables, stored, declared, former),
            )


class _Move:
    """The move of the items of the table `former` to that of the declaration."""

    def __init__(self, tables: Tables, stored: Schema, declared: StoreMeta[Any], former: str) -> None:
        self._tables, self._stored, self._declared, self._former = tables, stored, declared, former
        self._stream = CopyStream(tables, former, declared.table)

    def create(self, report: Report) -> None:
        tables, name = self._tables, self._declared.table
        origin = tables.described(self._former) or {}
        tables.create(self._declared, settings_of(origin))
        recover_as(tables, origin["TableName"], (tables.described(name) or {})["TableName"])

    def copy(self, report: Report) -> None:
        self._stream.begin()
        if not self._stream.is_complete:
            self._table_copy().copy(report)

    def catch_up(self, report: Report) -> None:
        if not self._stream.is_complete:
            recorded = self._stream.begin()
            self._table_copy().catch_up(report, passes=1 if recorded else PASSES)
            if recorded:
                self._stream.complete()
        if self._stream.is_complete:
            self._apply(lambda: self._changes.apply(self._records.new()))

    def switch(self, report: Report) -> None:
        if not self._stream.is_complete or not self._apply(self._apply_last):
            self._table_copy().switch(report)
        self._stream.end()
        self._begin_stream()
        self._stream.forget()

    def _begin_stream(self) -> None:
        """Turn the stream of the new table on if a deployed function reads that of the former one. Before the copy, the function would get every item as a
        new one."""
        former, new = (self._tables.described(name) or {} for name in (self._former, self._declared.table))
        stream = former.get("StreamSpecification", {})
        if stream.get("StreamEnabled") and not new.get("StreamSpecification", {}).get("StreamEnabled"):
            self._tables.alter(self._declared.table, {"StreamSpecification": stream})

    def _apply_last(self) -> None:
        """Apply the stream to its end. Raises `Conflict` if older code still writes."""
        self._changes.apply(self._records.new())
        for _ in range(ROUNDS):
            sleep(QUIET)
            if not self._changes.apply(self._records.new(QUIET)):
                break
        else:
            raise Conflict(
                f"Older code still writes {self._former}: stop it, then run the command again. Nothing is switched"
            )
        self._stream.end()
        self._changes.apply(self._records.rest())

    def _apply(self, apply: Callable[[], object]) -> bool:
        """Apply changes, and return whether the stream has them. Raises `Conflict` for items that cannot be copied."""
        try:
            apply()
        except (BackendUnavailable, SchemaMismatch):  # the records are no longer there, or must not be read
            return False
        self._changes.check()
        return True

    @cached_property
    def _records(self) -> TableStream:
        return self._stream.changes()

    @cached_property
    def _changes(self) -> CopiedChanges:
        return CopiedChanges(self._table_copy())

    def _table_copy(self) -> TableCopy:
        origin = self._tables.described(self._former) or {}
        target = self._tables.described(self._declared.table) or {}
        return TableCopy(self._tables, self._stored, self._declared, origin["TableName"], target["TableName"])


def _continue_sequences(tables: Tables, stored: Schema, declared: StoreMeta[Any], former: str) -> None:
    """Give the sequences of the declared table the last numbers of the former one, unless they are at later ones."""
    system, before = tables.guard_table(), predecessors(stored, declared.schema)
    for name in declared.sequences:
        if name not in before:
            continue
        place = stored_names(stored)[before[name].name]
        read = {"TableName": system, "Key": sequence_key(former, place), "ConsistentRead": True}
        last = tables.send("GetItem", read).get("Item", {}).get(LAST)
        if last is not None:
            tables.send(
                "UpdateItem",
                {
                    "TableName": system,
                    "Key": sequence_key(declared.table, stored_names_of(declared)[name]),
                    "UpdateExpression": "SET #last = :last",
                    "ConditionExpression": "attribute_not_exists(#last) OR #last < :last",
                    "ExpressionAttributeNames": {"#last": LAST},
                    "ExpressionAttributeValues": {":last": last},
                },
            )
