"""Links on SQL engines: names that statements use themselves, the order of errors, many values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from persisty import App, Attr, Index, Unique, stored
from persisty.model.expressions import ALL, COUNT, And, Compare, Exists, Filter, Not, Or, OrderBy
from persisty.model.generators import Add
from persisty.store.backend import Backend, BulkWrite, Outcome, Patch, Put, Query, Requirement
from persisty.store.store import context_of


def named(name: str) -> Any:
    @stored(name=name, key="id", indexes=[Unique("email"), Unique("topic", "rank"), Index("boss_id", "rowid")])
    class Item:
        id: str
        boss_id: str | None = None
        rowid: int = 0
        email: str | None = None
        topic: str | None = None
        rank: int | None = Attr(default=0)

    return Item


Item = named("item")
RANKED = (OrderBy("rowid", descending=True), OrderBy("id"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return "sqlite://" if request.param == "sqlite" else str(request.getfixturevalue("schema"))


def opened(item: Any, url: str) -> Iterator[Backend[Any]]:
    app = App("links", items=[item], url=url)
    app.prepare()
    yield context_of(app.store(item)).backend
    app.close()


@pytest.fixture
def items(url: str) -> Iterator[Backend[Any]]:
    yield from opened(Item, url)


def put(backend: Backend[Any], *ids: str, **values: Any) -> None:
    results = backend.write([Put(backend.meta.item(id=one, **values)) for one in ids], atomic=True)
    assert {result.outcome for result in results} == {Outcome.DONE}


def found(backend: Backend[Any], where: Filter) -> list[str]:
    ids = [one.id for one in backend.query(Query(where, (OrderBy("id"),), None, 100)).items]
    assert backend.count(where) == len(ids)
    return ids


def boss(backend: Backend[Any], where: Filter = ALL) -> Exists:
    return Exists("boss_id", backend.meta, "id", where)


def staff(backend: Backend[Any], where: Filter = ALL) -> Exists:
    return Exists("id", backend.meta, "boss_id", where)


@pytest.mark.parametrize("name", ["found", "done", "sought", "linked_1", "linked_2", "value"])
def test_names_that_statements_use_are_free_for_items(url: str, name: str) -> None:
    for backend in opened(named(name), url):
        put(backend, "a")
        put(backend, "b", "c", boss_id="a", rowid=1)
        put(backend, "d", boss_id="b", rowid=1)
        assert found(backend, boss(backend, boss(backend))) == ["d"]
        assert found(backend, staff(backend, staff(backend))) == ["a"]
        assert found(backend, Not(staff(backend))) == ["c", "d"]
        pages = backend.query_each("boss_id", ["a", "b", "x"], Query(boss(backend), RANKED, None, 1))
        assert [[one.id for one in page.items] for page in pages] == [["b"], ["d"], []]
        requirements = (Requirement("boss_id", backend.meta, ("d",)),)
        writes = [
            Put(backend.meta.item(id="e", boss_id="d"), requirements),
            Patch(("c",), {"boss_id": "d"}, Compare("rowid", "eq", 1), requirements),
            Patch(("c",), {"rowid": 3}, Compare("rowid", "eq", 1)),
            Patch(("c",), {"rowid": 4}, boss(backend, Compare("id", "eq", "d"))),
        ]
        assert [backend.write((one,), atomic=False)[0].outcome for one in writes] == [Outcome.DONE] * 4
        assert backend.write_all(BulkWrite({"rowid": Add(1)}, staff(backend), None, None)).changed == 3
        assert backend.write_all(BulkWrite(None, Not(staff(backend)), None, 1)).changed == 1
        assert found(backend, ALL) == ["a", "b", "d", "e"]


def test_a_shape_tells_links_apart(items: Backend[Any]) -> None:
    put(items, "a", email="a")
    put(items, "b", boss_id="a")
    for _ in range(2):  # compiled, and out of the cache
        assert found(items, boss(items)) == ["b"]
        assert found(items, staff(items)) == ["a"]
        assert found(items, boss(items, Compare("email", "null", False))) == ["b"]
        assert found(items, boss(items, Compare("email", "null", True))) == []
        assert found(items, Exists("boss_id", items.meta, "boss_id", ALL)) == ["b"]
        assert found(items, Exists("topic", items.meta, "boss_id", ALL)) == []


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (Compare("email", "eq", "ann@x"), "c"),
        (Compare("email", "ne", "ann@x"), "de"),
        (Compare("email", "lt", "b"), "c"),
        (Compare("email", "le", "ann@x"), "c"),
        (Compare("rank", "gt", 6), "c"),
        (Compare("rank", "ge", 0), "ce"),
        (Compare("email", "oneof", ("x", "ann@x")), "c"),
        (Compare("email", "null", False), "c"),
        (Compare("email", "null", True), "de"),
        (Compare("email", "contains", "nn@"), "c"),
        (Compare("email", "startswith", "ann"), "c"),
        (Compare("email", "endswith", "@x"), "c"),
        (Compare("email", "icontains", "NN@X"), "c"),
        (Not(Compare("rank", "gt", 6)), "de"),
        (And((Compare("rank", "eq", 7), Or((Compare("id", "eq", "z"), Compare("id", "eq", "a"))))), "c"),
    ],
    ids=str,
)
def test_every_operator_holds_behind_a_link(items: Backend[Any], inner: Filter, expected: str) -> None:
    put(items, "a", email="ann@x", rank=7)
    put(items, "b", rank=None)
    put(items, "c", boss_id="a")
    put(items, "d", boss_id="b")
    put(items, "e", boss_id="d", email="eve@x")
    assert found(items, boss(items, inner)) == list(expected)
    assert found(items, Not(boss(items, inner))) == sorted(set("abcde") - set(expected))
    counted = items.aggregate((COUNT,), ("boss_id",), boss(items, inner))
    assert sorted(group.by for group in counted) == [({"c": "a", "d": "b", "e": "d"}[one],) for one in expected]
    assert items.write_all(BulkWrite({"rowid": 9}, boss(items, inner), None, None)).changed == len(expected)
    assert found(items, Compare("rowid", "eq", 9)) == list(expected)
    assert items.write_all(BulkWrite(None, boss(items, inner), None, 2)).changed == len(expected)


ABSENT = (Requirement("boss_id", Item.__persisty__, ("x",)),)


@pytest.mark.parametrize(
    ("write", "outcome", "index"),
    [
        (Put(Item(id="a", boss_id="x"), ABSENT), Outcome.EXISTS, None),
        (Put(Item(id="z", boss_id="x", email="b"), ABSENT), Outcome.EXISTS, "unique-email"),
        (Put(Item(id="z", boss_id="x", topic="t", rank=3), ABSENT), Outcome.EXISTS, "unique-topic-rank"),
        (Put(Item(id="z", boss_id="x", topic="t", rank=None), ABSENT), Outcome.UNRELATED, "boss_id"),
        (Patch(("z",), {"boss_id": "x"}, requires=ABSENT), Outcome.MISSING, None),
        (Patch(("a",), {"boss_id": "x"}, Compare("rowid", "eq", 5), ABSENT), Outcome.FAILED, None),
        (Patch(("a",), {"boss_id": "x", "email": "b"}, Compare("rowid", "eq", 5), ABSENT), Outcome.FAILED, None),
        (Patch(("a",), {"boss_id": "x", "email": "b"}, requires=ABSENT), Outcome.EXISTS, "unique-email"),
        (Patch(("b",), {"boss_id": "x", "email": "b"}, requires=ABSENT), Outcome.UNRELATED, "boss_id"),
        (Patch(("a",), {"boss_id": "x", "rank": Add(2)}, requires=ABSENT), Outcome.EXISTS, "unique-topic-rank"),
        (Patch(("a",), {"boss_id": "x", "rank": Add(1)}, requires=ABSENT), Outcome.UNRELATED, "boss_id"),
        (Patch(("a",), {"boss_id": "x"}, requires=ABSENT), Outcome.UNRELATED, "boss_id"),
    ],
)
@pytest.mark.parametrize("within", ["alone", "batch", "atomic", "transaction"])
def test_other_faults_of_a_write_are_reported_first(
    url: str, write: Put | Patch, outcome: Outcome, index: str | None, within: str
) -> None:
    app = App("links", items=[Item], url=url)
    app.prepare()
    items = context_of(app.store(Item)).backend
    items.write([Put(Item(id="a", topic="t", rank=1)), Put(Item(id="b", email="b", topic="t", rank=3))], atomic=True)
    if within == "transaction":
        with app.engine.transaction():
            [result] = items.write((write,), atomic=False)
    elif within == "alone":
        [result] = items.write((write,), atomic=False)
    else:
        result, _ = items.write((write, Put(Item(id="y"))), atomic=within == "atomic")
    assert (result.outcome, result.index) == (outcome, index)
    assert (result.item is not None) == (outcome is Outcome.FAILED)
    assert items.read([("y",)]) == [Item(id="y") if within == "batch" else None]
    assert (items.read([("a",)])[0].rank, items.read([("z",)])) == (1, [None])
    app.close()


def test_the_first_of_many_values_are_those_of_each_by_itself(items: Backend[Any]) -> None:
    bosses = [f"b{number:04}" for number in range(700)]
    put(items, *bosses)
    for number, one in enumerate(bosses):
        if number % 3 == 0:
            put(items, *(f"{one}.{place}" for place in range(1 + number % 4)), boss_id=one, rowid=number % 2)
    where = Compare("rowid", "lt", 5)
    pages = items.query_each("boss_id", bosses, Query(where, RANKED, None, 2))
    for number, (one, page) in enumerate(zip(bosses, pages, strict=True)):
        alone = And((where, Compare("boss_id", "eq", one)))
        assert page == items.query(Query(alone, RANKED, None, 2))
        if page.position is not None:
            rest = items.query(Query(alone, RANKED, page.position, 5))
            assert [item.id for item in rest.items] == [f"{one}.{place}" for place in range(2, 1 + number % 4)]
    assert items.query_each("boss_id", [], Query(where, RANKED, None, 2)) == []
