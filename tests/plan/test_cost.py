"""The cost of example loads, worked by hand from AWS's published prices of us-east-1, and the mistakes of a load."""

from __future__ import annotations

from typing import Any

import pytest

from persisty import App, Attr, Index, Unique, public, stored
from persisty.deploy.cost import CostLine, cost_of
from persisty.deploy.expected_load import load_of
from persisty.deploy.options import options_of
from persisty.deploy.plan import plan_of
from persisty.deploy.prices import prices_of
from persisty.errors import InvalidDeclaration
from tests.parcels import app as parcels

GB = 1024**3


@stored(key="id", indexes=[Index("customer_id")], access=public)
class Order:
    id: Attr[str]
    customer_id: Attr[str]


@stored(key="id", indexes=[Unique("email")], access=public)
class Customer:
    id: Attr[str]
    email: Attr[str]


APP = App("shop", items=[Order, Customer], url="memory://")


def lines(load: dict[str, Any], graphql: str = "http", **options: Any) -> list[CostLine]:
    known = options_of({"app": "tests.plan.test_cost:APP", "graphql": graphql, "alarms": False, **options})
    wanted = load_of(load, APP.metas)
    plan = plan_of(APP, known.app, graphql, live=known.live)
    return cost_of(APP, plan, known, wanted, prices_of(wanted.prices))


def total(found: list[CostLine]) -> float:
    return sum(one.usd for one in found)


def test_a_small_shop_by_hand() -> None:
    orders = {"items": 200_000, "bytes": 600, "reads": 2_000_000, "creates": 100_000, "updates": 300_000}
    found = lines({"stores": {"order": orders}, "requests": {"rest": 2_400_000, "milliseconds": 15, "bytes": 1000}})
    by_hand = {
        "writes": 400_000 * 2 * 0.625e-6,  # the table and its index, 1 KB each
        "reads": 2_000_000 * 0.125e-6,  # consistent, 4 KB
        "storage": 200_000 * 700 * 2 / GB * 0.25 + 200_000 * 700 / GB * 0.20,
        "http": 2_400_000 * 1.00e-6,
        "lambda": 2_400_000 * 0.20e-6 + 2_400_000 * 0.015 * 1 * 0.0000133334,
        "logs": 2_400_000 * (400 + 300) / GB * 0.50,  # of the functions, and of the HTTP API's access
        "transfer": 2_400_000 * 1000 / GB * 0.09,
    }
    assert total(found) == pytest.approx(sum(by_hand.values()), rel=0.001)


def test_unique_indexes_and_large_items_by_hand() -> None:
    customers = {"items": 50_000, "bytes": 3000, "creates": 50_000, "deletes": 10_000, "searches": 10_000, "page": 10}
    estimated = lines({"stores": {"customer": customers}})
    found = {(one.resource, one.unit): one.units for one in estimated}
    # an item of 3 KB and a guard row of 1 KB, written in a transaction, which costs twice
    assert found["table customer", "write request units"] == 60_000 * (2 * 3 + 2 * 1)
    # a page of 30,000 bytes is 8 units of 4 KB, read consistently
    assert found["table customer", "read request units"] == 10_000 * 8
    by_hand = {
        "writes": 60_000 * 8 * 0.625e-6,
        "reads": 10_000 * 8 * 0.125e-6,
        "items": 50_000 * 3100 / GB * (0.25 + 0.20),
        "guard rows": 50_000 * 250 / GB * (0.25 + 0.20),
    }
    assert total(estimated) == pytest.approx(sum(by_hand.values()), rel=0.05)


def test_access_logs_are_billed_where_they_are_written() -> None:
    asked = {"requests": {"rest": 1_000_000, "log_bytes": 0}}
    assert [one.unit for one in lines(asked) if one.resource == "logs"] == ["GB of logs"]
    assert not [one for one in lines(asked, access_logs=False) if one.resource == "logs"]


def test_appsync_with_subscriptions_by_hand() -> None:
    orders = {"bytes": 500, "creates": 1_000_000}
    asked = {"appsync": 5_000_000, "fields": 2, "milliseconds": 10, "bytes": 4000, "updates": 3_000_000}
    found = lines({"stores": {"order": orders}, "requests": asked | {"connection_minutes": 50_000_000}}, "appsync")
    invocations = 5_000_000 * 2 + 1_000_000
    by_hand = {
        "writes": 1_000_000 * 2 * 0.625e-6,
        "operations": (5_000_000 + 1_000_000) * 4.00e-6,
        "updates": 3_000_000 * 2.00e-6 + 50_000_000 * 0.08e-6,
        "lambda": invocations * 0.20e-6 + invocations * 0.010 * 0.0000133334,
        "logs": invocations * 400 / GB * 0.50,
        "transfer": 8_000_000 * 4000 / GB * 0.09,
    }
    secret = sum(one.usd for one in found if one.resource == "token secret")
    assert total(found) - secret == pytest.approx(sum(by_hand.values()), rel=0.001)


def test_memory_architecture_and_alarms_count() -> None:
    asked = {"requests": {"rest": 1_000_000, "milliseconds": 100}}
    small, large = (
        next(one for one in lines(asked, memory=memory, target=target) if one.unit == "GB-seconds")
        for memory, target in ((512, "arm64-3.13"), (2048, "x86_64-3.13"))
    )
    assert (small.units, large.units) == (50_000, 200_000)
    assert large.usd / large.units > small.usd / small.units
    [alarms] = [one for one in lines(asked, alarms=True) if one.resource == "alarms"]
    assert alarms.usd == pytest.approx(alarms.units * 0.10)


def test_every_mistake_of_a_load_is_named_with_its_path() -> None:
    wrong = {
        "stores": {"ordre": {}, "order": {"reads": -1, "rows": 3}, "customer": 5},
        "requests": {"rest": "many", "rset": 3},
        "request": {"rest": 1},
    }
    with pytest.raises(InvalidDeclaration) as refused:
        load_of(wrong, APP.metas)
    faults = {fault.path: fault.expected or "" for fault in refused.value.faults}
    assert [*faults] == [
        "/request", "/stores/ordre", "/stores/order/reads", "/stores/order/rows", "/stores/customer", "/requests/rest", "/requests/rset"
    ]  # fmt: skip
    assert faults["/request"] == "one of stores, requests, prices"
    assert faults["/requests/rset"].startswith("one of rest, graphql, appsync")
    assert faults["/stores/order/rows"].startswith("one of items, bytes, reads")
    with pytest.raises(InvalidDeclaration, match="Unknown price"):
        prices_of({"dynamodb": 1})
    with pytest.raises(InvalidDeclaration, match="Not a price"):
        prices_of({"secret": -1})


def test_prices_of_another_region_replace_the_tables() -> None:
    load = {"stores": {"order": {"creates": 1_000_000}}}
    dear = lines({**load, "prices": {"dynamodb_write": 1.25}})
    assert dear[0].usd == 2 * lines(load)[0].usd


def test_after_triggers_and_timers_cost_invocations_of_their_functions() -> None:
    known = options_of({"app": "tests.parcels:app", "graphql": "none", "alarms": False, "access_logs": False})
    load = load_of({"stores": {"receipt": {"creates": 1_000_000, "updates": 5_000_000}}}, parcels.metas)
    found = cost_of(parcels, plan_of(parcels, known.app, "none"), known, load, prices_of({}))
    units = {one.resource: one.units for one in found if one.unit in ("requests", "invocations by schedules")}
    fires = 30 * 24 * 60
    assert units == {"functions": 1_000_000 + fires, "timers": fires}
