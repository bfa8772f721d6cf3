"""Convert the stored values of an attribute whose type has changed.

A conversion depends only on the stored value, and a converted value stays as it is. So a backfill that was killed is begun again, and each write has the
condition that the value is still the one that was read.

```
{"S": "12"}    string → integer     {"N": "12"}
{"N": "12"}    string → integer     {"N": "12"}     it was converted before
{"S": "x"}     string → integer     one of `FAULTS`
```

Passes are made until one finds nothing to convert, so a value that older code writes during a pass is converted by the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import UNSET

from ...errors import Conflict, Fault, SchemaMismatch
from ...model.former_schemas import exact_attribute
from ...model.keys import SEPARATOR, key_of_texts
from ...model.meta import StoreMeta
from ...model.schema import Schema
from ...model.schema_differences import form
from ...model.stored_names import predecessors
from ...model.unreadable_items import FAULTS, UnreadableValue
from ...model.value_conversions import CONVERSIONS, convert, kind_of_form
from ...store.migration import Report, Step
from .codec import SORT
from .guard_backfill import LISTED, Tables
from .parallel import in_parallel
from .resumable_scans import ResumableScans
from .stored_indexes import mistyped
from .wire_kinds import WIRE, Wire, WireKind, decoded, unescape, wire_kind

Cell = dict[str, Any]
"""A tagged value such as `{"S": "text"}`."""
INCONVERTIBLE = "These values cannot be converted to {}: repair them first"
SHOWN = 60
"""Most characters of a value in the text of a fault."""
PASSES = 5
"""Most passes over a table. More would not help against older code that goes on writing."""


class ValueConversion:
    """The conversion of one attribute from its stored form to the declared one, `after`. `tags`: DynamoDB's types of both."""

    def __init__(self, declared: StoreMeta[Any], name: str, before: str, after: str) -> None:
        self._forms, self.after = (before, after), after
        self._was, self._now = WIRE[kind_of_form(before)], WIRE[kind_of_form(after)]
        self._declared = wire_kind(exact_attribute(declared, name))
        self.tags = self._was.tag, self._now.tag

    def converted(self, cell: Cell) -> Cell:
        """Return a value in its declared form. Raises one of `FAULTS` if it has no exact counterpart, or the declared type does not allow it."""
        found = self.counterpart(cell)
        decoded(self._declared, found)
        return found

    def allowed(self, cell: Cell) -> None:
        """Raise one of `FAULTS` if a value has a counterpart that the declared type does not allow, such as one that is no member of an enum."""
        try:
            found = self.counterpart(cell)
        except FAULTS:
            return
        decoded(self._declared, found)

    def counterpart(self, cell: Cell) -> Cell:
        """Return a value in the form of the declared type. Raises one of `FAULTS` if it has no exact counterpart."""
        value = _exact(self._was, cell)
        if value is not UNSET:
            value = convert(*self._forms, value)
        else:
            value = _exact(self._now, cell)
        if value is UNSET:
            raise UnreadableValue("neither the former type nor the declared one")
        return {self._now.tag: self._now.encode(value)}


def unindexing(tables: Tables, declared: StoreMeta[Any]) -> Iterator[Step]:
    """Yield the steps that remove the indexes over attributes of another type. Declared ones are created again after the values are converted."""

    def step(index: str) -> Step:
        return Step(
            title=f"An attribute of the index {index} has another type: remove the index",
            statements=(f"UpdateTable {declared.table}: delete {index}",),
            run=lambda report: tables.remove_index(declared.table, index),
        )

    yield from map(step, mistyped(tables.described(declared.table) or {}, declared))


def conversion_of(stored: Schema, declared: StoreMeta[Any], name: str) -> ValueConversion | None:
    """Return the conversion of an attribute, None if its values need none or have none."""
    predecessor = predecessors(stored, declared.schema).get(name)
    if predecessor is None:
        return None
    attribute = next(one for one in declared.schema.attributes if one.name == name)
    before, after = form(stored, predecessor), form(declared.schema, attribute)
    return ValueConversion(declared, name, before, after) if (before, after) in CONVERSIONS else None


def _exact(kind: WireKind, cell: Cell) -> Any:
    """Return the value of a cell of a kind, UNSET if the kind does not write such a cell: 5 is no boolean, though it can be read as one."""
    if kind.tag not in cell:
        return UNSET
    text = cell[kind.tag]
    try:
        value = decoded(kind, cell)
        again = kind.encode(value)
        same = Decimal(again) == Decimal(text) if kind.tag == "N" else again == text
    except (ValueError, ArithmeticError):
        return UNSET
    return value if same else UNSET


def _same(one: Cell, other: Cell) -> bool:
    """Return whether two values are equal. DynamoDB writes numbers in a text of its own: 1e+100 as 1 and a hundred zeros."""
    if "N" in one and "N" in other:
        return Decimal(one["N"]) == Decimal(other["N"])
    return one == other


class ConversionBackfill:
    """Converts the values that the items of one table have in one attribute. `place`: the name under which the attribute is stored."""

    def __init__(
        self, tables: Tables, table: str, keys: Sequence[str], place: str, conversion: ValueConversion
    ) -> None:
        self._tables, self._table, self._place, self._conversion = tables, table, place, conversion
        self._keys = {f"#k{number}": name for number, name in enumerate(keys)}
        self._lock = threading.Lock()
        self._differing = 0
        self._failed: dict[str, None] = {}

    def run(self, report: Report, path: str) -> None:
        """Convert all values. Raises `SchemaMismatch` for values without a counterpart that were written meanwhile, and `Conflict` if older code goes on
        writing. The next migration continues."""
        for number in range(PASSES):
            self._differing = 0
            scans = ResumableScans(
                self._tables.send, Report(lambda items: None, rate=report.rate) if number else report
            )
            for page in scans.pages(self._scan()):
                in_parallel(self._convert, page)
            if self._failed:
                raise SchemaMismatch("Some values were not converted", faults=[self._fault(path)])
            if not self._differing:
                return
        raise Conflict(f"Older code still writes {self._place} of {self._table}: stop it, then run the command again")

    def _convert(self, wire: Wire) -> None:
        """Convert the value of an item, if it is still the one that was read."""
        key = {name: wire[name] for name in self._keys.values()}
        cell = wire[self._place]
        try:
            after = self._conversion.converted(cell)
        except FAULTS:
            with self._lock:
                self._failed[f"{key_text(key)} ({shown_cell(cell)})"] = None
            return
        if not _same(after, cell):
            with self._lock:
                self._differing += 1
            self._tables.send(
                "UpdateItem",
                {
                    "TableName": self._table,
                    "Key": key,
                    "UpdateExpression": "SET #0 = :1",
                    "ConditionExpression": "#0 = :0",
                    "ExpressionAttributeNames": {"#0": self._place},
                    "ExpressionAttributeValues": {":0": cell, ":1": after},
                },
            )

    def _scan(self) -> dict[str, Any]:
        before, after = self._conversion.tags
        names = {"#0": self._place, **self._keys}
        filled = ("NULL", "attribute_exists(#0) AND NOT attribute_type(#0, :0)")
        tag, condition = filled if before == after else (before, "attribute_type(#0, :0)")
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "FilterExpression": condition,
            "ProjectionExpression": ", ".join(names),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {":0": {"S": tag}},
        }

    def _fault(self, path: str) -> Fault:
        found = sorted(self._failed)
        more = " and more" if len(found) > LISTED else ""
        return Fault(path, INCONVERTIBLE.format(self._conversion.after), found=", ".join(found[:LISTED]) + more)


def shown_cell(cell: Cell) -> str:
    """Return a stored value for the text of a fault: a text in quotes, anything else as it is stored, cut to a line."""
    [(tag, value)] = cell.items()
    if tag == "N":
        return str(value)
    if tag == "L":  # each member of a list is JSON
        value = f"[{','.join(str(next(iter(one.values()))) for one in value)}]"
    text = repr(unescape(value)) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def key_text(key: Wire) -> str:
    """Return the string key of an item. `key`: the attributes of the table's key in their order."""
    texts = {name: unescape(str(next(iter(part.values())))) for name, part in key.items()}
    joined = texts.pop(SORT, None)
    others = [] if joined is None else map(unquote, joined.split(SEPARATOR))
    return key_of_texts([*texts.values(), *others])
