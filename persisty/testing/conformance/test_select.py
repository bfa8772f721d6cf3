"""`select` returns some attributes of the items of `search`, in the same order and pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persisty import Create, Filter, InvalidCursor, InvalidQuery, Store

from .dirty import DOMAINS, rows
from .generated import FILTERS, ORDERS
from .items import Cell, Color, Note, Specimen
from .oracle import holds, ordered

ROWS = [{**dict.fromkeys(DOMAINS), **row} for row in rows()]
S = Specimen


def walk(store: Store[Any], *arguments: Any, **how: Any) -> Iterator[dict[str, Any]]:
    """Yield every row, page by page."""
    cursor = None
    while True:
        page = store.select(*arguments, cursor=cursor, **how)
        yield from page
        cursor = page.cursor
        if cursor is None:
            return


@pytest.mark.parametrize("name", ["id", *DOMAINS])
def test_every_attribute_can_be_selected_alone(dirty: Store[Specimen], name: str) -> None:
    expected = {one.id: getattr(one, name) for one in dirty.search_all()}
    found = dirty.select(["id", name], limit=500)
    assert {row["id"]: row[name] for row in found} == expected
    assert all(list(row) == list(dict.fromkeys(["id", name])) for row in found)
    for row, one in zip(dirty.select(name, order="id", limit=500), dirty.search(order="id", limit=500), strict=True):
        assert row == {name: getattr(one, name)}
        assert type(row[name]) is type(getattr(one, name))


def test_selected_attributes_are_returned_once_in_the_requested_order(dirty: Store[Specimen]) -> None:
    names: list[Any] = [S.text, "count", S.id, "text"]
    [row, *_] = dirty.select(names)
    assert list(row) == ["text", "count", "id"]


@pytest.mark.parametrize("limit", [7, 100])
@pytest.mark.parametrize("order", [("text",), ("-count", "ratio"), ("color", "-at")], ids="/".join)
def test_neither_the_filter_nor_the_order_needs_to_be_selected(
    dirty: Store[Specimen], order: tuple[str, ...], limit: int
) -> None:
    where = S.text.icontains("a") | (S.place.city == "Zürich") | (S.color == Color.RED)
    expected = [{"day": row["day"]} for row in ordered((r for r in ROWS if holds(where, r)), order, ["id"])]
    assert list(walk(dirty, S.day, where, order=order, limit=limit)) == expected


@pytest.mark.parametrize("order", [None, "at", "-at"])
def test_select_through_an_index(dirty: Store[Specimen], order: Any) -> None:
    where = (S.color == Color.RED) & S.at.is_null(False) & S.blob.is_null(False)
    found = list(walk(dirty, ["ref", "color"], where, order=order, limit=2))
    matches = [row for row in ROWS if holds(where, row)]
    if order is not None:
        assert found == [{"ref": row["ref"], "color": row["color"]} for row in ordered(matches, [order], ["id"])]
    assert len(found) == len(matches) > 0


def test_select_with_keys_of_three_attributes(cells: Store[Cell]) -> None:
    cells.edit_batch(Create(Cell(sheet="s", row=row, column=c, text=f"{row}{c}")) for row in (1, 2) for c in "ab")
    found = cells.select(["text"], (Cell.sheet == "s") & (Cell.row == 2), order="-column")
    assert [row["text"] for row in found] == ["2b", "2a"]


def test_a_cursor_of_select_is_valid_for_search(notes: Store[Note]) -> None:
    notes.edit_batch(Create(Note(rank=rank)) for rank in range(10))
    page = notes.select("rank", order="rank", limit=4)
    assert [row["rank"] for row in page] == [0, 1, 2, 3]
    assert [one.rank for one in notes.search(order="rank", cursor=page.cursor)] == [4, 5, 6, 7, 8, 9]
    with pytest.raises(InvalidCursor):
        notes.select("rank", order="-rank", cursor=page.cursor)


@pytest.mark.parametrize(
    ("select", "path"),
    [
        ("colour", "/attributes/0"),
        (["text", "colour"], "/attributes/1"),
        ([], "/attributes"),
        (None, "/attributes"),
        (["text", 5], "/attributes/1"),
        ("place.city", "/attributes/0"),
    ],
    ids=repr,
)
def test_an_attribute_that_cannot_be_selected_is_rejected_with_its_path(
    dirty: Store[Specimen], select: Any, path: str
) -> None:
    with pytest.raises(InvalidQuery) as caught:
        dirty.select(select)
    assert [fault.path for fault in caught.value.faults] == [path]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    names=st.lists(st.sampled_from(list(DOMAINS)), min_size=1, max_size=4, unique=True),
    where=FILTERS,
    order=ORDERS,
    limit=st.integers(15, 40),
)
def test_generated_selections_agree_with_the_oracle(
    dirty: Store[Specimen], names: list[str], where: Filter, order: list[str], limit: int
) -> None:
    terms = [term for n, term in enumerate(order) if term.lstrip("-") not in {one.lstrip("-") for one in order[:n]}]
    matches = ordered((row for row in ROWS if holds(where, row)), terms, ["id"])
    assert list(walk(dirty, names, where, order=order, limit=limit)) == [
        {name: row[name] for name in names} for row in matches
    ]
