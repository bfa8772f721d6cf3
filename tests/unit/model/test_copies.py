"""Copies share no mutable value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from persisty import Attr, meta_of, stored
from persisty.model.item_copies import copier


@dataclass
class Place:
    city: str
    tags: list[str]


@stored
class Thing:
    id: UUID
    name: str
    tags: list[str] = Attr(factory=list)
    place: Place | None = None
    extra: dict[str, Any] = Attr(factory=dict)


def test_a_copy_is_equal_and_changing_it_changes_nothing_else() -> None:
    thing = Thing(id=UUID(int=1), name="a", tags=["x"], place=Place("b", ["y"]), extra={"deep": [{"z": 1}]})
    copied = copier(meta_of(Thing))(thing)
    assert copied == thing
    copied.name = "changed"
    copied.tags.append("changed")
    copied.place.city = "changed"  # type: ignore[union-attr]
    copied.place.tags.append("changed")  # type: ignore[union-attr]
    copied.extra["deep"][0]["z"] = "changed"
    assert thing == Thing(id=UUID(int=1), name="a", tags=["x"], place=Place("b", ["y"]), extra={"deep": [{"z": 1}]})


def test_values_that_cannot_change_are_not_copied() -> None:
    thing = Thing(id=UUID(int=1), name="a" * 100, place=None)
    copied = copier(meta_of(Thing))(thing)
    assert copied.place is None
    assert copied.name is thing.name
