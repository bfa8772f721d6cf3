"""A bulk write that writes item by item ends even if matches are created ahead of it, and an error has the position."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from persisty import App, Attr, Conflict, Create, Store, Unique, add, stored
from persisty.model.meta import meta_of
from persisty.store.backend import BulkWrite, Page, Query
from persisty.store.bulk_walk import read_ahead, walk

ENOUGH = 200


@stored(indexes=[Unique("place")])
class Step:
    """An item whose keys increase with time, so that new items are always ahead of a walk by key."""

    id: Attr[int]
    seen: Attr[bool] = Attr(default=False)
    place: Attr[int | None] = Attr(default=None)


def fill(steps: Store[Step], count: int) -> None:
    for start in range(0, count, 65):
        steps.edit_batch(Create(Step(id=number, place=number)) for number in range(start, start + 65))


@pytest.fixture
def app() -> Iterator[App]:
    app = App("steps", items=[Step], url="memory://")
    yield app
    app.close()


def test_pages_are_read_before_the_first_is_yielded() -> None:
    read: list[int] = []

    def pages() -> Iterator[int]:
        for number in range(5):
            read.append(number)
            yield number

    ahead = read_ahead(pages(), 3)
    assert next(ahead) == 0
    assert read == [0, 1, 2]
    assert list(ahead) == [1, 2, 3, 4]
    assert read == [0, 1, 2, 3, 4]


def test_items_that_a_listener_creates_ahead_of_the_walk_are_not_written(app: App) -> None:
    steps = app.store(Step)
    steps.edit_batch(Create(Step(id=number)) for number in range(10))
    made = 10

    def create(change: Any) -> None:
        nonlocal made
        if change.kind == "updated" and made < ENOUGH:
            steps.create(Step(id=made))
            made += 1

    app.listen([Step], create)
    assert steps.update_all({"seen": True}, Step.seen == False).changed == 10  # noqa: E712
    assert made == 20


def test_with_a_listener_sums_over_unique_numbers_conflict_only_if_their_result_does(app: App) -> None:
    steps = app.store(Step)
    fill(steps, 130)
    app.listen([Step], lambda change: None)
    assert steps.update_all({"place": add(1)}).changed == 130
    assert [one.place for one in steps.search_all(order="id")] == [*range(1, 131)]


def test_an_error_has_the_changes_before_it_and_the_cursor_to_continue_from(app: App) -> None:
    steps = app.store(Step)
    fill(steps, 130)
    app.listen([Step], lambda change: None)
    with pytest.raises(Conflict) as caught:
        steps.update_all({"place": 777})
    assert (caught.value.details["changed"], caught.value.details["cursor"]) == (1, None)
    assert steps.count(Step.place == 777) == 1


def test_each_page_has_the_position_after_it() -> None:
    asked: list[Query] = []
    pages = [Page([Step(id=1)], {"id": 1}), Page([Step(id=2)], {"id": 2}), Page([Step(id=3)])]

    def query(one: Query) -> Page[Any]:
        asked.append(one)
        return pages[len(asked) - 1]

    found = list(walk(meta_of(Step), query, BulkWrite({"seen": True}, limit=3), 1))
    assert [page.position for page in found] == [{"id": 1}, {"id": 2}, None]
    assert [(one.after, one.limit) for one in asked] == [(None, 1), ({"id": 1}, 1), ({"id": 2}, 1)]
