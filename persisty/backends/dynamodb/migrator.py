"""Migrations of DynamoDB tables: items are rewritten in place, and indexes change one at a time.

An added attribute needs no step, because items that lack it read with its default. Every write of a backfill is decided by its condition, so a backfill
that was killed is begun again and skips what it has done, and the writes of others stay.

```
attribute renamed     SET #new = #old REMOVE #old   if #old is there and #new is not
attribute removed     REMOVE #old                   if `--allow` names it
attribute required    SET #a = default              if it is null
index added           the items get what they lack for it, then UpdateTable Create, until the table is ACTIVE
unique added          a row of the system table for each value, then as an index
```
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
from msgspec import structs

from ...errors import Fault, SchemaMismatch
from ...model.meta import StoreMeta
from ...model.schema import IndexSchema, Schema
from ...model.schema_changes import Change, Effect, members
from ...model.stored_before import value_before
from ...model.unreadable_items import UNREADABLE, is_readable
from ...naming import index_name
from ...store.migration import Evolution, Report, Step, check_kinds
from .codec import WireCodec
from .guard_backfill import LISTED, GuardBackfill, Tables
from .parallel import in_parallel
from .passes import Passes
from .wire_kinds import NULL, Wire, wire_kind

REFUSED = {
    "item_renamed": "DynamoDB cannot rename a table: keep the name of the store, or export the items and import them under the new name",
    "key_changed": "DynamoDB cannot change a key: declare an item of another name, copy the items in code, and remove this one",
    "attribute_retyped": "Persisty converts no values on DynamoDB: declare a new attribute, copy the values in code, and remove this one",
}
"""Kind of a change → why it is refused while items are stored."""
LACKS = "(attribute_not_exists(#0) OR attribute_type(#0, :0))"
"""Condition of items without a value of `#0`. `:0` is the type of null."""
MADE = frozenset(
    {
        *("attribute_renamed", "attribute_removed", "attribute_required"),
        *("index_added", "index_removed", "unique_added", "unique_removed"),
    }
)
"""Kinds of changes that `_step` makes."""
WITHOUT_STEP = frozenset(
    {
        *("item_added", "item_removed", "engine_changed", "attribute_added", "attribute_optional"),
        *(
            "members_added",
            "members_removed",
            "constraints_changed",
            "nested_changed",
            "nested_narrowed",
            "default_changed",
        ),
        *("link_added", "link_removed", "link_changed", "expires_changed"),
    }
)
"""Kinds of changes that need no step: of a whole table, and of what a stored item does not say."""


class DynamoDbMigrator:
    engine, local = "dynamodb", False
    kinds = MADE | WITHOUT_STEP | REFUSED.keys()

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def stored(self, name: str, record: Schema | None, declared: StoreMeta[Any] | None) -> Schema | None:
        """Return the applied schema, with the indexes that the table has."""
        table = self._tables.described(name)
        base = record or (None if declared is None else declared.schema)
        if table is None or base is None:
            return None
        known = [
            one for schema in (record, declared and declared.schema) if schema is not None for one in schema.indexes
        ]
        names = {index_name(one.attributes, one.unique): one for one in known}
        found = [
            names.get(one["IndexName"]) or _read(one)
            for one in table.get("GlobalSecondaryIndexes", ())
            if one["IndexStatus"] == "ACTIVE"  # one that is being built is waited for
        ]
        if record is not None:  # a unique index of a deployment has no rows for the values of stored items
            found = [one for one in found if not one.unique or one in record.indexes]
        return structs.replace(base, indexes=tuple(found))

    def count(self, name: str) -> int:
        """Return the number of items that DynamoDB counted last, some hours ago."""
        table = self._tables.described(name)
        return 0 if table is None else int(table.get("ItemCount", 0))

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def check(self, evolution: Evolution, allowed: Collection[str]) -> None:
        if evolution.stored is None or evolution.declared is None:
            return
        check_kinds(evolution, self.kinds)
        faults = [
            fault for change in evolution.changes for fault in self._faults(evolution.name, evolution.declared, change)
        ]
        if faults:
            raise SchemaMismatch("The stored items do not survive the changes, so nothing was changed", faults=faults)

    def _faults(self, name: str, declared: StoreMeta[Any], change: Change) -> Iterator[Fault]:
        blocked = change.blocked or REFUSED.get(change.kind)
        if blocked is not None:
            if (
                change.kind == "attribute_added"
            ):  # a table has no columns: items may have the value from before the attribute was removed
                yield from self._listed(change, declared, name, LACKS, {":0": {"S": "NULL"}}, blocked)
            elif next(self._pages(name, {"Limit": 1}), []):
                yield Fault(change.path, blocked, change.after, change.before)
            return
        attribute = declared.attributes.get(change.name)
        if change.kind == "attribute_required" and attribute is not None and value_before(attribute) is None:
            message = f"These items have no {change.name}. Give them one first, or declare a default"
            yield from self._listed(change, declared, name, LACKS, {":0": {"S": "NULL"}}, message)
        if change.kind == "nested_narrowed" and attribute is not None:
            yield from self._unreadable(change, declared, name)
        if change.kind == "members_removed":
            schema = next(one for one in declared.schema.attributes if one.name == change.name)
            codec, kind = WireCodec(declared), declared.attributes[change.name]
            values = [
                codec.value(change.name, kind.type(one) if callable(kind.type) else one)
                for one in members(declared.schema, schema) or ()
            ]
            named = {f":{place}": value for place, value in enumerate(values)}
            condition = f"attribute_exists(#0) AND NOT (#0 IN ({', '.join(named)}))"
            message = "These items have a value that is no longer declared. Give them another one first"
            yield from self._listed(change, declared, name, condition, named, message)

    def _unreadable(self, change: Change, declared: StoreMeta[Any], name: str) -> Iterator[Fault]:
        """Yield a fault with the keys of the items whose stored value is none of the declared type."""
        kind, codec, found = wire_kind(declared.attributes[change.name]), WireCodec(declared), list[str]()

        def decode(wire: Any) -> None:
            value = msgspec.convert(wire[kind.tag], kind.type)
            if kind.decode is not None:
                kind.decode(value)

        names = {"#0": change.name, **{f"#k{place}": one for place, one in enumerate(codec.schema)}}
        scan = {
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
        for page in self._pages(name, scan):
            for wire in page:
                value = wire.get(change.name, NULL)
                if value != NULL and not is_readable(value, decode):
                    found.append("~".join(str(next(iter(wire[one].values()))) for one in codec.schema))
        if found:
            more = " and more" if len(found) > LISTED else ""
            yield Fault(change.path, UNREADABLE, found=", ".join(found[:LISTED]) + more)

    def _listed(
        self, change: Change, declared: StoreMeta[Any], name: str, condition: str, values: Wire, message: str
    ) -> Iterator[Fault]:
        """Yield a fault with the keys of the items that meet a condition."""
        found: list[str] = []
        for page in self._scan(name, WireCodec(declared), condition, {"#0": change.name}, values):
            found += ["~".join(str(next(iter(part.values()))) for part in key.values()) for key in page]
            if len(found) > LISTED:
                break
        if found:
            more = " and more" if len(found) > LISTED else ""
            yield Fault(change.path, message, change.after, ", ".join(found[:LISTED]) + more)

    def steps(self, evolution: Evolution, allowed: Collection[str]) -> Sequence[Step]:
        """Return the steps. A new table is created by `App.prepare`, or by a deployment."""
        if evolution.declared is None or evolution.stored is None:
            return ()
        changes = [one for one in evolution.changes if one.effect is not Effect.DESTRUCTIVE or one.allow in allowed]
        order = {"index_removed": 0, "unique_removed": 0, "index_added": 2, "unique_added": 2}
        items = self.count(evolution.name)
        found = [
            self._step(evolution.declared, one, items)
            for one in sorted(changes, key=lambda one: order.get(one.kind, 1))
        ]
        return [one for one in found if one is not None]

    def _step(self, declared: StoreMeta[Any], one: Change, items: int) -> Step | None:
        """Return the step of a change, None if it needs none."""
        store, name = declared.name, one.name
        match one.kind:
            case "attribute_renamed":
                names, condition = (
                    {"#0": str(one.before), "#2": name},
                    "attribute_exists(#0) AND attribute_not_exists(#2)",
                )
                title = f"{one.message}: older code no longer finds it"
                return self._backfill(declared, title, condition, "SET #2 = #0 REMOVE #0", names, {}, items)
            case "attribute_removed":
                return self._backfill(
                    declared, one.message, "attribute_exists(#0)", "REMOVE #0", {"#0": name}, {}, items
                )
            case "attribute_required":
                make = value_before(declared.attributes[name])
                if make is None:
                    return None
                value = {":0": WireCodec(declared).value(name, make()), ":1": NULL}
                return self._backfill(declared, one.message, "#0 = :1", "SET #0 = :0", {"#0": name}, value, items)
            case "index_added":
                request = f"UpdateTable {store}: create {name}"
                return self._made(one, request, items, lambda report: self._tables.add_index(declared, name, report))
            case "index_removed" | "unique_removed":
                request = f"UpdateTable {store}: delete {name}"
                return self._made(one, request, None, lambda report: self._tables.remove_index(store, name))
            case "unique_added":
                return self._guarded(declared, one, items)
            case kind if kind in MADE:
                raise NotImplementedError(f"no step of {kind}")
        return None

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
        codec = WireCodec(declared)
        table = self._name(declared.name)

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
            passes = Passes(self._tables.send, report)
            for keys in passes.pages(self._found(declared.name, codec, condition, names, used)):
                in_parallel(change, keys)

        request = f"UpdateItem {declared.name}: {_spelled(update, names)} IF {_spelled(condition, names)}"
        return Step(title=title, statements=(request,), run=run, items=items)

    def _guarded(self, declared: StoreMeta[Any], one: Change, items: int) -> Step:
        """Return the step that makes the rows of unique values, and then the index. Items that share a value are named."""
        backfill = GuardBackfill(self._tables, declared, one.name)

        def run(report: Report) -> None:
            passes = Passes(self._tables.send, report, lambda: backfill.shared)
            backfill.resume(passes.noted)
            for page in passes.pages({"TableName": self._name(declared.name), "ConsistentRead": True}):
                in_parallel(backfill.take, page)
            backfill.check()
            self._tables.add_index(declared, one.name, Report(report, rate=report.rate))

        requests = (f"PutItem of a row for each value of {one.name}", f"UpdateTable {declared.name}: create {one.name}")
        return Step(title=one.message, statements=requests, run=run, items=items)

    def _name(self, store: str) -> str:
        table = self._tables.described(store)
        return str((table or {})["TableName"])

    def _scan(
        self, store: str, codec: WireCodec, condition: str, names: Mapping[str, str], values: Wire
    ) -> Iterator[Sequence[Wire]]:
        """Yield pages of the keys of the items that meet a condition."""
        yield from self._pages(store, self._found(store, codec, condition, names, values))

    def _found(
        self, store: str, codec: WireCodec, condition: str, names: Mapping[str, str], values: Wire
    ) -> dict[str, Any]:
        """Return the scan of the keys of the items that meet a condition."""
        keys = {f"#k{place}": name for place, name in enumerate(codec.schema)}
        scan: dict[str, Any] = {
            "TableName": self._name(store),
            "ConsistentRead": True,
            "FilterExpression": condition,
            "ProjectionExpression": ", ".join(keys),
            "ExpressionAttributeNames": {**names, **keys},
        }
        if values:
            scan["ExpressionAttributeValues"] = values
        return scan

    def _pages(self, store: str, scan: Mapping[str, Any]) -> Iterator[Sequence[Wire]]:
        start: dict[str, Any] = {}
        table = self._name(store)
        while True:
            page = self._tables.send("Scan", {"TableName": table, **scan, **start})
            yield page["Items"]
            if not page.get("LastEvaluatedKey") or "Limit" in scan:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _read(index: Mapping[str, Any]) -> IndexSchema:
    """Return an index that neither schema has."""
    attributes = tuple(one["AttributeName"] for one in index["KeySchema"])
    return IndexSchema(attributes=attributes, unique=str(index["IndexName"]).startswith("unique-"))


def _spelled(expression: str, names: Mapping[str, str]) -> str:
    for short, name in names.items():
        expression = expression.replace(short, name)
    return expression
