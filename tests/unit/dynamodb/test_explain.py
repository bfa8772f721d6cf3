"""The backend runs the plan that `explain` shows."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from persisty import Index
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.costs import Size
from persisty.backends.dynamodb.explain import MAX_LINES, explained
from persisty.backends.dynamodb.planner import Planner
from persisty.model.expressions import ALL, Filter
from persisty.query.explain import Explanation
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter
from persisty.store.backend import Query

from .parcels import CELL, CITY, NEW_YEAR, PARCEL, SAMPLE, Color, P, Pair, S

BY_OWNER, BY_COLOR, BY_TEXT, BY_LEVEL = (index.name for index in PARCEL.indexes)
METAS = {meta.name: meta for meta in (PARCEL, SAMPLE, CELL)}
MILLION = Size(1_000_000, 1_000_000_000)


def plan_of(
    where: Any, order: Any = None, *, item: str = "parcel", limit: int = 25, size: Size = MILLION
) -> Explanation:
    meta = METAS[item]
    planner = Planner(meta, WireCodec(meta))
    return explained(planner, resolve_filter(meta, where), resolve_order(meta, order), limit, size)


def local(where: Any) -> Filter:
    return resolve_filter(PARCEL, where)


PLANS: dict[str, tuple[Explanation, dict[str, Any]]] = {
    "a key": (
        plan_of((P.id == "1") & (P.count > 2)),
        {"access": "key", "index": None, "keys": ("1",), "native": ALL, "local": local(P.count > 2), "sorted_by": None,
         "requests": 1, "read_units": 1.0, "advice": None, "detail": ("GetItem, consistent",)},
    ),
    "several keys": (
        plan_of(P.id.oneof(["1", "2"]), "at"),
        {"access": "key", "keys": ("1", "2"), "sorted_by": "local", "requests": 1, "read_units": 2.0,
         "detail": ("BatchGetItem, consistent",)},
    ),
    "a page of an index": (
        plan_of((P.owner == "me") & (P.at >= NEW_YEAR), "-at", limit=38),
        {"access": "index", "index": BY_OWNER, "keys": ("owner = me and at >= 2026-01-01T00:00:00.000000Z",),
         "native": ALL, "local": ALL, "sorted_by": "index", "requests": 1, "items": 1_000_000, "advice": None,
         "detail": (f"Query of {BY_OWNER}, backward, eventually consistent",)},
    ),
    "a filter that DynamoDB evaluates in part": (
        plan_of((P.owner == "me") & (P.count > 2) & (CITY == "Rome")),
        {"access": "index", "native": local(P.count > 2), "local": local(CITY == "Rome")},
    ),
    "a page of a part of the table": (
        plan_of(S.device == "x", "at", item="sample"),
        {"access": "index", "index": None, "keys": ("device = x",), "sorted_by": "index",
         "detail": ("Query of the table, forward, consistent",)},
    ),
    "a union": (
        plan_of(P.owner.oneof(["a", "b"]), "-at"),
        {"access": "union", "index": BY_OWNER, "keys": ("owner = a", "owner = b"), "sorted_by": "index", "requests": 2,
         "advice": None, "detail": (f"Query of {BY_OWNER}, backward, eventually consistent",) * 2},
    ),
    "a union over two indexes": (
        plan_of((P.owner == "a") | (P.level == 1), "-at"),
        {"access": "union", "index": None, "keys": ("owner = a", "level = 1"), "sorted_by": "local"},
    ),
    "a scan": (
        plan_of(P.count == 1),
        {"access": "scan", "index": None, "keys": (), "native": local(P.count == 1), "local": ALL, "sorted_by": None,
         "advice": Index("count"), "detail": ("Scan of the table, consistent",)},
    ),
    "a page of everything": (
        plan_of(None),
        {"access": "scan", "requests": 1, "advice": None},
    ),
    "a contradiction": (
        plan_of((P.owner == "a") & P.owner.oneof(["b", "c"])),
        {"access": "key", "keys": (), "requests": 0, "read_units": 0.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_explained(name: str) -> None:
    found, expected = PLANS[name]
    assert found.engine == "dynamodb"
    assert {part: getattr(found, part) for part in expected} == expected


def test_read_units_follow_the_size_of_the_table() -> None:
    whole = plan_of(None, "count", size=Size(10_000, 40_960_000))
    assert (whole.read_units, whole.requests) == (10_000.0, 40)
    page = plan_of(P.owner == "me", "-at", limit=39, size=Size(1_000_000, 4096 * 1_000_000))
    assert page.read_units == 20.0  # 40 items of a unit each, from an index at half the price
    consistent = plan_of(S.device == "x", "-at", item="sample", limit=39, size=Size(1_000_000, 4096 * 1_000_000))
    assert consistent.read_units == 40.0
    assert plan_of(P.id.oneof(["1", "2", "3"]), size=Size(10, 100_000)).read_units == 9.0  # 10 KB each
    assert plan_of(P.owner == "me", size=Size(0, 0)).read_units == 1.0


def test_long_lists_are_truncated() -> None:
    found = plan_of(P.id.oneof([str(number) for number in range(MAX_LINES + 5)]))
    assert len(found.keys) == MAX_LINES + 1
    assert found.keys[-1] == "and 5 more"


ADVICE: dict[str, tuple[Any, Any, Index | None]] = {
    "an equality": (P.count == 1, None, Index("count")),
    "two equalities": ((P.count == 1) & (P.color == Color.RED), None, Index("count", "color")),
    "an equality and an order": (P.count == 1, "-at", Index("count", "at")),
    "an equality and a range": ((P.count == 1) & (P.at > NEW_YEAR), None, Index("count", "at")),
    "the order before the range": ((P.count == 1) & (P.at > NEW_YEAR), "owner", Index("count", "owner")),
    "an order by an optional attribute": (P.count == 1, "price", Index("count")),
    "an order by an optional attribute that the filter requires": (
        (P.count == 1) & (P.price > 0),
        "price",
        Index("count", "price"),
    ),
    "an order with mixed directions": (P.count == 1, ["owner", "-at"], Index("count")),
    "one of several values": (P.count.oneof([1, 2]), "at", Index("count", "at")),
    "an order that the index of the equality lacks": (P.owner == "me", "count", Index("owner", "count")),
    "each arm of an or": ((P.count == 1) | (P.color == Color.RED), None, Index("count")),
    "an arm of an or": ((P.owner == "me") | (P.color == Color.RED), None, Index("color")),
    "a range alone": (P.count > 1, None, None),
    "an order alone": (None, "count", None),
    "a nested attribute": (CITY == "Rome", None, None),
    "an index with the order": (P.owner == "me", "at", None),
    "a comparison that no index supports": (P.text.endswith("a"), None, None),
    "an equality that has an index": (P.level == 1, "price", None),
    "more values than a union may have": (P.owner.oneof([str(number) for number in range(200)]), None, None),
}


@pytest.mark.parametrize("name", ADVICE)
def test_the_advised_index(name: str) -> None:
    where, order, index = ADVICE[name]
    assert plan_of(where, order).advice == index


def test_the_advised_index_reduces_the_read_units() -> None:
    before = plan_of(P.count == 1, "-at")
    wider = replace(PARCEL, indexes=(*PARCEL.indexes, before.advice))
    planner = Planner(wider, WireCodec(wider))
    after = explained(planner, resolve_filter(wider, P.count == 1), resolve_order(wider, "-at"), 25, MILLION)
    assert (after.access, after.index, after.sorted_by) == ("index", "by-count-at", "index")
    assert after.read_units is not None
    assert before.read_units is not None
    assert after.read_units < before.read_units / 100


def test_explaining_reads_no_items(pairs: dict[str, Pair]) -> None:
    pair = pairs["parcel"]
    calls = pair.fresh().calls
    found = pair.engine.open(PARCEL).explain(Query(resolve_filter(PARCEL, P.count == 1), (), None, 10))
    assert [operation for operation, _ in calls] == ["DescribeTable"]
    assert (found.access, found.items, found.advice) == ("scan", 60, Index("count"))
