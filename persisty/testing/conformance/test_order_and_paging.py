"""Orders, and pages without gaps or repetitions, also with writes in between."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import Create, Filter, InvalidCursor, InvalidQuery, Store
from persisty.query.evaluation import sort_key
from persisty.query.order import resolve_order

from .dirty import rows
from .generated import FILTERS, SORTABLE
from .generated import ORDERS as GENERATED_ORDERS
from .items import Cell, Color, Note, Reading, Specimen
from .oracle import holds, ordered

ROWS = rows()
ORDERS: list[tuple[str, ...]] = [
    *[(name,) for name in ("id", *SORTABLE)],
    *[(f"-{name}",) for name in ("id", *SORTABLE)],
    ("color", "-at"),
    ("-color", "at"),
    ("color", "at"),
    ("-color", "-at"),
    ("done", "level", "-count"),
    ("-level", "price", "text"),
    ("level", "-id"),
    ("text", "-id", "count"),
    ("count", "count", "-count"),
]


def pages(store: Store[Any], where: Any, order: Any, limit: int) -> Iterator[list[Any]]:
    """Yield the items of each page, until there is no cursor."""
    cursor = None
    while True:
        page = store.search(where, order=order, limit=limit, cursor=cursor)
        yield page.items
        cursor = page.cursor
        if cursor is None:
            return


def walk(store: Store[Any], where: Any, order: Any, limit: int) -> list[Any]:
    """Return every item, page by page. Only the last page may be short; a page is empty only if nothing matches."""
    found = list(pages(store, where, order, limit))
    assert all(len(page) == limit for page in found[:-1])
    assert len(found) == 1 or found[-1]
    return [item for page in found for item in page]


@pytest.mark.parametrize("order", ORDERS, ids="/".join)
def test_an_order_is_total_with_nulls_last_and_ties_on_the_key(dirty: Store[Specimen], order: tuple[str, ...]) -> None:
    expected = [row["id"] for row in ordered(ROWS, order, ["id"])]
    found = dirty.search(order=order, limit=500).items
    assert [one.id for one in found] == expected
    key = sort_key(dirty.meta, resolve_order(dirty.meta, order))
    assert all(key(a) < key(b) for a, b in pairwise(found))


@pytest.mark.parametrize("limit", [13, 65])
@pytest.mark.parametrize("order", [("text",), ("-at",), ("-done", "price"), ("level", "-ratio")], ids="/".join)
def test_pages_contain_every_item_in_order(dirty: Store[Specimen], order: tuple[str, ...], limit: int) -> None:
    expected = [row["id"] for row in ordered(ROWS, order, ["id"])]
    assert [one.id for one in walk(dirty, None, order, limit)] == expected


@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize("order", [None, "at", "-at", ("at", "-id"), ("price", "-at")], ids=str)
def test_pages_through_an_index(dirty: Store[Specimen], order: Any, limit: int) -> None:
    where = (Specimen.color == Color.RED) & Specimen.at.is_null(False)
    expected = [row for row in ROWS if row.get("color") is Color.RED and row.get("at")]
    found = [one.id for one in walk(dirty, where, order, limit)]
    if order is None:
        assert sorted(found) == sorted(row["id"] for row in expected)
    else:
        terms = (order,) if isinstance(order, str) else order
        assert found == [row["id"] for row in ordered(expected, terms, ["id"])]


def test_pages_without_an_order_contain_each_item_once(dirty: Store[Specimen]) -> None:
    for limit in (16, 65):
        found = [one.id for one in walk(dirty, None, None, limit)]
        assert sorted(found) == sorted(row["id"] for row in ROWS)


def test_search_all_yields_each_item_once_in_order(dirty: Store[Specimen]) -> None:
    found = [one.id for one in dirty.search_all(Specimen.count > 0, order=["-count", "text"])]
    matches = [row for row in ROWS if (row.get("count") or 0) > 0]
    assert found == [row["id"] for row in ordered(matches, ["-count", "text"], ["id"])]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(where=FILTERS, order=GENERATED_ORDERS, limit=st.integers(15, 40))
def test_pages_of_generated_queries_agree_with_the_oracle(
    dirty: Store[Specimen], where: Filter, order: list[str], limit: int
) -> None:
    terms = [term for n, term in enumerate(order) if term.lstrip("-") not in {one.lstrip("-") for one in order[:n]}]
    expected = [row["id"] for row in ordered((row for row in ROWS if holds(where, row)), terms, ["id"])]
    assert [one.id for one in walk(dirty, where, order, limit)] == expected


def test_order_by_attributes_and_their_directions(notes: Store[Note]) -> None:
    for rank in (2, 3, 1):
        notes.create(Note(rank=rank, topic="a"))
    orders: dict[Any, list[int]] = {
        "rank": [1, 2, 3],
        "-rank": [3, 2, 1],
        Note.rank: [1, 2, 3],
        Note.rank.asc(): [1, 2, 3],
        Note.rank.desc(): [3, 2, 1],
    }
    for order, expected in orders.items():
        assert [one.rank for one in notes.search(order=order)] == expected
        assert [one.rank for one in notes.search(Note.topic == "a", order=order)] == expected


def test_order_on_keys_of_two_and_three_parts(readings: Store[Reading], cells: Store[Cell]) -> None:
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    for device in ("b", "a", "c"):
        for at in reversed(moments):
            readings.create(Reading(device=device, at=at, value=at.day))
    found = walk(readings, Reading.value > 1, "-at", 2)
    assert [(one.device, one.at.day) for one in found] == [("a", 3), ("b", 3), ("c", 3), ("a", 2), ("b", 2), ("c", 2)]
    for where in (Reading.device == "a", (Reading.device == "a") & (Reading.at >= moments[0])):
        assert [one.at for one in walk(readings, where, "-at", 1)] == moments[::-1]
        assert [one.at for one in walk(readings, where, "at", 1)] == moments
        assert sorted(one.at for one in walk(readings, where, None, 1)) == moments
    for sheet in ("s", "t"):
        for row in (10, 2, -1):
            for column in ("b", "a"):
                cells.create(Cell(sheet=sheet, row=row, column=column, text="x" if column == "a" else None))
    found = walk(cells, Cell.sheet == "s", ("-row", "column"), 2)
    assert [(one.row, one.column) for one in found] == [(r, c) for r in (10, 2, -1) for c in "ab"]
    found = walk(cells, Cell.text == "x", ("row",), 2)
    assert [(one.row, one.sheet) for one in found] == [(r, s) for r in (-1, 2, 10) for s in "st"]
    assert len(walk(cells, None, None, 5)) == 12
    for where in (Cell.column == "a", Cell.column.oneof(["a", "b"]), (Cell.column == "a") | (Cell.text == "x")):
        found = walk(cells, where, None, 1)
        assert {(one.sheet, one.row, one.column) for one in found} == {
            (one.sheet, one.row, one.column) for one in cells.search(where, limit=100)
        }
        assert len(found) == cells.count(where) > 1


def some(notes: Store[Note], count: int, **given: Any) -> list[Note]:
    made: list[Any] = []
    for start in range(0, count, 100):
        batch = [Create(Note(rank=rank, **given)) for rank in range(start, min(start + 100, count))]
        made += [one.item for one in notes.edit_batch(batch)]
    return made


def test_limit_counts_matches(notes: Store[Note]) -> None:
    some(notes, 200)
    sparse = Note.rank.oneof([3, 77, 150, 199])
    for order in (None, "rank", "-rank"):
        page = notes.search(sparse, order=order, limit=3)
        assert len(page) == 3
        rest = notes.search(sparse, order=order, limit=3, cursor=page.cursor)
        assert len(rest) == 1
        assert rest.cursor is None
        whole = notes.search(sparse, order=order, limit=4)
        assert len(whole) == 4
        assert whole.cursor is None


def test_the_default_page_has_25_items(notes: Store[Note]) -> None:
    some(notes, 26)
    page = notes.search()
    assert len(page) == 25
    assert len(notes.search(cursor=page.cursor)) == 1


def test_a_cursor_accepts_another_limit(notes: Store[Note]) -> None:
    some(notes, 10)
    first = notes.search(order="rank", limit=3)
    rest = notes.search(order="rank", limit=100, cursor=first.cursor)
    assert [one.rank for one in [*first, *rest]] == list(range(10))


@pytest.mark.parametrize("order", [None, "rank", "-rank"])
@pytest.mark.parametrize("where", [None, Note.topic == "none"], ids=["all", "indexed"])
def test_a_cursor_survives_the_deletion_of_its_row(notes: Store[Note], where: Any, order: Any) -> None:
    made = some(notes, 12)
    first = notes.search(where, order=order, limit=5)
    for one in first:
        assert notes.delete(one.id)
    second = notes.search(where, order=order, limit=5, cursor=first.cursor)
    third = notes.search(where, order=order, limit=5, cursor=second.cursor)
    seen = [one.id for page in (first, second, third) for one in page]
    assert sorted(seen) == sorted(one.id for one in made)
    assert third.cursor is None


def test_new_rows_are_returned_only_if_they_are_after_the_cursor(notes: Store[Note]) -> None:
    some(notes, 10)
    first = notes.search(order="rank", limit=4)
    notes.create(Note(rank=-5))
    notes.create(Note(rank=1))
    notes.create(Note(rank=50))
    rest = notes.search(order="rank", limit=50, cursor=first.cursor)
    assert [one.rank for one in rest] == [4, 5, 6, 7, 8, 9, 50]


def test_cursors_are_url_safe_and_opaque_to_case_of_values(notes: Store[Note]) -> None:
    for text in ("ünï?&=#/+ %", "\0", "", "😀", None):
        notes.create(Note(text=text))
    cursor = None
    seen = []
    for _ in range(5):
        page = notes.search(order="-text", limit=1, cursor=cursor)
        seen += [one.text for one in page]
        cursor = page.cursor
        assert cursor is None or (cursor.isascii() and cursor.replace("-", "").replace("_", "").isalnum())
    assert seen == ["😀", "ünï?&=#/+ %", "\0", "", None]
    assert cursor is None


def test_a_cursor_of_another_query_is_rejected(notes: Store[Note], open_store: Any) -> None:
    some(notes, 5)
    where = Note.rank >= 0
    cursor = notes.search(where, order="rank", limit=2).cursor
    assert cursor is not None
    other_queries: list[tuple[Any, Any]] = [
        (where, "-rank"),
        (where, None),
        (where, ("rank", "topic")),
        (None, "rank"),
        (Note.rank >= 1, "rank"),
        (Note.rank > 0, "rank"),
        (where & (Note.topic == "none"), "rank"),
    ]
    for other, order in other_queries:
        with pytest.raises(InvalidCursor):
            notes.search(other, order=order, limit=2, cursor=cursor)
    with pytest.raises(InvalidCursor):
        open_store(Specimen).search(Specimen.count >= 0, order="count", cursor=cursor)
    assert [one.rank for one in notes.search(where, order="rank", cursor=cursor)] == [2, 3, 4]


GARBAGE = ["", " ", "x", "null", "e30", "W10", "WyJ4Iix7fV0", "=", "é", "\ud800", "a" * 5000, "W" * 4, "..", "\0"]


@pytest.mark.parametrize("cursor", GARBAGE, ids=ascii)
def test_garbage_is_rejected_as_a_cursor(notes: Store[Note], cursor: str) -> None:
    some(notes, 3)
    for order in (None, "rank"):
        with pytest.raises(InvalidCursor):
            notes.search(order=order, cursor=cursor)


@pytest.mark.parametrize("order", [None, "rank", "-text"])
def test_a_forged_cursor_is_rejected(notes: Store[Note], order: Any) -> None:
    some(notes, 5)
    genuine = notes.search(order=order, limit=2).cursor
    assert genuine is not None
    fingerprint, position = msgspec.json.decode(base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4)))
    forgeries: list[Any] = [
        {},
        {**position, "id": "no uuid"},
        {**position, "id": None},
        {name: value for name, value in position.items() if name != "id"},
        {**position, "nonsense": 1},
        {**position, "topic": "more"},
        {**position, "rank": "high"},
        {**position, "rank": 2**70},
        {**position, "text": 5},
        [],
    ]
    for forgery in forgeries:
        raw = msgspec.json.encode([fingerprint, forgery])
        with pytest.raises(InvalidCursor):
            notes.search(order=order, limit=2, cursor=base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
    cut = genuine[: len(genuine) // 2]
    with pytest.raises(InvalidCursor):
        notes.search(order=order, limit=2, cursor=cut)


BAD: dict[str, dict[str, Any]] = {
    "/limit": {"limit": 0},
    "/limit ": {"limit": -1},
    "/limit  ": {"limit": 1001},
    "/limit   ": {"limit": True},
    "/limit    ": {"limit": "10"},
    "/limit     ": {"limit": None},
    "/order/0": {"order": "colour"},
    "/order/1": {"order": ["count", "-extra"]},
    "/order/2": {"order": ["count", "text", 5]},
    "/order/0 ": {"order": ["tags"]},
    "/order/0  ": {"order": ""},
}


@pytest.mark.parametrize("path", BAD)
def test_an_invalid_limit_or_order_is_rejected_with_its_path(dirty: Store[Specimen], path: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        dirty.search(**BAD[path])
    assert [fault.path for fault in caught.value.faults] == [path.strip()]


def test_an_empty_store_has_one_empty_page(notes: Store[Note]) -> None:
    for order in (None, "rank"):
        page = notes.search(order=order)
        assert (page.items, page.cursor) == ([], None)
    assert notes.count() == 0
    assert list(notes.search_all()) == []
