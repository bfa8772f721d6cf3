"""Find the items of a table that a change would break, and those that a backfill has to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import Fault
from ...model.former_schemas import exact_attribute
from ...model.indexes import Index
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.schema import Schema
from ...model.schema_changes import Change
from ...model.stored_names import predecessors, stored_names
from ...model.unreadable_items import UNREADABLE, is_readable
from ...store.migration import Evolution
from .absent_values import absent_before, applied_schema, default_without_counterpart
from .guard_backfill import LISTED, Tables
from .shared_values import SharedValues
from .value_conversion import INCONVERTIBLE, conversion_of, key_text, shown_cell
from .wire_kinds import NULL, Wire, decoded, wire_kind

REFUSED = {
    "key_changed": 'The key of a table cannot change. Give the item another table, as in @stored(table="{table}"), and its items are copied to it',
}
"""Kind of a change → why it is refused while items are stored."""
KEYED = (
    "The attributes of a key keep their types on DynamoDB. Declare a new attribute, copy the values in code, then give the item another table, as in @stored(table=...), "
    "with a key of the new attribute, and the items are copied to it"
)
SHARED = "These items share values that have to be unique"
SAME_KEY = "These items would have the same key"
DECIDED_BY_TYPE = frozenset({"attribute_retyped", "members_removed", "nested_narrowed"})
"""Kinds of changes that a value survives if the declared type allows it."""
LACKS = "(attribute_not_exists(#0) OR attribute_type(#0, :0))"
"""Condition of items without a value of `#0`. `:0` is the type of null."""
HAS = "attribute_exists(#0) AND NOT attribute_type(#0, :0)"
"""Condition of items with a value of `#0`. `:0` is the type of null."""


class StoredItems:
    """The items of the tables of one stage."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def faults(self, evolution: Evolution, change: Change) -> Iterator[Fault]:
        """Yield a fault if stored items would be unreadable after a change."""
        name, stored, declared = evolution.table, evolution.stored, evolution.declared
        if stored is None or declared is None:
            return
        applied = applied_schema(evolution, stored)
        place = _place(stored, declared.schema, change.name)
        copied = name != declared.table and change.kind == "key_changed"
        blocked = change.blocked or (None if copied else _refusal(change.kind, declared))
        predecessor = predecessors(stored, declared.schema).get(change.name)
        if (
            blocked is None
            and change.kind == "attribute_retyped"
            and predecessor is not None
            and predecessor.name in stored.key
        ):
            blocked = KEYED
        if blocked is not None:
            if (
                change.kind == "attribute_added" and place not in stored_names(stored).values()
            ):  # a table has no columns, so items may have a value from before the attribute was removed
                yield from self._listed(change, place, name, LACKS, {":0": {"S": "NULL"}}, blocked)
            elif change.kind == "attribute_retyped" and change.before != "a former name":
                lost = default_without_counterpart(applied, declared, change.name)
                condition = f"attribute_not_exists(#0) OR {HAS}" if lost else HAS
                yield from self._listed(change, place, name, condition, {":0": {"S": "NULL"}}, blocked)
            elif next(self.pages(name, {"Limit": 1}), []):
                yield Fault(change.path, blocked, change.after, change.before)
            return
        attribute = declared.attributes.get(change.name)
        if change.kind == "attribute_required" and attribute is not None and value_before(attribute) is None:
            message = f"These items have no {change.name}. Give them one first, or declare a default"
            filled = predecessor is not None and absent_before(applied, predecessor.name) != NULL
            lacks = "attribute_type(#0, :0)" if filled else LACKS
            yield from self._listed(change, place, name, lacks, {":0": {"S": "NULL"}}, message)
        if change.kind == "nested_narrowed" and attribute is not None:
            decode = partial(decoded, wire_kind(exact_attribute(declared, change.name)))
            yield from self._refused(change, place, name, decode, UNREADABLE, shown_cell)
        conversion = conversion_of(stored, declared, change.name)
        if change.kind == "attribute_retyped" and conversion is not None:
            message = INCONVERTIBLE.format(change.after)
            yield from self._refused(change, place, name, conversion.counterpart, message, shown_cell)
        if change.kind in DECIDED_BY_TYPE and default_without_counterpart(applied, declared, change.name):
            message = f"These items have no value of their own, and {change.name} does not allow their former default: give them one first"
            yield from self._listed(change, place, name, "attribute_not_exists(#0)", {}, message)
        if change.kind == "members_removed":
            member = partial(decoded, wire_kind(exact_attribute(declared, change.name)))
            check: Callable[[Wire], Any] = member if conversion is None else conversion.allowed
            message = "These items have a value that is no longer declared. Give them another one first"
            yield from self._refused(change, place, name, check, message, shown_cell)
        if change.kind == "unique_added":
            values = SharedValues(stored, applied, declared, _unique(declared, change).attributes)
            yield from self._shared(change, name, values, SHARED)
        if copied:
            yield from self._shared(
                change, name, SharedValues(stored, applied, declared, declared.key.attributes), SAME_KEY
            )

    def _shared(self, change: Change, name: str, values: SharedValues, message: str) -> Iterator[Fault]:
        """Yield a fault with the keys of the items that would share the values of a unique index or of a new key, by their values."""
        keys = self._keys(name)
        places = [one for one in values.places if one not in keys.values()]
        names = {**{f"#u{number}": place for number, place in enumerate(places)}, **keys}
        scan = {"ConsistentRead": True, "ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        repeated = values.repeated(self.pages(name, scan))
        if not repeated:
            return
        found = sorted(
            (text, key_text({one: item[one] for one in keys.values()}))
            for text, item in values.sharing(self.pages(name, scan), repeated)
        )
        texts = [f"{key} ({text})" for text, key in found[:LISTED]]
        more = " and more" if len(found) > LISTED else ""
        yield Fault(change.path, message, found=", ".join(texts) + more)

    def _refused(
        self,
        change: Change,
        place: str,
        name: str,
        decode: Callable[[Wire], Any],
        message: str,
        shown: Callable[[Wire], str] | None = None,
    ) -> Iterator[Fault]:
        """Yield a fault with the keys of the items whose stored value `decode` refuses, each with what `shown` returns."""
        keys, found = self._keys(name), list[str]()
        names = {"#0": place, **keys}
        scan = {
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
        }
        for page in self.pages(name, scan):
            for wire in page:
                value = wire.get(place, NULL)
                if value != NULL and not is_readable(value, decode):
                    key = key_text({one: wire[one] for one in keys.values()})
                    found.append(key if shown is None else f"{key} ({shown(value)})")
            if len(found) > LISTED:
                break
        if found:
            found.sort()
            more = " and more" if len(found) > LISTED else ""
            yield Fault(change.path, message, change.after, ", ".join(found[:LISTED]) + more)

    def _listed(
        self, change: Change, place: str, name: str, condition: str, values: Wire, message: str
    ) -> Iterator[Fault]:
        """Yield a fault with the keys of the items that meet a condition."""
        found, keys = list[str](), self._keys(name).values()
        for page in self._scan(name, condition, {"#0": place}, values):
            found += [key_text({one: wire[one] for one in keys}) for wire in page]
            if len(found) > LISTED:
                break
        if found:
            found.sort()
            more = " and more" if len(found) > LISTED else ""
            yield Fault(change.path, message, change.after, ", ".join(found[:LISTED]) + more)

    def has(self, table: str, attribute: str) -> bool:
        """Return whether an item has a stored attribute, declared or not."""
        return any(page for page in self._scan(table, "attribute_exists(#0)", {"#0": attribute}, {}))

    def filled(self, table: str, attribute: str) -> int:
        """Return the number of items with a value of a stored attribute, 0 without a table."""
        if self._tables.described(table) is None:
            return 0
        return sum(map(len, self._scan(table, HAS, {"#0": attribute}, {":0": {"S": "NULL"}})))

    def full_name(self, table: str) -> str:
        """Return the name of a table on AWS."""
        return str((self._tables.described(table) or {})["TableName"])

    def _keys(self, table: str) -> dict[str, str]:
        """Return the attributes of the key of a table, by their placeholders."""
        description = self._tables.described(table) or {}
        return {f"#k{place}": str(one["AttributeName"]) for place, one in enumerate(description["KeySchema"])}

    def _scan(self, table: str, condition: str, names: Mapping[str, str], values: Wire) -> Iterator[Sequence[Wire]]:
        """Yield pages of the keys of the items that meet a condition."""
        yield from self.pages(table, self.found(table, condition, names, values))

    def found(self, table: str, condition: str, names: Mapping[str, str], values: Wire) -> dict[str, Any]:
        """Return the scan of the keys of the items that meet a condition."""
        keys = self._keys(table)
        scan: dict[str, Any] = {
            "TableName": self.full_name(table),
            "ConsistentRead": True,
            "FilterExpression": condition,
            "ProjectionExpression": ", ".join(keys),
            "ExpressionAttributeNames": {**names, **keys},
        }
        if values:
            scan["ExpressionAttributeValues"] = values
        return scan

    def pages(self, table: str, scan: Mapping[str, Any]) -> Iterator[Sequence[Wire]]:
        """Yield the items of each page of a scan; of the first one, if it has a limit."""
        start: dict[str, Any] = {}
        name = self.full_name(table)
        while True:
            page = self._tables.send("Scan", {"TableName": name, **scan, **start})
            yield page["Items"]
            if not page.get("LastEvaluatedKey") or "Limit" in scan:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _refusal(kind: str, declared: StoreMeta[Any]) -> str | None:
    """Return why a change is refused while items are stored, None if it is not."""
    base, _, number = declared.table.rpartition("_")
    following = f"{base}_{int(number) + 1}" if base and number.isdecimal() else f"{declared.table}_2"
    return REFUSED[kind].format(table=following) if kind in REFUSED else None


def _unique(declared: StoreMeta[Any], change: Change) -> Index:
    """Return the index that a change adds."""
    return next(one for one in declared.uniques if one.name == change.name)


def _place(stored: Schema, declared: Schema, name: str) -> str:
    """Return the name under which the values of a declared attribute are stored now."""
    predecessor = predecessors(stored, declared).get(name)
    return stored_names(declared).get(name, name) if predecessor is None else stored_names(stored)[predecessor.name]
