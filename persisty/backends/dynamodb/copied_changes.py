"""Apply the changes of the former table to its copy, from its stream.

A record says which item has changed, and under which keys the copy may have had it. What the copy gets is the item as it is now, so records may be
applied again, and those of different items in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .parallel import in_parallel
from .table_copy import TableCopy, key_label
from .table_stream import Records
from .wire_kinds import Wire

IMAGES = ("OldImage", "NewImage")


class CopiedChanges:
    """The changes that a copy has got. `keys`: `check` raises for these, by their own names."""

    def __init__(self, copy: TableCopy) -> None:
        self._copy = copy
        self._refused: dict[str, Wire] = {}
        """Items that could not be put, because another one has their key now."""
        self._unreadable: dict[str, str] = {}

    def apply(self, pages: Iterable[Records]) -> int:
        """Apply records, and return their number."""
        count = 0
        for records in pages:
            changed: dict[str, tuple[Wire, dict[str, Wire]]] = {}
            for record in records:
                images = record["dynamodb"]
                _, copies = changed.setdefault(key_label(images["Keys"]), (images["Keys"], {}))
                copies.update(self._copies(images))
            self._follow(changed)
            count += len(records)
        if self._refused:
            self._follow({label: (key, {}) for label, key in self._refused.items()})
        return count

    def check(self) -> None:
        """Raise `Conflict` for items that cannot be copied."""
        self._copy.check([*self._unreadable.values()], [self._copy.name(key) for key in self._refused.values()])

    def _copies(self, images: Mapping[str, Any]) -> dict[str, Wire]:
        """Return the copies that an item may have had, by their keys."""
        found = [self._copy.converted(images[name]) for name in IMAGES if name in images]
        return {key_label(self._copy.key(one)): one for one in found if one is not None}

    def _follow(self, changed: Mapping[str, tuple[Wire, Mapping[str, Wire]]]) -> None:
        """Make the copies of these items what the items are now. An item leaves its former key before another one takes it."""
        originals = self._copy.originals([key for key, _ in changed.values()])
        left: list[Wire] = []
        current: dict[str, Wire] = {}
        for label, (key, copies) in changed.items():
            self._unreadable.pop(label, None)
            wire = originals.get(label)
            copy = None if wire is None else self._copy.converted(wire)
            if copy is not None:
                current[label] = copy
            elif wire is not None:
                self._unreadable[label] = self._copy.name(key)
            place = None if copy is None else key_label(self._copy.key(copy))
            left += [one for at, one in copies.items() if at != place]
        in_parallel(self._copy.leave, left)
        refused = self._copy.put(list(current.values()))
        for label, (key, _) in changed.items():
            if any(one is current.get(label) for one in refused):
                self._refused[label] = key
            else:
                self._refused.pop(label, None)
