"""Every engine rejects the same values: in nested attributes, in keys, and as changes of foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from persisty import App, Attr, BelongsTo, InvalidInput, add, link, stored

from ...postgres import schema_in

STAGES = count()


@dataclass
class Place:
    price: Decimal = Decimal(1)
    at: datetime | None = None
    more: list[Decimal] | None = None
    label: str = ""


@stored(key="number", name="shop")
class NumberedShop:
    number: Attr[int]


@stored
class Order:
    id: Attr[str]
    place: Attr[Place] = Attr(factory=Place)
    extra: Attr[dict[str, Any]] = Attr(factory=dict)
    shop_number: Attr[int | None] = Attr(default=None)
    shop: BelongsTo[NumberedShop] = link(by="shop_number", on_delete="block")


@stored(key=("first", "second"))
class Pair:
    first: Attr[str]
    second: Attr[str]


ENGINES = ["memory", "sqlite", "postgresql", "dynamodb-local"]


@pytest.fixture(params=ENGINES)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    match request.param:
        case "memory":
            url = "memory://"
        case "sqlite":
            url = f"sqlite:///{tmp_path}/orders.db"
        case "postgresql":
            url = schema_in(request.getfixturevalue("postgres_url"))
        case _:
            url = f"dynamodb://us-east-1?endpoint={request.getfixturevalue('local_endpoint')}&index_attributes=2"
    app = App("orders", items=[NumberedShop, Order, Pair], url=url, stage=f"b{next(STAGES)}")
    app.prepare()
    yield app
    app.close()


LATE = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))
EARLY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
REFUSED = [
    (Place(Decimal("NaN")), "/price"),
    (Place(Decimal("sNaN")), "/price"),
    (Place(Decimal("Infinity")), "/price"),
    (Place(Decimal("1E-20000")), "/price"),
    (Place(Decimal("1" * 39)), "/price"),
    (Place(at=LATE), "/at"),
    (Place(at=EARLY), "/at"),
    (Place(more=[Decimal(1), Decimal("NaN")]), "/more/1"),
]


def test_nested_decimals_and_datetimes_have_the_bounds_of_attributes(app: App) -> None:
    orders = app.store(Order)
    orders.create({"id": "a", "place": Place(Decimal("1.5"), datetime(9999, 12, 31, 23, tzinfo=UTC))})
    for place, path in REFUSED:
        for call in (
            lambda: orders.create({"id": "b", "place": place}),  # noqa: B023
            lambda: orders.update("a", {"place": place}),  # noqa: B023
            lambda: orders.update_all({"place": place}),  # noqa: B023
        ):
            with pytest.raises(InvalidInput) as caught:
                call()
            assert [fault.path for fault in caught.value.faults] == [f"/place{path}"]
    found: Any = Order.place
    assert [one.id for one in orders.search(found.price > Decimal(1))] == ["a"]


def test_lone_surrogates_within_a_value_have_their_path(app: App) -> None:
    orders = app.store(Order)
    for values, path in (
        ({"place": {"label": "\ud800"}}, "/place/label"),
        ({"extra": {"a": ["b", "\ud800"]}}, "/extra/a/1"),
        ({"extra": {"\ud800": 1}}, "/extra"),
    ):
        with pytest.raises(InvalidInput) as caught:
            orders.create({"id": "b", **values})
        [fault] = caught.value.faults
        assert (fault.path, fault.message) == (path, "Expected Unicode text, got lone surrogates")


def test_a_foreign_key_accepts_no_sum(app: App) -> None:
    app.store(NumberedShop).create({"number": 1})
    orders = app.store(Order)
    orders.create({"id": "a", "place": Place(), "shop_number": 1})
    for call in (
        lambda: orders.update("a", {"shop_number": add(1)}),
        lambda: orders.update_all({"shop_number": add(1)}),
    ):
        with pytest.raises(InvalidInput) as caught:
            call()
        assert [fault.path for fault in caught.value.faults] == ["/shop_number"]
    assert orders.read("a").shop_number == 1


def test_keys_have_at_most_the_bytes_that_every_engine_accepts(app: App) -> None:
    pairs = app.store(Pair)
    pairs.create(Pair(first="a" * 2048, second="é" * 512))
    assert pairs.read(("a" * 2048, "é" * 512)) is not None
    for first, second, path in (
        ("a" * 2049, "b", "/first"), ("a", "é" * 512 + "b", "/second"), ("\0" + "a" * 2047, "b", "/first"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as caught:
            pairs.create(Pair(first=first, second=second))
        assert [fault.path for fault in caught.value.faults] == [path]
        assert pairs.read(pairs.meta.key_codec.text((first, second))) is None
        assert pairs.delete(pairs.meta.key_codec.text((first, second))) is False
