"""An item with a new name, and perhaps a new key, is another table of DynamoDB: its items are copied, while older code goes on writing the former one.

```
copy       segments of the former table are scanned side by side, and each item is put      older code writes the former table
catch up   sweep what is gone, put what differs, until a pass finds little                   older code writes the former table
switch     the same, until a pass finds nothing                                              no code writes: the user says so by --allow
```

A pass compares the tables, so no write has to be observed: a write that a pass misses is found by the next one, and the last pass runs while no code
writes. With a stream, see `copy_steps`, one pass is enough: the stream has every later write. A copied item has the attributes of its former key, declared or not. They say where it comes from, which decides every put and delete:
two items that would have the same new key are never one overwritten by the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec import UNSET

from ...errors import Conflict
from ...model.former_schemas import compile_stored
from ...model.meta import StoreMeta
from ...model.missing_values import value_before
from ...model.schema import Schema
from ...model.stored_names import predecessors
from ...model.unreadable_items import FAULTS, unreadable
from ...store.migration import Report
from .codec import WireCodec
from .guard_backfill import LISTED, Tables
from .parallel import in_parallel
from .resumable_scans import MOST
from .value_conversion import conversion_of, key_text
from .wire_kinds import NULL, Wire

SEGMENTS = 8
READ = 100
"""Items of one BatchGetItem."""
FEW_CHANGES = 100
"""Differences with which the copy has caught up: the switch finds the rest in moments."""
PASSES = 5
"""Passes that catch up at most. More would not help against writers that are faster than the copy."""


class TableCopy:
    """The copy of one table. `origin`, `target`: the names of both tables."""

    def __init__(self, tables: Tables, stored: Schema, declared: StoreMeta[Any], origin: str, target: str) -> None:
        self._tables, self._declared = tables, declared
        self.origin, self.target = origin, target
        self._former = compile_stored(stored)
        self._codec, self._old = WireCodec(declared), WireCodec(self._former)
        sources, now = predecessors(stored, declared.schema), self._codec.stored
        was = self._old.stored
        self._new_names = {was[one.name]: now[name] for name, one in sources.items() if was[one.name] != now[name]}
        """Stored name of the former table → that of the new one."""
        self._marks = tuple(self._new_names.get(name, name) for name in map(self._old.stored.__getitem__, stored.key))
        """The attributes of the former key, as a copied item has them."""
        before = {name: make() for name, one in declared.attributes.items() if (make := value_before(one)) is not None}
        self._defaults = {now[name]: self._codec.value(name, one) for name, one in before.items() if one is not None}
        before_indexed = {name for index in stored.indexes for name in index.attributes}
        indexed = {name for name, one in sources.items() if one.name in before_indexed}
        self._absent = {now[name] for name in before.keys() - self._codec.before.keys() - indexed} & {*self._defaults}
        """Attributes of a new key or index, whose absence is the default in the former table and null in the new one."""
        self._required = {now[name] for name in before if not declared.attributes[name].optional} & {*self._defaults}
        found = {now[name]: conversion_of(stored, declared, name) for name in sources}
        self._conversions = {name: one for name, one in found.items() if one is not None}
        self._lock = threading.Lock()
        self._shared: dict[str, None] = {}
        self._unreadable: dict[str, None] = {}

    def copy(self, report: Report) -> None:
        """Copy every item once. What was copied before is not written again."""
        blind = report.position is not None or not self._page(self.target, {"Limit": 1})["Items"]
        self._shared.clear()
        self._each(self.origin, lambda wires: self._put(wires, blind=blind), report)

    def catch_up(self, report: Report, passes: int) -> None:
        """Copy what has changed meanwhile, until a pass finds little. Raises `Conflict` if items cannot be copied. `passes`: the most passes."""
        for _ in range(passes):
            if self._pass(report) <= FEW_CHANGES:
                break
        self.check(self._unreadable, self._shared)

    def switch(self, report: Report) -> None:
        """Copy the last changes. Raises `Conflict` if a pass still finds some, because older code writes, or if items cannot be copied."""
        for _ in range(PASSES):
            found = self._pass(report)
            self.check(self._unreadable, self._shared)
            if not found:
                return
        message = f"Older code still writes {self.origin}: stop it, then run the command again. Nothing is switched"
        raise Conflict(message)

    def _pass(self, report: Report) -> int:
        """Compare the tables and make them equal. Returns the number of differences."""
        self._shared.clear()
        self._unreadable.clear()
        unseen = Report(report, rate=report.rate)
        swept = self._each(self.target, self._sweep, unseen)
        return swept + self._each(self.origin, lambda wires: self._put(wires, blind=False), unseen)

    def check(self, unreadable: Collection[str], shared: Collection[str]) -> None:
        """Raise `Conflict` for items that cannot be copied. `unreadable`, `shared`: those that no declared item can be made of, and those with one key."""
        for found, message in (
            (unreadable, "These items cannot be read as the new declaration has them, or have no value in its key"),
            (shared, "These items would have the same key"),
        ):
            if found:
                keys = sorted(found)[:LISTED]
                more = " and more" if len(found) > LISTED else ""
                raise Conflict(f"{message}: {', '.join(keys)}{more}. Nothing is switched", keys=keys)

    def _each(self, table: str, work: Callable[[Sequence[Wire]], int], report: Report) -> int:
        """Call `work` with the items of a table, page by page in several segments side by side. Returns the sum of what it returns. The positions of
        the segments are recorded together."""
        positions: dict[str, Any] = dict(report.position or {})
        done, total = report.done, 0

        def run(segment: int) -> None:
            nonlocal done, total
            place = str(segment)
            start = positions.get(place)
            while start is not True:
                page = self._page(
                    table,
                    {
                        "Segment": segment,
                        "TotalSegments": SEGMENTS,
                        **({} if report.rate is None else {"Limit": report.batch(MOST)}),
                        **({"ExclusiveStartKey": start} if start else {}),
                    },
                )
                found = work(page["Items"])
                start = page.get("LastEvaluatedKey") or True
                with self._lock:
                    total += found
                    done += len(page["Items"])
                    positions[place] = start
                    report.reached(done, dict(positions))

        in_parallel(run, range(SEGMENTS))
        return total

    def _put(self, wires: Sequence[Wire], *, blind: bool) -> int:
        """Put the copies of items that differ from what the target has. Returns their number."""
        copies = [copy for wire in wires if (copy := self._copied(wire)) is not None]
        differing = copies if blind else self._differing(copies)
        for one in differing:
            if not self._decided(one):
                self._share(one)
        return len(differing)

    def put(self, copies: Sequence[Wire]) -> list[Wire]:
        """Put copies that differ from what the target has, side by side. Return those whose key another item has."""
        refused: list[Wire] = []

        def write(copy: Wire) -> None:
            if not self._decided(copy):
                refused.append(copy)

        in_parallel(write, self._differing(copies))
        return refused

    def delete(self, copy: Wire) -> bool:
        """Delete the copy of an item, unless its key is that of another item. Return whether it was there."""
        payload = {"TableName": self.target, "Key": self.key(copy), **self._same_origin(copy)}
        return self._tables.decided("DeleteItem", payload)

    def leave(self, copy: Wire) -> None:
        """Delete the copy of an item under a key that the item no longer has."""
        self.delete(copy)

    def originals(self, keys: Iterable[Wire]) -> dict[str, Wire]:
        """Return the items of the former table that have these keys, by the labels of their keys."""
        return self._read(self.origin, keys, self._former_key)

    def _decided(self, copy: Wire) -> bool:
        return self._tables.decided("PutItem", {"TableName": self.target, "Item": copy, **self._same_origin(copy)})

    def _differing(self, copies: Sequence[Wire]) -> list[Wire]:
        """Return the copies that differ from what the target has."""
        stored = self._read(self.target, [self.key(one) for one in copies], self.key)
        return [one for one in copies if _spelled(stored.get(key_label(self.key(one)), {})) != _spelled(one)]

    def _sweep(self, wires: Sequence[Wire]) -> int:
        """Delete the copies of items that are gone, or that have another key now. Returns their number."""
        origins = [(self._origin(one), one) for one in wires]
        originals = self.originals([key for key, _ in origins if key])
        deleted = 0
        for key, one in origins:
            wire = originals.get(key_label(key)) if key else None
            copy = None if wire is None else self._copied(wire)
            if copy is None or self.key(copy) != self.key(one):
                deleted += self.delete(one)
        return deleted

    def _copied(self, wire: Wire) -> Wire | None:
        """Return `converted`; take note of an item that the new declaration cannot read."""
        copy = self.converted(wire)
        if copy is None:
            with self._lock:
                self._unreadable[self.name(wire)] = None
        return copy

    def converted(self, wire: Wire) -> Wire | None:
        """Return an item as the target has it, with its former key; None if the new declaration cannot read it."""
        renamed = {self._new_names.get(name, name): value for name, value in wire.items()}
        filled = {name for name in self._absent if name not in renamed}
        filled |= {name for name in self._required if renamed.get(name) == NULL}
        try:
            renamed |= {
                name: one.converted(renamed[name])
                for name, one in self._conversions.items()
                if renamed.get(name, NULL) != NULL
            }
        except FAULTS:
            return None
        item = self._codec.read(renamed | {name: self._defaults[name] for name in filled})
        values = self._declared.key_values(item)
        if unreadable(item) or any(value is None or value is UNSET for value in values):
            return None
        copy = self._codec.wire(item)
        return copy | {
            name: renamed[name] for name in self._marks if name not in copy and renamed.get(name, NULL) != NULL
        }

    def name(self, wire: Wire) -> str:
        """Return the key of an item of the former table, as a text for people."""
        return self._former.key_codec.text(self._former.key_values(self._old.read(wire)))

    def key(self, wire: Wire) -> Wire:
        """Return the key of a copy."""
        return {name: wire[name] for name in self._codec.stored_key}

    def _former_key(self, wire: Wire) -> Wire:
        return {name: wire[name] for name in self._old.stored_key}

    def _origin(self, copy: Wire) -> Wire | None:
        """Return the key of the item that a copy was made of, None if it is no copy."""
        names = {new_name: name for name, new_name in self._new_names.items()}
        if any(name not in copy for name in self._marks):
            return None
        item = self._old.read({names.get(name, name): copy[name] for name in self._marks})
        return self._old.key(self._former.key_values(item))

    def _same_origin(self, copy: Wire) -> dict[str, Any]:
        """Return the condition that the target has no item of the key, or the copy of the same item."""
        names = {f"#{place}": name for place, name in enumerate(self._marks)}
        values = {f":{place}": copy[name] for place, name in enumerate(self._marks) if name in copy}
        same = " AND ".join(
            f"#{place} = :{place}" if f":{place}" in values else f"attribute_not_exists(#{place})"
            for place in range(len(self._marks))
        )
        return {
            "ConditionExpression": f"attribute_not_exists(#key) OR ({same})",
            "ExpressionAttributeNames": {"#key": self._codec.stored_key[0], **names},
            **({"ExpressionAttributeValues": values} if values else {}),
        }

    def _share(self, copy: Wire) -> None:
        """Take note of two items that would have the same key."""
        other = self._read(self.target, [self.key(copy)], self.key).values()
        with self._lock:
            for one in (copy, *other):
                key = self._origin(one)
                if key is not None:
                    self._shared[key_text(key)] = None

    def _read(self, table: str, keys: Iterable[Wire], key: Callable[[Wire], Wire]) -> dict[str, Wire]:
        """Return the items of these keys, by the text of their keys."""
        found: dict[str, Wire] = {}
        for some in _chunks(list({key_label(one): one for one in keys}.values())):
            waiting: dict[str, Any] = {table: {"Keys": some, "ConsistentRead": True}}
            while waiting:
                answer = self._tables.send("BatchGetItem", {"RequestItems": waiting})
                found |= {key_label(key(one)): one for one in answer["Responses"].get(table, ())}
                waiting = answer.get("UnprocessedKeys") or {}
        return found

    def _page(self, table: str, scan: dict[str, Any]) -> dict[str, Any]:
        return self._tables.send("Scan", {"TableName": table, "ConsistentRead": True, **scan})


def _chunks(keys: Sequence[Wire]) -> Iterator[Sequence[Wire]]:
    for start in range(0, len(keys), READ):
        yield keys[start : start + READ]


def key_label(key: Wire) -> str:
    """Return a key as a text, the same however DynamoDB orders its attributes."""
    return str(
        sorted((name, tag, value.normalize() if tag == "N" else value) for name, (tag, value) in _spelled(key).items())
    )


def _spelled(wire: Wire) -> dict[str, tuple[str, Any]]:
    """Return attributes with numbers as values: DynamoDB spells `1.0` as `1`."""
    return {
        name: (tag, Decimal(value) if tag == "N" else value)
        for name, cell in wire.items()
        for tag, value in cell.items()
    }
