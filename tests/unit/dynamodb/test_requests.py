"""Payloads of writes: the text of a write is reused only for writes of the same shape."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persisty.backends.dynamodb.access_paths import QueryPlan
from persisty.backends.dynamodb.codec import WireCodec
from persisty.backends.dynamodb.expressions import Expression, split
from persisty.backends.dynamodb.planner import Planner
from persisty.backends.dynamodb.requests import NOTHING_STORED, Requests
from persisty.model.expressions import ALL, Filter
from persisty.model.generators import Add
from persisty.query.order import resolve_order
from persisty.query.resolution import resolve_filter
from persisty.store.backend import Delete, Patch, Put

from .items import THING, Color, Thing

T: Any = Thing
CODEC = WireCodec(THING)

CONDITIONS = st.recursive(
    st.sampled_from(
        [
            T.owner == "a",
            T.owner == "",
            T.owner != "a",
            T.text != "a",
            T.text.is_null(),
            T.text.is_null(False),
            T.text.startswith("a"),
            T.text.startswith(""),
            T.text.contains(""),
            T.text.contains("a"),
            ~T.text.contains("b"),
            T.count == 1,
            T.count == 2,
            T.count > 1,
            T.count.oneof([1, 2]),
            T.count.oneof([3, 4]),
            T.count.oneof([1, 2, 3]),
            T.color == Color.RED,
            T.color == Color.NONE,
            T.price <= Decimal("0.5"),
            ~(T.price <= Decimal("0.5")),
            T.done == True,  # noqa: E712
        ]
    ),
    lambda inner: st.tuples(inner, inner, st.booleans()).map(lambda it: it[0] & it[1] if it[2] else it[0] | it[1]),
    max_leaves=4,
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "count": st.sampled_from([0, 5, Add(1), Add(-2)]),
        "text": st.sampled_from([None, "", "a"]),
        "done": st.sampled_from([None, True, False]),
        "color": st.sampled_from(Color),
    },
)
WRITES = st.one_of(
    st.builds(Patch, st.just(("1",)), CHANGES, (st.just(ALL) | CONDITIONS).map(lambda it: resolve_filter(THING, it))),
    st.builds(Delete, st.just(("1",)), (st.just(ALL) | CONDITIONS).map(lambda it: resolve_filter(THING, it))),
)


@settings(deadline=None)
@given(st.lists(WRITES, min_size=1, max_size=8))
def test_a_write_reads_the_same_whatever_was_written_before(writes: list[Patch | Delete]) -> None:
    warm = Requests(THING, CODEC, "things")
    for write in writes:
        when, _ = split(THING, write.when)
        payload = warm.write(write, when)
        assert payload == Requests(THING, CODEC, "things").write(write, when)
        assert filled(payload["ConditionExpression"], payload) == condition(when)
        if isinstance(write, Patch):
            assert filled(payload["UpdateExpression"], payload) == update(write.changes)


@settings(deadline=None)
@given(WRITES)
def test_no_placeholder_is_missing_and_none_is_unused(write: Patch | Delete) -> None:
    payload = Requests(THING, CODEC, "things").write(write, split(THING, write.when)[0])
    texts = payload["ConditionExpression"] + " " + payload.get("UpdateExpression", "")
    declared = payload["ExpressionAttributeNames"].keys() | payload.get("ExpressionAttributeValues", {}).keys()
    assert set(re.findall(r"[#:]\d+", texts)) == declared
    assert payload.get("ExpressionAttributeValues") != {}  # DynamoDB refuses an empty member


def filled(text: str, payload: dict[str, Any]) -> str:
    """Return the text with its placeholders replaced by their values."""
    meant = payload["ExpressionAttributeNames"] | payload.get("ExpressionAttributeValues", {})
    return re.sub(r"[#:]\d+", lambda place: str(meant[place.group()]), text)


def condition(when: Filter) -> str:
    expression = Expression(THING, CODEC)
    text = expression.condition(when)
    members = {"ExpressionAttributeNames": {}, "ExpressionAttributeValues": {}} | expression.payload()
    return "attribute_exists(id)" + (f" AND ({filled(text, members)})" if text else "")


def update(changes: Any) -> str:
    """Return an update's expression with plain names and values."""
    sets = [f"{name} = {_new(name, value)}" for name, value in changes.items() if value is not None]
    removes = [name for name, value in changes.items() if value is None] or ([] if sets else [NOTHING_STORED])
    clauses = [("SET", sets), ("REMOVE", removes)]
    return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts)


def _new(name: str, value: Any) -> str:
    if isinstance(value, Add):
        return f"if_not_exists({name}, {{'N': '0'}}) + {{'N': '{value.amount}'}}"
    return str(CODEC.value(name, value))


def test_a_put_requires_a_free_key_and_returns_the_existing_item() -> None:
    item = Thing(id="1", owner="me", at=datetime(2026, 1, 1, tzinfo=UTC))
    assert Requests(THING, CODEC, "things").write(Put(item)) == {
        "TableName": "things",
        "Item": CODEC.wire(item),
        "ConditionExpression": "attribute_not_exists(#0)",
        "ExpressionAttributeNames": {"#0": "id"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


@pytest.mark.parametrize("changes", [{}, {"text": None}])
def test_an_empty_update_is_still_an_expression(changes: dict[str, Any]) -> None:
    payload = Requests(THING, CODEC, "things").write(Patch(("1",), changes))
    assert payload["UpdateExpression"] == "REMOVE #1"
    assert "ExpressionAttributeValues" not in payload


@pytest.mark.parametrize("names", [None, ("id", "text")])
def test_the_request_of_a_query_by_other_values_has_these_values(names: tuple[str, ...] | None) -> None:
    planner = Planner(THING, WireCodec(THING))
    requests = Requests(THING, WireCodec(THING), "things")
    for where, order in product(QUERIES, (None, "at", "-at")):
        plan = planner.plan(resolve_filter(THING, where), resolve_order(THING, order))
        assert isinstance(plan, QueryPlan)
        fresh = Requests(THING, WireCodec(THING), "things")
        assert requests.query(plan, ALL, names) == fresh.query(plan, ALL, names)


QUERIES: list[Any] = [
    None,
    Thing.owner == "a",
    Thing.owner == "b",
    (Thing.owner == "a") & (Thing.color == Color.RED),
    (Thing.owner == "b") & (Thing.color == Color.NONE),
    (Thing.owner == "b") & (Thing.at >= datetime(2026, 1, 1, tzinfo=UTC)),
    Thing.text == "a",
]
