"""The steps that move the items of a table to another one: create it, copy, catch up, and switch if that is allowed. See `table_copy` for the copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...model.meta import StoreMeta
from ...model.schema import Schema
from ...model.stored_names import predecessors, stored_names, stored_names_of
from ...store.migration import Report, Step
from .guard_backfill import Tables
from .system_table import LAST, sequence_key
from .table_copy import TableCopy
from .table_settings import recover_as, settings_of


def copy_steps(
    tables: Tables, stored: Schema, declared: StoreMeta[Any], former: str, items: int, *, switches: bool
) -> Iterator[Step]:
    """Yield the steps that copy the items of the table `former`. All other changes are made to the copies. `switches`: no code writes any more, so the
    last changes are copied too."""
    name = declared.table

    def copy() -> TableCopy:
        origin, target = tables.described(former) or {}, tables.described(name) or {}
        return TableCopy(tables, stored, declared, origin["TableName"], target["TableName"])

    def step(title: str, requests: Sequence[str], run: Callable[[Report], None]) -> Step:
        return Step(title=title, statements=tuple(requests), run=run, items=items)

    compared = (
        f"Scan {name}, BatchGetItem {former}, DeleteItem {name}",
        f"Scan {former}, BatchGetItem {name}, PutItem {name}",
    )

    def create(report: Report) -> None:
        origin = tables.described(former) or {}
        tables.create(declared, settings_of(origin))
        recover_as(tables, origin["TableName"], (tables.described(name) or {})["TableName"])

    yield step(f"Create the table {name}, with the settings of {former}", [f"CreateTable {name}"], create)
    yield step(
        f"Copy {former} to {name}",
        [f"Scan {former}", f"PutItem {name} IF it is not there"],
        lambda report: copy().copy(report),
    )
    yield step(
        f"Copy what older code has changed meanwhile in {former}", compared, lambda report: copy().catch_up(report)
    )
    if switches:
        yield step(
            f"Copy the last changes of {former}: no code may write it now",
            compared,
            lambda report: copy().switch(report),
        )
        if declared.sequences:
            yield Step(
                title=f"Continue the sequences of {former} in {name}",
                statements=(f"UpdateItem of the row of each sequence of {name}",),
                run=lambda report: _continue_sequences(tables, stored, declared, former),
            )


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
