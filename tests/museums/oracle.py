"""Plain Python over the rows: lookups along links, orders, and referential actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .rows import Row, Rows

KEYS: dict[str, tuple[str, ...]] = {
    "country": ("code",), "city": ("id",), "museum": ("id",), "person": ("number",), "artist": ("slug",), "artwork": ("id",),
    "category": ("path",), "classification": ("artwork_id", "category_path"), "exhibition": ("id",), "loan": ("exhibition_id", "artwork_id"),
    "review": ("id",),
}  # fmt: skip
LINKS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "city": (("country_code", "country", "block"),),
    "museum": (("city_id", "city", "nullify"), ("parent_id", "museum", "nullify")),
    "person": (("museum_id", "museum", "nullify"), ("boss_number", "person", "nullify")),
    "artwork": (("artist_slug", "artist", "nullify"), ("museum_id", "museum", "block")),
    "category": (("parent_path", "category", "cascade"),),
    "classification": (("artwork_id", "artwork", "cascade"), ("category_path", "category", "cascade")),
    "exhibition": (("museum_id", "museum", "cascade"),),
    "loan": (("exhibition_id", "exhibition", "cascade"), ("artwork_id", "artwork", "cascade")),
    "review": (("exhibition_id", "exhibition", "cascade"), ("person_number", "person", "nullify")),
}
"""Item → (foreign key, its target, referential action)."""


class World:
    """All rows, by item and key."""

    def __init__(self, rows: Rows) -> None:
        self.items = {name: {key_of(name, row): row for row in some} for name, some in rows.items()}

    def all(self, name: str) -> list[Row]:
        return list(self.items[name].values())

    def one(self, name: str, key: Any) -> Row | None:
        """Return the row of a key, or None for no key."""
        return None if key is None else self.items[name][key]

    def of(self, name: str, attribute: str, key: Any) -> list[Row]:
        """Return the rows whose attribute contains the key."""
        return [row for row in self.items[name].values() if row[attribute] == key]

    def delete(self, name: str, key: Any) -> bool:
        """Delete a row and apply the referential actions. Return False and change nothing if a link blocks it."""
        doomed: list[tuple[str, Any]] = [(name, key)]
        lost: list[tuple[Row, str]] = []
        for target, gone in doomed:  # grows on the way
            for other, links in LINKS.items():
                for attribute, to, action in links:
                    if to != target:
                        continue
                    for row in self.of(other, attribute, gone):
                        found = (other, key_of(other, row))
                        if action == "cascade" and found not in doomed:
                            doomed.append(found)
                        elif action == "nullify":
                            lost.append((row, attribute))
                        elif action == "block":
                            return False
        for row, attribute in lost:
            row[attribute] = None
        for target, gone in doomed:
            del self.items[target][gone]
        return True


def key_of(name: str, row: Row) -> Any:
    values = tuple(row[one] for one in KEYS[name])
    return values if len(values) > 1 else values[0]


def ordered(rows: Iterable[Row], order: Iterable[str]) -> list[Row]:
    """Sort rows by attributes, `-` before those that descend. Nulls come last in both directions."""
    found = list(rows)
    for term in reversed(list(order)):
        name = term.removeprefix("-")
        there = sorted((row for row in found if row[name] is not None), key=_value(name), reverse=term.startswith("-"))
        found = there + [row for row in found if row[name] is None]
    return found


def _value(name: str) -> Callable[[Row], Any]:
    return lambda row: row[name]
