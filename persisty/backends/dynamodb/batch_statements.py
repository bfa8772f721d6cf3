"""Batches that are not atomic: 25 conditional writes in a request, as PartiQL statements.

```
Put      INSERT INTO t VALUE {…}                                         DuplicateItem → EXISTS
Patch    UPDATE t SET … REMOVE … WHERE key AND when RETURNING ALL NEW *  the new item
Delete   DELETE FROM t WHERE key AND when RETURNING ALL OLD *            no old item → MISSING
```

BatchWriteItem takes no conditions, so it is not used. Writes that a statement cannot express are sent as single writes, and so are
those whose refusal does not say enough. Source: "PartiQL for DynamoDB" in the DynamoDB Developer Guide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import NoneType
from typing import Any

from ...model.expressions import ALL, Filter, Or
from ...model.generators import Add, Append
from ...model.keys import KeyValues
from ...model.meta import StoreMeta
from ...query.filter_algebra import names_in
from ...query.filter_shape import Shape
from ...store.backend import Delete, Outcome, Patch, Put, Write, WriteResult
from .codec import WireCodec
from .expressions import Expression, shape_of, split
from .requests import MAX_CACHED, NOTHING_STORED
from .requirement_checks import required_by
from .wire_answers import Executed
from .wire_kinds import NULL

MAX_STATEMENTS = 25
"""Most statements of a BatchExecuteStatement."""
MAX_TEXT = 8_192
"""Most characters of a statement."""
EVERY: Shape = ("and",)
"""The shape of the filter that every item matches."""


def _quoted(name: str) -> str:
    return '"' + name + '"'


class _Condition(Expression):
    """A filter as PartiQL: names are written out, values are passed in the order of their question marks."""

    def name(self, attribute: str) -> str:
        return _quoted(self._codec.stored.get(attribute, attribute))

    def raw(self, wire: dict[str, Any]) -> str:
        return "?"

    def condition(self, where: Filter) -> str:
        if where == Or(()):
            key = self.name(self._meta.key.attributes[0])
            return f"{key} IS MISSING"
        return super().condition(where)

    def _absent(self, name: str, absent: bool = True) -> str:
        return f"{self.name(name)} IS {'' if absent else 'NOT '}MISSING"

    def _in(self, name: str, values: list[str]) -> str:
        return f"{self.name(name)} IN [{', '.join(values)}]"


class Statements:
    """The statements of one table, whose texts are cached by shape."""

    def __init__(self, meta: StoreMeta[Any], codec: WireCodec, table: str) -> None:
        self._meta, self._codec, self._table = meta, codec, _quoted(table)
        self._key_is = " AND ".join(f"{_quoted(name)} = ?" for name in codec.stored_key)
        self._texts: dict[Shape, str] = {}

    def of_all(self, writes: Sequence[Write]) -> list[dict[str, Any] | None]:
        """Return the statement of each write, None for those that PartiQL cannot express."""
        puts = [one for one in writes if isinstance(one, Put) and not one.requires]
        columns = self._codec.columns([one.item for one in puts]) if len(puts) == len(writes) > 1 else None
        if columns is None:
            return self._of_one_form(writes) or [self._of(one) for one in writes]
        text = self._text(("insert", *columns), puts[0])
        if len(text) > MAX_TEXT:
            return [None] * len(puts)
        return [{"Statement": text, "Parameters": [*values]} for values in zip(*columns.values(), strict=True)]

    def _of_one_form(self, writes: Sequence[Write]) -> list[dict[str, Any] | None] | None:
        """Return the statements of updates of the same attributes, or of deletes, under one condition. None for other writes, and for writes that PartiQL
        cannot express. This takes half the time of `_of` for each."""
        first = writes[0]
        if isinstance(first, Put) or len(writes) == 1:
            return None
        some = [
            one for one in writes if isinstance(one, type(first)) and one.when is first.when and not required_by(one)
        ]
        statement = self._of(first) if len(some) == len(writes) else None
        if statement is None or not all(self._codec.storable(one.key) for one in some):
            return None
        columns = self._changed_columns([one.changes for one in some if isinstance(one, Patch)])
        if columns is None:
            return None
        columns += self._codec.key_columns([one.key for one in some])
        of_condition = statement["Parameters"][len(columns) :]
        return [{**statement, "Parameters": [*values, *of_condition]} for values in zip(*columns, strict=True)]

    def _changed_columns(self, changes: Sequence[Mapping[str, Any]]) -> list[Sequence[dict[str, Any]]] | None:
        """Return the values of changes of the same attributes, a list for each attribute. None if the changes differ in more than values."""
        names = tuple(changes[0]) if changes else ()
        if any(tuple(one) != names for one in changes):
            return None
        columns: list[Sequence[dict[str, Any]]] = []
        for name in names:
            values = [one[name] for one in changes]
            kinds = {*map(type, values)}
            if kinds == {Add}:
                tag, encode = self._codec.cells[name]
                columns.append([{tag: encode(one.amount)} for one in values])
            elif kinds.isdisjoint(OF_ONE):
                columns.append(self._codec.column(name, values))
            else:
                return None
        return columns

    def _of(self, write: Write) -> dict[str, Any] | None:
        """Return the statement of a write, None if PartiQL cannot express it."""
        if required_by(write) or self._codec.starts_from_null(write):
            return None
        if isinstance(write, Put):
            wire = self._codec.wire(write.item)
            text = self._text(("insert", *wire), write)
            return None if len(text) > MAX_TEXT else {"Statement": text, "Parameters": [*wire.values()]}
        if not self._codec.storable(write.key):
            return None
        native: Filter = ALL
        if write.when is not ALL:
            native, local = split(self._meta, write.when)
            if local != ALL or (self._codec.nullable and not self._codec.nullable.isdisjoint(names_in(native))):
                return None
        values: list[dict[str, Any]] = []
        changed: Shape | None = ()
        if isinstance(write, Patch):
            changed = self._changed(write.changes, values)
            if changed is None:
                return None
        values.extend(self._codec.key(write.key).values())
        kind = "update" if isinstance(write, Patch) else "delete"
        compared: list[dict[str, Any]] = []
        condition = EVERY if native is ALL else shape_of(native, self._codec, compared)
        if NULL in compared:
            return None
        values.extend(compared)
        text = self._text((kind, changed, condition), write, native)
        if len(text) > MAX_TEXT:
            return None
        return {"Statement": text, "Parameters": values, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}

    def result(self, write: Write, answer: Executed[Any]) -> WriteResult | None:
        """Return the result of a write, or None if the response does not contain it."""
        if answer.Error is None:
            if isinstance(write, Put):
                return WriteResult(Outcome.DONE, write.item)
            if answer.Item is None:
                return WriteResult(Outcome.MISSING) if isinstance(write, Delete) else None
            return WriteResult(Outcome.DONE, self._codec.item(answer.Item) if isinstance(write, Patch) else None)
        if answer.Error.Code == "DuplicateItem":
            return WriteResult(Outcome.EXISTS)
        if answer.Error.Code == "ConditionalCheckFailed" and answer.Error.Item is not None:
            return WriteResult(Outcome.FAILED, self._codec.item(answer.Error.Item))
        return None

    def _changed(self, changes: Mapping[str, Any], values: list[dict[str, Any]]) -> Shape | None:
        """Return the names of some changes and the kind of each; append their values. None if one starts from an attribute that may be
        null: PartiQL has no documented way to give it a value to start from."""
        cells = self._codec.cells
        hows: list[str] = []
        for name, value in changes.items():
            nullable = name in self._codec.nullable
            how = "remove" if value is None and not nullable else OPERATORS.get(type(value), "set")
            hows.append(how)
            if how == "remove":
                continue
            if how != "set" and self._meta.attributes[name].optional:
                return None
            if value is None:
                values.append(NULL)
                continue
            tag, encode = cells[name]
            given = value if how == "set" else value.amount if how == "add" else value.values
            values.append({tag: encode(given)})
        return tuple(changes), tuple(hows)

    def _text(self, shape: Shape, write: Write, when: Filter = ALL) -> str:
        """Return the text of a statement of this shape."""
        text = self._texts.get(shape)
        if text is None:
            if len(self._texts) >= MAX_CACHED:
                self._texts.clear()
            text = self._texts[shape] = self._compile(shape, write, when)
        return text

    def _compile(self, shape: Shape, write: Write, when: Filter) -> str:
        if isinstance(write, Put):
            attributes = ", ".join(f"'{name}': ?" for name in shape[1:])
            return f"INSERT INTO {self._table} VALUE {{{attributes}}}"
        condition = _Condition(self._meta, self._codec).condition(when)
        where = self._key_is + (f" AND ({condition})" if condition else "")
        if isinstance(write, Delete):
            return f"DELETE FROM {self._table} WHERE {where} RETURNING ALL OLD *"
        names, hows = shape[1]
        changes = [(self._codec.stored[name], how) for name, how in zip(names, hows, strict=True)]
        sets = " ".join(CHANGES[how].format(_quoted(name)) for name, how in changes if how != "remove")
        removes = " ".join(f"REMOVE {_quoted(name)}" for name, how in changes if how == "remove")
        clauses = " ".join(part for part in (sets, removes) if part) or f"REMOVE {_quoted(NOTHING_STORED)}"
        return f"UPDATE {self._table} {clauses} WHERE {where} RETURNING ALL NEW *"


OPERATORS: dict[type, str] = {Add: "add", Append: "append"}
"""Change → its row in `CHANGES`; every other value is set."""
OF_ONE = frozenset({NoneType, *OPERATORS})
"""Types of changes that are not set to their values."""
CHANGES = {"set": "SET {0} = ?", "add": "SET {0} = {0} + ?", "append": "SET {0} = list_append({0}, ?)"}
"""Kind of change → its clause."""


def rounds(places: Sequence[tuple[int, KeyValues, Collection[KeyValues]]]) -> list[list[int]]:
    """Return positions in rounds, for writes that are given as (position, key, keys of the table that it requires).

    A write comes in a later round than the writes before it that write its item, write an item that it requires, or require its item. Requests of
    one round are then independent of each other, and the batch has the same outcome as the writes in order.
    """
    if len({key for _, key, _ in places}) == len(places) and not any(requires for *_, requires in places):
        return [[position for position, *_ in places]] if places else []
    written: dict[KeyValues, int] = {}
    required: dict[KeyValues, int] = {}
    found: list[list[int]] = []
    for position, key, requires in places:
        turn = max(written.get(key, 0), required.get(key, 0), *(written.get(one, 0) for one in requires), 0)
        written[key] = turn + 1
        required |= {one: max(required.get(one, 0), turn + 1) for one in requires}
        if turn == len(found):
            found.append([])
        found[turn].append(position)
    return found
