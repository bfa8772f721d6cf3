"""Statements by shape: compiled once, with index lookups, and exact to the last character of a prefix."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persisty import VERSION, App, Attr, Index, Store, stored
from persisty.backends.sql import statements
from persisty.backends.sql.conditions import successor
from persisty.store.store import context_of


@stored(indexes=[Index("owner", "at"), Index("size")])
class Thing:
    id: UUID
    owner: str = ""
    size: int | None = None
    text: str | None = None
    at: datetime
    version: int = Attr(generator=VERSION)


@stored(key=("owner", "number"))
class Part:
    owner: str
    number: int


def a_store(item: type[Any]) -> Store[Any]:
    return App("things", items=[item], url="sqlite://").store(item)


@pytest.fixture
def things() -> Store[Thing]:
    return a_store(Thing)


def cache(store: Store[Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = context_of(store).backend._statements._cache
    return found


def test_only_the_shape_is_compiled(things: Store[Thing]) -> None:
    for round_ in range(3):
        made = [things.create({"owner": f"o{n}", "size": n, "at": f"2026-01-0{n + 1}T00:00:00Z"}) for n in range(3)]
        things.read(made[0].id)
        things.update(made[0].id, {"size": round_}, when=Thing.size >= 0)
        things.search((Thing.owner == f"o{round_}") & (Thing.size < round_), order="-at", limit=round_ + 1)
        things.search(Thing.size.oneof([round_, round_ + 1]))
        things.count(Thing.text.startswith("abc"[: round_ + 1]))
        things.delete(made[1].id)
        if round_ == 0:
            compiled = dict(cache(things))
    assert cache(things) == compiled
    assert len(compiled) == 7


def test_unusual_queries_do_not_fill_the_cache(things: Store[Thing], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "MAX_CACHED", 5)
    for size in range(2, 40):
        assert things.count(Thing.size.oneof(range(size))) == 0
        assert len(cache(things)) <= 5


def plan(store: Store[Any], call: Any) -> str:
    """Return SQLite's plan of the first statement of the call."""
    cache(store).clear()
    call()
    statement = next(iter(cache(store).values()))
    rows = context_of(store).backend._connection.rows(
        f"EXPLAIN QUERY PLAN {statement.text}", [1] * statement.text.count("?")
    )
    return "\n".join(row[3] for row in rows)


def of_tables(found: str) -> str:
    """Return a plan without the lines about the keys that a batch gives, which are rows of the statement."""
    return "\n".join(line for line in found.splitlines() if "_sought" not in line and "CONSTANT ROWS" not in line)


def test_keys_and_declared_indexes_are_used(things: Store[Thing]) -> None:
    key, at = UUID(int=1), datetime.fromisoformat("2026-01-01T00:00:00Z")
    for call in (
        lambda: things.read(key),
        lambda: things.read_batch([key, UUID(int=2)]),
        lambda: things.update(key, {"size": 1}, when=Thing.size == 2),
        lambda: things.delete(key),
        lambda: things.search(Thing.id > key, order="id"),
        lambda: things.search(Thing.owner == "me", order="-at"),
        lambda: things.search((Thing.owner == "me") & (Thing.at > at), order="at"),
        lambda: things.search(Thing.owner.startswith("me")),
        lambda: things.search(Thing.size.oneof([1, 2])),
        lambda: things.count(Thing.size > 3),
    ):
        found = of_tables(plan(things, call))
        assert found.startswith(("SEARCH", "MULTI-INDEX OR")), found


def test_an_order_that_an_index_has_is_not_sorted_again(things: Store[Thing]) -> None:
    for where, order in (
        (None, "id"),
        (None, "-id"),
        (None, None),
        (Thing.owner == "me", "at"),
        (Thing.owner == "me", "-at"),
    ):
        found = plan(things, lambda where=where, order=order: things.search(where, order=order))
        assert "USE TEMP B-TREE FOR ORDER BY" not in found, found  # ties may be: "FOR RIGHT PART OF ORDER BY"


def test_a_batch_of_composite_keys_is_looked_up() -> None:
    parts = a_store(Part)
    found = of_tables(plan(parts, lambda: parts.read_batch([("a", 1), ("b", 2), ("c", 3)])))
    assert found.startswith("SEARCH part USING COVERING INDEX"), found
    assert "SCAN" not in found, found


def test_a_page_is_found_where_its_cursor_points(things: Store[Thing]) -> None:
    for number in range(3):
        things.create(Thing(owner="me", at=datetime.fromisoformat(f"2026-01-0{number + 1}T00:00:00Z")))
    for order in ("at", "-at", None, "id"):
        where = Thing.owner == "me" if order in ("at", "-at") else None
        cursor = things.search(where, order=order, limit=1).cursor
        found = plan(
            things, lambda where=where, order=order, cursor=cursor: things.search(where, order=order, cursor=cursor)
        )
        assert found.startswith("SEARCH"), found
        assert ">?" in found or "<?" in found


TEXT = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("\0a\ud7ff\ue000\U0010ffff"), max_size=5)


@given(TEXT, TEXT)
def test_a_prefix_is_a_range(prefix: str, text: str) -> None:
    upper = successor(prefix)
    assert text.startswith(prefix) == (text >= prefix and (upper is None or text < upper))
    assert (prefix + text) >= prefix
    assert upper is None or prefix + text < upper


@pytest.mark.parametrize(
    ("prefix", "upper"),
    [("", None), ("a", "b"), ("a\U0010ffff", "b"), ("\U0010ffff", None), ("\ud7ff", "\ue000"), ("a\0", "a\x01")],
)
def test_successors(prefix: str, upper: str | None) -> None:
    assert successor(prefix) == upper
