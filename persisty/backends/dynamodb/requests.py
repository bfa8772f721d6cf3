"""Make the requests of one table: inert inputs in, payloads out. This module does no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...model.expressions import ALL, Compare, Filter
from ...model.generators import Add, Append, UpdateOperator
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.filter_shape import Shape
from ...store.backend import Delete, Patch, Put, Write
from .access_paths import QueryPlan
from .codec import WireCodec
from .expressions import Expression, shape_of
from .wire_kinds import NULL

KEY_CONDITIONS = {"eq": "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
OPERATIONS: dict[type, tuple[str, str]] = {
    Put: ("PutItem", "Put"),
    Patch: ("UpdateItem", "Update"),
    Delete: ("DeleteItem", "Delete"),
}
"""Write → its operation, and its action in a transaction."""

NOTHING_STORED = "persisty_nothing"
"""An attribute that no item has. A transaction takes no update without an expression, so an empty patch removes this attribute."""

ZERO: dict[str, Any] = {"N": "0"}
EMPTY: dict[str, Any] = {"L": []}
MAX_CACHED = 1_000
"""Shapes of conditional writes and queries whose texts a table caches. The cache is cleared when it is full."""


class Requests:
    def __init__(self, meta: StoreMeta[Any], codec: WireCodec, table: str) -> None:
        self._meta, self._codec, self.table = meta, codec, table
        self._texts: dict[Shape, dict[str, Any]] = {}

    def read(self, key: KeyValues, names: tuple[str, ...] | None = None) -> dict[str, Any]:
        """Return the payload that reads an item, or these attributes of it."""
        members = {"TableName": self.table, "Key": self._codec.key(key), "ConsistentRead": True}
        return members if names is None else {**members, **self._projection(names)}

    def read_batch(self, keys: Sequence[KeyValues], names: tuple[str, ...] | None = None) -> dict[str, Any]:
        """Return the payload that reads several items, or these attributes of them."""
        members = {"Keys": self._codec.keys(keys), "ConsistentRead": True}
        return {self.table: members if names is None else {**members, **self._projection(names)}}

    def _projection(self, names: tuple[str, ...]) -> dict[str, Any]:
        expression = Expression(self._meta, self._codec)
        return {"ProjectionExpression": expression.projection(names), **expression.payload()}

    def write(self, write: Write, when: Filter = ALL) -> dict[str, Any]:
        """Return a single conditional write. `when`: the part of its condition that DynamoDB decides."""
        members: dict[str, Any] = {"TableName": self.table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if isinstance(write, Put):
            members["Item"] = self._codec.wire(write.item)
            members["ConditionExpression"] = "attribute_not_exists(#0)"
            members["ExpressionAttributeNames"] = {"#0": self._codec.stored_key[0]}
            return members
        members["Key"] = self._codec.key(write.key)
        values: list[dict[str, Any]] = []
        changes = write.changes if isinstance(write, Patch) else None
        where = shape_of(when, self._codec, values)
        shape = (where, None if changes is None else self._changed(changes, values))
        texts = self._texts.get(shape)
        if texts is None:
            if len(self._texts) >= MAX_CACHED:
                self._texts.clear()
            texts = self._texts[shape] = self._compile_write(when, changes)
        members.update(texts)
        if values:
            members["ExpressionAttributeValues"] = {f":{place}": value for place, value in enumerate(values)}
        return members

    def _compile_write(self, when: Filter, changes: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the parts of a conditional write that depend on its shape only: texts and names, without values."""
        expression = Expression(self._meta, self._codec)
        partition = expression.name(self._codec.schema[0])
        text = expression.condition(when)
        members = {"ConditionExpression": f"attribute_exists({partition})" + (f" AND ({text})" if text else "")}
        if changes is not None:
            members["UpdateExpression"] = self._update(changes, expression)
        return {**members, "ExpressionAttributeNames": expression.names}

    def _changed(self, changes: Mapping[str, Any], values: list[dict[str, Any]]) -> Shape:
        """Return the shape of some changes. Append their values in the order in which `_update` takes them."""
        shape: list[tuple[str, str]] = []
        for name, value in changes.items():
            if value is None and name in self._codec.nullable:
                values.append(NULL)
                shape.append((name, "set"))
            elif value is None:
                shape.append((name, "remove"))
            elif not isinstance(value, UpdateOperator):
                values.append(self._codec.value(name, value))
                shape.append((name, "set"))
            elif isinstance(value, Add):
                values += (self._codec.start(name, ZERO), {"N": str(value.amount)})
                shape.append((name, "add"))
            elif isinstance(value, Append):
                values += (self._codec.start(name, EMPTY), self._codec.value(name, value.values))
                shape.append((name, "append"))
            else:
                raise NotImplementedError(f"no update expression of {type(value).__name__}")
        return tuple(shape)

    def _update(self, changes: Mapping[str, Any], expression: Expression) -> str:
        sets, removes = [], []
        for name, value in changes.items():
            place = expression.name(name)
            if value is None and name in self._codec.nullable:
                sets.append(f"{place} = {expression.raw(NULL)}")
            elif value is None:
                removes.append(place)
            elif isinstance(value, Add):
                stored = f"if_not_exists({place}, {expression.raw(self._codec.start(name, ZERO))})"
                sets.append(f"{place} = {stored} + {expression.raw({'N': str(value.amount)})}")
            elif isinstance(value, Append):
                stored = f"if_not_exists({place}, {expression.raw(self._codec.start(name, EMPTY))})"
                sets.append(f"{place} = list_append({stored}, {expression.value(name, value.values)})")
            else:
                sets.append(f"{place} = {expression.value(name, value)}")
        if not sets and not removes:
            removes.append(expression.name(NOTHING_STORED))
        clauses = [("SET", sets), ("REMOVE", removes)]
        return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts)

    def query(
        self, plan: QueryPlan, native: Filter, names: tuple[str, ...] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Return (`Query` or `Scan`, payload) of a plan, for whole items or for these attributes. `native`: the part of
        the rest that DynamoDB decides."""
        operation = "Scan" if plan.path is None else "Query"
        if native is not ALL or any(one.operator != "eq" for one in plan.conditions):
            return operation, self._compile_query(plan, native, names)
        shape = (plan.path, tuple([one.attribute for one in plan.conditions]), plan.backward, names)
        texts = self._texts.get(shape)
        if texts is None:
            if len(self._texts) >= MAX_CACHED:
                self._texts.clear()
            texts = self._texts[shape] = self._compile_query(plan, native, names)
        values = [self._codec.value(one.attribute, one.value) for one in plan.conditions]
        if not values:
            return operation, texts
        return operation, {**texts, "ExpressionAttributeValues": {f":{at}": value for at, value in enumerate(values)}}

    def _compile_query(self, plan: QueryPlan, native: Filter, names: tuple[str, ...] | None) -> dict[str, Any]:
        """Return the payload of a plan."""
        expression = Expression(self._meta, self._codec)
        members: dict[str, Any] = {"TableName": self.table}
        if plan.path is not None:
            members["KeyConditionExpression"] = self._key_condition(plan, expression)
            if plan.backward:
                members["ScanIndexForward"] = False
        if plan.path is not None and plan.path.index is not None:
            members["IndexName"] = plan.path.index
        else:
            members["ConsistentRead"] = True
        if text := expression.condition(native):
            members["FilterExpression"] = text
        if names is not None:
            members["ProjectionExpression"] = expression.projection(names)
        return {**members, **expression.payload()}

    def _key_condition(self, plan: QueryPlan, expression: Expression) -> str:
        pairs = [one for one in plan.conditions if one.operator in ("ge", "le")]
        between = pairs if len(pairs) == 2 else []
        terms = [self._key_term(one, expression) for one in plan.conditions if one not in between]
        if between:
            low, high = sorted(between, key=lambda one: one.operator)  # ge before le
            name = expression.name(low.attribute)
            ends = [expression.value(one.attribute, one.value) for one in (low, high)]
            terms.append(f"{name} BETWEEN {ends[0]} AND {ends[1]}")
        return " AND ".join(terms)

    def _key_term(self, one: Compare, expression: Expression) -> str:
        name, value = expression.name(one.attribute), expression.value(one.attribute, one.value)
        if one.operator == "startswith":
            return f"begins_with({name}, {value})"
        return f"{name} {KEY_CONDITIONS[one.operator]} {value}"
