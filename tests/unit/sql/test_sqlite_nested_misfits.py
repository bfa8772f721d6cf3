"""SQLite: a nested value of another type makes its own item unreadable, and no filter fails because of it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from persisty import App, Attr, stored
from persisty.model.expressions import Compare


class OldDetail(Struct):
    at: str | int
    price: str | int
    seal: str | int


class Detail(Struct):
    at: datetime
    price: Decimal
    seal: bytes


@stored(name="sale")
class OldSale:
    id: Attr[str]
    detail: Attr[OldDetail]


@stored(name="sale")
class Sale:
    id: Attr[str]
    detail: Attr[Detail]


VALUES = {"at": datetime(2026, 1, 1, tzinfo=UTC), "price": Decimal("1.5"), "seal": b"ab"}
MISFITS = ("zz", "", "NaN", "sNaN", "0001-01-01T00:00:00+09:00", 5)


@pytest.mark.parametrize("name", VALUES)
def test_a_nested_value_of_another_type_fails_no_filter(tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    with closing(App("sales", items=[OldSale], url=url)) as app:
        app.prepare()
        for number, misfit in enumerate(MISFITS):
            app.store(OldSale).create(OldSale(id=f"bad {number}", detail=OldDetail(misfit, misfit, misfit)))
    with closing(App("sales", items=[Sale], url=url)) as app:
        app.prepare()
        sales, value = app.store(Sale), VALUES[name]
        sale = sales.create(Sale(id="good", detail=Detail(**VALUES)))
        matching: dict[str, Any] = {"eq": value, "le": value, "ge": value, "oneof": [None, value]}
        for operator, operand in matching.items():
            assert [*sales.search(Compare(f"detail.{name}", operator, operand))] == [sale]
        for operator in ("ne", "lt", "gt"):
            assert [*sales.search(Compare(f"detail.{name}", operator, value))] == []
