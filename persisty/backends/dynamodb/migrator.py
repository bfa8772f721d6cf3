"""Migrations of DynamoDB tables: items are rewritten in place, and indexes change one at a time.

An added attribute needs no step, because items that lack it read with its default. Every write of a backfill is decided by its condition, so a backfill
that was killed is begun again and skips what it has done, and the writes of others stay.

```
attribute renamed     nothing: it keeps its stored name, see `model.stored_names`
former name removed   SET #new = #old REMOVE #old   if #old is there and #new is not
attribute removed     REMOVE #old                   if `--allow` names it
attribute required    SET #a = default              if it was null
attribute retyped     SET #a = converted value      if it is still the value that was read. Its indexes are removed first, and built again
index added           the items get what they lack for it, then UpdateTable Create, until the table is ACTIVE
unique added          a row of the system table for each value, then as an index
item renamed, or in another table   a copy, perhaps with another key, see `table_copy`
```
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from msgspec import structs

from ...errors import SchemaMismatch
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.schema import Schema
from ...model.schema_changes import Change, Effect
from ...model.stored_names import stored_names, stored_names_of
from ...store.migration import Evolution, Report, Step, check_kinds
from .absent_values import applied_schema, values_of_absent, was_null
from .backend import USUAL
from .codec import WireCodec
from .copy_steps import copy_steps
from .guard_backfill import GuardBackfill, Tables, drop_rows
from .index_completion import names_with_gaps
from .parallel import in_parallel
from .resumable_scans import ResumableScans
from .stored_indexes import (
    declared_indexes,
    late_names,
    mistyped,
    read_index,
    recorded_indexes,
    removed_before,
    stored_index_names,
)
from .stored_items import REFUSED, StoredItems
from .table_definitions import index_names
from .table_settings import check_unprotected
from .value_conversion import ConversionBackfill, conversion_of, unindexing
from .wire_kinds import NULL, Wire

MADE = frozenset(
    {
        *("item_renamed", "table_changed", "item_removed"),
        *("attribute_renamed", "attribute_removed", "attribute_required", "attribute_retyped"),
        *("index_added", "index_removed", "unique_added", "unique_removed"),
    }
)
"""Kinds of changes that `_step` makes."""
WITHOUT_STEP = frozenset(
    {
        *("item_added", "engine_changed", "attribute_added", "attribute_optional"),
        *("members_added", "members_removed", "constraints_changed"),
        *("nested_changed", "nested_narrowed", "default_changed"),
        *("link_added", "link_removed", "link_changed", "expires_changed"),
    }
)
"""Kinds of changes that need no step: of a whole table, and of what a stored item does not say."""


ORDER = {"index_removed": 0, "unique_removed": 0, "index_added": 2, "unique_added": 2}
"""Kind of a change → its place among the steps, if it is not 1."""


class DynamoDbMigrator:
    engine, local, copies = "dynamodb", False, True
    kinds = MADE | WITHOUT_STEP | REFUSED.keys()

    def __init__(self, tables: Tables) -> None:
        self._tables, self._items = tables, StoredItems(tables)

    def stored(self, table: str, record: Schema | None, declared: StoreMeta[Any] | None) -> Schema | None:
        """Return the applied schema, with the indexes that the table has. An index that a deployment has added is left out until its items are complete."""
        description = self._tables.described(table)
        base = record or (None if declared is None else declared.schema)
        if description is None or base is None:
            return None
        recorded = {} if record is None else recorded_indexes(record, declared)
        now = {} if declared is None else declared_indexes(declared.schema, base)
        wrong = () if declared is None else mistyped(description, declared)
        late = (
            set()
            if declared is None
            else late_names(record, declared)
            | names_with_gaps(self._tables.send, description, declared, USUAL.max_scan)
        )
        found = [
            now.get(one["IndexName"]) or recorded.get(one["IndexName"]) or read_index(one)
            for one in description.get("GlobalSecondaryIndexes", ())
            # one that is being built is waited for; local stand-ins for DynamoDB name no status
            if one.get("IndexStatus", "ACTIVE") == "ACTIVE"
            and one["IndexName"] not in wrong
            and one["IndexName"] not in late
            # a unique index of a deployment has no rows for the values of stored items
            and (record is None or one["IndexName"] in recorded or not read_index(one).unique)
        ]
        left = () if record is None else removed_before(record, now, description)
        return structs.replace(base, indexes=(*found, *left))

    def has_values(self, table: str, attribute: str) -> bool:
        return self._items.has(table, attribute)

    def count(self, table: str) -> int:
        """Return the number of items that DynamoDB counted last, some hours ago."""
        description = self._tables.described(table)
        return 0 if description is None else int(description.get("ItemCount", 0))

    def filled(self, table: str, attribute: str) -> int:
        return self._items.filled(table, attribute)

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def check(self, evolution: Evolution, allowed: Collection[str]) -> None:
        if evolution.stored is None or evolution.declared is None:
            return
        check_kinds(evolution, self.kinds)
        faults = [fault for change in evolution.changes for fault in self._items.faults(evolution, change)]
        if faults:
            raise SchemaMismatch("The stored items do not survive the changes, so nothing was changed", faults=faults)

    def steps(self, evolution: Evolution, allowed: Collection[str]) -> Sequence[Step]:
        """Return the steps. A new table is created by `App.prepare`, or by a deployment."""
        if evolution.declared is None:
            return [self._dropped(evolution.table, one) for one in evolution.changes if one.allow in allowed]
        if evolution.stored is None:
            return ()
        stored, declared = evolution.stored, evolution.declared
        if evolution.table != declared.table:
            items, change = self.count(evolution.table), evolution.changes[0]
            steps = list(
                copy_steps(self._tables, stored, declared, evolution.table, items, switches=change.allow in allowed)
            )
            if change.allow in allowed:
                message = "No two items may share the values of {}"
                uniques = [
                    structs.replace(change, name=one.name, message=message.format(one.name)) for one in declared.uniques
                ]
                steps += [self._guarded(declared, one, items) for one in uniques]
            return steps
        changes = [one for one in evolution.changes if one.effect is not Effect.DESTRUCTIVE or one.allow in allowed]
        applied, items = applied_schema(evolution, stored), self.count(evolution.table)

        def made(*order: int) -> list[Step]:
            steps = [
                self._step(stored, applied, declared, one, items) for one in changes if ORDER.get(one.kind, 1) in order
            ]
            return [one for one in steps if one is not None]

        return [
            *unindexing(self._tables, declared),
            *made(0),
            *made(1),
            *self._stored_absent(applied, declared, items),
            *made(2),
            *self._guarded_anew(declared, changes, items),
        ]

    def _stored_absent(self, applied: Schema, declared: StoreMeta[Any], items: int) -> Iterator[Step]:
        """Yield the steps that store the former value of attributes which would read as another one where they are absent."""
        table, key = self._tables.described(declared.table) or {}, WireCodec(declared).stored_key[0]
        for name, wire in values_of_absent(applied, declared, table):
            names = {"#0": stored_names_of(declared)[name], "#1": key}
            title, condition = (
                f"{name} is stored where it is absent",
                "attribute_not_exists(#0) AND attribute_exists(#1)",
            )
            step = self._backfill(declared, title, condition, "SET #0 = :0", names, {":0": wire}, items)
            yield structs.replace(step, repeatable=False)  # an index makes None of what is absent then

    def _guarded_anew(self, declared: StoreMeta[Any], changes: Sequence[Change], items: int) -> Iterator[Step]:
        """Yield the steps that make the rows of unique values whose type has changed."""
        retyped = {one.name: one for one in changes if one.kind == "attribute_retyped"}
        added = {one.name for one in changes if one.kind == "unique_added"}
        for index in declared.uniques:
            names = [name for name in index.attributes if name in retyped]
            if names and index.name not in added:
                message = f"No two items may share the values of {index.name}"
                yield self._guarded(
                    declared, structs.replace(retyped[names[0]], name=index.name, message=message), items
                )

    def _dropped(self, table: str, one: Change) -> Step:
        def drop(report: Report) -> None:
            check_unprotected(self._tables.described(table) or {}, one.path)
            drop_rows(self._tables, table)
            self._tables.send("DeleteTable", {"TableName": self._items.full_name(table)})

        return self._made(one, f"DeleteTable {table}", None, drop)

    def _step(self, stored: Schema, applied: Schema, declared: StoreMeta[Any], one: Change, items: int) -> Step | None:
        """Return the step of a change, None if it needs none."""
        table, name = declared.table, one.name
        place = stored_names_of(declared).get(name) or stored_names(stored).get(name, name)
        match one.kind:
            case "item_renamed":  # it keeps its table
                return None
            case "attribute_renamed" if one.before == one.after:
                return None
            case "attribute_renamed":
                names = {"#0": str(one.before), "#2": str(one.after)}
                condition = "attribute_exists(#0) AND attribute_not_exists(#2)"
                return self._backfill(declared, one.message, condition, "SET #2 = #0 REMOVE #0", names, {}, items)
            case "attribute_removed":
                return self._backfill(
                    declared, one.message, "attribute_exists(#0)", "REMOVE #0", {"#0": place}, {}, items
                )
            case "attribute_required":
                return self._required(applied, declared, one, place, items)
            case "attribute_retyped":
                return self._converted(stored, declared, one, place, items)
            case "index_added":
                request = f"UpdateTable {table}: create {name}"
                return self._made(one, request, items, lambda report: self._tables.add_index(declared, name, report))
            case "index_removed" | "unique_removed":
                index = stored_index_names(stored, declared.schema)[name]
                if index not in index_names(self._tables.described(table) or {}):  # a deployment has removed it
                    return None
                request = f"UpdateTable {table}: delete {index}"
                return self._made(one, request, None, lambda report: self._tables.remove_index(table, index))
            case "unique_added":
                return self._guarded(declared, one, items)
            case kind if kind in MADE:
                raise NotImplementedError(f"no step of {kind}")
        return None

    def _required(self, applied: Schema, declared: StoreMeta[Any], one: Change, place: str, items: int) -> Step | None:
        """Return the step that stores the default in items with None."""
        make, codec = value_before(declared.attributes[one.name]), WireCodec(declared)
        if make is None:
            return None
        values = {":0": codec.value(one.name, make()), ":1": NULL}
        names, condition = {"#0": place}, "attribute_exists(#0) AND #0 = :1"
        if was_null(applied, declared, one.name):
            names["#1"] = codec.stored_key[0]
            condition = "attribute_exists(#1) AND (attribute_not_exists(#0) OR #0 = :1)"
        return self._backfill(declared, one.message, condition, "SET #0 = :0", names, values, items)

    @staticmethod
    def _made(one: Change, request: str, items: int | None, make: Callable[[Report], None]) -> Step:
        def run(report: Report) -> None:
            make(report)
            report(items or 0)

        return Step(title=one.message, statements=(request,), run=run, items=items)

    def _backfill(
        self,
        declared: StoreMeta[Any],
        title: str,
        condition: str,
        update: str,
        names: dict[str, str],
        values: Wire,
        items: int,
    ) -> Step:
        """Return the step that updates the items of a condition, each if it still meets it."""
        table = self._items.full_name(declared.table)

        def change(key: Wire) -> None:
            payload: dict[str, Any] = {
                "TableName": table,
                "Key": key,
                "UpdateExpression": update,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": names,
            }
            if values:
                payload["ExpressionAttributeValues"] = values
            self._tables.send("UpdateItem", payload)

        def run(report: Report) -> None:
            used = {name: value for name, value in values.items() if name in condition}
            scans = ResumableScans(self._tables.send, report)
            for keys in scans.pages(self._items.found(declared.table, condition, names, used)):
                in_parallel(change, keys)

        request = f"UpdateItem {declared.table}: {_spelled(update, names)} IF {_spelled(condition, names)}"
        return Step(title=title, statements=(request,), run=run, items=items)

    def _converted(self, stored: Schema, declared: StoreMeta[Any], one: Change, place: str, items: int) -> Step | None:
        """Return the step that converts the values of an attribute."""
        conversion = conversion_of(stored, declared, one.name)
        if conversion is None:
            return None
        keys = WireCodec(declared).stored_key
        backfill = ConversionBackfill(self._tables, self._items.full_name(declared.table), keys, place, conversion)
        request = f"UpdateItem {declared.table}: SET {place} = its value as {one.after} IF it is still the value that was read"
        return Step(
            title=one.message, statements=(request,), run=lambda report: backfill.run(report, one.path), items=items
        )

    def _guarded(self, declared: StoreMeta[Any], one: Change, items: int) -> Step:
        """Return the step that makes the rows of unique values, and then the index. Items that share a value are named."""

        def run(report: Report) -> None:
            backfill = GuardBackfill(self._tables, declared, one.name)
            scans = ResumableScans(self._tables.send, report, lambda: backfill.shared)
            backfill.resume(scans.noted)
            for page in scans.pages({"TableName": self._items.full_name(declared.table), "ConsistentRead": True}):
                in_parallel(backfill.take, page)
            backfill.check()
            for rows in scans.pages(backfill.rows):
                in_parallel(backfill.release, rows)
            self._tables.add_index(declared, one.name, Report(report, rate=report.rate))

        requests = (
            f"PutItem of a row for each value of {one.name}",
            f"UpdateTable {declared.table}: create {one.name}",
        )
        return Step(title=one.message, statements=requests, run=run, items=items)


def _spelled(expression: str, names: Mapping[str, str]) -> str:
    for short, name in names.items():
        expression = expression.replace(short, name)
    return expression
