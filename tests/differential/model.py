"""The model: the documented semantics over plain dicts. It shares no code with persisty.

```
batch              edits in order; each sees those before it
atomic batch       conditions see the items before the batch; a foreign key may lead to an item that the batch creates, not to one that it deletes
delete             items that belong to it by `cascade` are deleted, too; a blocking item that remains rejects all of it
foreign key        an item may belong to itself
```
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]
Tables = dict[str, dict[str, Row]]
Test = Callable[[Tables, Row], bool]
LINKS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "folder": (("parent_id", "folder", "block"),),
    "page": (("folder_id", "folder", "cascade"), ("reply_id", "page", "cascade")),
    "tag": (("page_id", "page", "nullify"), ("folder_id", "folder", "ignore")),
    "pin": (("page_id", "page", "block"), ("folder_id", "folder", "cascade")),
}
"""Item → (attribute, target, referential action)."""
DEFAULTS: dict[str, Row] = {
    "folder": {"code": None, "size": 0, "parent_id": None},
    "page": {"size": 0, "folder_id": None, "reply_id": None},
    "tag": {"size": 0, "page_id": None, "folder_id": None},
    "pin": {"size": 0, "page_id": None, "folder_id": None},
}
OK = "ok"


class Add:
    """A change that adds a number."""

    def __init__(self, amount: int) -> None:
        self.amount = amount


class Edit:
    """One edit of a batch. `when` is decided over all tables and the item."""

    def __init__(self, kind: str, store: str, key: str, values: Row | None = None, when: Test | None = None) -> None:
        self.kind, self.store, self.key, self.values, self.when = kind, store, key, values or {}, when


class Model:
    """All items, by store and key."""

    def __init__(self) -> None:
        self.tables: Tables = {name: {} for name in LINKS}

    def edit(self, edit: Edit, before: Tables | None = None, will: Callable[[str, str], bool] | None = None) -> str:
        """Perform one edit and return its code. `before`: the tables for conditions. `will`: whether a target will exist."""
        table, seen = self.tables[edit.store], before or self.tables
        row = table.get(edit.key)
        if edit.kind == "create":
            if row is not None:
                return "conflict"
            new = {"id": edit.key, **DEFAULTS[edit.store], **edit.values}
            changed = new
        else:
            if row is None:
                return "not_found"
            if edit.when is not None and not edit.when(seen, seen[edit.store].get(edit.key, row)):
                return "precondition_failed"
            if edit.kind == "delete":
                return self.delete(edit.store, [edit.key])
            changed = edit.values
            new = {
                **row,
                **{name: row[name] + one.amount if isinstance(one, Add) else one for name, one in changed.items()},
            }
        if self._taken(edit.store, new):
            return "conflict"
        for attribute, target, action in LINKS[edit.store]:
            required = changed.get(attribute)
            if action == "ignore" or required is None or (target, required) == (edit.store, edit.key):
                continue
            if not (will(target, required) if will else required in self.tables[target]):
                return "invalid_input"
        table[edit.key] = new
        return OK

    def batch(self, edits: Sequence[Edit], *, atomic: bool) -> list[str]:
        """Return the code of each edit."""
        if not atomic:
            return [self.edit(one) for one in edits]
        before = copy.deepcopy(self.tables)
        made = {(one.store, one.key) for one in edits if one.kind == "create"}
        gone = {(one.store, one.key) for one in edits if one.kind == "delete"}

        def will(store: str, key: str) -> bool:
            return (store, key) not in gone and ((store, key) in made or key in before[store])

        codes = [self._remove(one, before) if one.kind == "delete" else self.edit(one, before, will) for one in edits]
        if all(code == OK for code in codes):
            keys = [(one.store, one.key) for one in edits if one.kind == "delete"]
            for position, one in enumerate(edits):
                if one.kind == "delete" and self._blocked(self._closure(keys), self._closure([(one.store, one.key)])):
                    codes[position] = "conflict"
            if all(code == OK for code in codes):
                self._follow(self._closure(keys))
        if any(code != OK for code in codes):
            self.tables = before
            return ["aborted" if code == OK else code for code in codes]
        return codes

    def _remove(self, one: Edit, before: Tables) -> str:
        row = self.tables[one.store].get(one.key)
        if row is None:
            return "not_found"
        if one.when is not None and not one.when(before, row):
            return "precondition_failed"
        del self.tables[one.store][one.key]
        return OK

    def delete(self, store: str, keys: Sequence[str]) -> str:
        """Delete items with their dependents, all or nothing."""
        gone = self._closure([(store, key) for key in keys])
        if self._blocked(gone, gone):
            return "conflict"
        self._follow(gone)
        return OK

    def _closure(self, roots: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the items that are deleted with these, and these."""
        gone, left = set(roots), list(roots)
        while left:
            there = left.pop()
            for store, links in LINKS.items():
                for attribute, target, action in links:
                    if target == there[0] and action == "cascade":
                        for key, row in self.tables[store].items():
                            if row[attribute] == there[1] and (store, key) not in gone:
                                gone.add((store, key))
                                left.append((store, key))
        return gone

    def _blocked(self, gone: set[tuple[str, str]], of: set[tuple[str, str]]) -> bool:
        """Return whether an item that stays blocks the delete of one of these."""
        return any(
            (target, row[attribute]) in of and (store, key) not in gone
            for store, links in LINKS.items()
            for attribute, target, action in links
            if action == "block"
            for key, row in self.tables[store].items()
        )

    def _follow(self, gone: set[tuple[str, str]]) -> None:
        for store, key in gone:
            self.tables[store].pop(key, None)
        for store, links in LINKS.items():
            for attribute, target, action in links:
                if action == "nullify":
                    for row in self.tables[store].values():
                        if (target, row[attribute]) in gone:
                            row[attribute] = None

    def _taken(self, store: str, new: Row) -> bool:
        return new.get("code") is not None and any(
            row.get("code") == new["code"] and key != new["id"] for key, row in self.tables[store].items()
        )

    def matches(self, store: str, test: Test | None) -> list[Row]:
        """Return the items that match, by key."""
        rows = self.tables[store].values()
        return sorted((row for row in rows if test is None or test(self.tables, row)), key=lambda row: str(row["id"]))

    def update_all(self, store: str, changes: Row, test: Test | None) -> int:
        found = self.matches(store, test)
        for row in found:
            row |= {name: row[name] + one.amount if isinstance(one, Add) else one for name, one in changes.items()}
        return len(found)
